//! The browser sees what is there and does what it is told, and a page that does wrong is caught.

use std::fs;

use testbed::axe::Axe;
use testbed::browser::{Browser, Scheme, Screen, Scripts};
use testbed::receiver::{Answer, Receiver, Script};

/// A page that does everything right, under a policy as strict as can be.
const GOOD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Good</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css"><script src="/script.js" defer></script></head>
<body><main><h1>Good page</h1><p id="width">nothing ran</p>
<form action="/sent"><label for="n">Your name</label><input id="n" name="n" value="old">
<label><input type="checkbox" name="agree"> I agree</label>
<label for="c">Colour</label><select id="c" name="c"><option>red</option><option>blue</option></select>
<button>Send it</button></form>
<button type="button" id="copy" aria-label="Copy the text">&#10697;</button></main></body></html>"#;

const STYLE: &str = "body { background: #fff; color: #000 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }";

const SCRIPT: &str = "document.getElementById('width').textContent = `width ${innerWidth}`;
document.getElementById('copy').onclick = () => navigator.clipboard.writeText('copied text');";

/// As strict as can be; the icon in the page's own URL is an image.
const POLICY: &str = "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'";

/// A page with one fault of every kind that is to be found.
const BAD: &str = r#"<!doctype html><html><head><title>Bad</title><link rel="icon" href="data:,"></head>
<body><img src="http://127.0.0.1:1/elsewhere.png"><script>document.title = "inline"</script>
<script src="/missing.js"></script><script src="/throws.js"></script><input></body></html>"#;

async fn server() -> Receiver {
    let receiver = Receiver::start(Script::always(Answer::status(404))).await.unwrap();
    let answers = [
        ("/good", "text/html", POLICY, GOOD),
        ("/bad", "text/html", "script-src 'self'", BAD),
        ("/style.css", "text/css", "", STYLE),
        ("/script.js", "text/javascript", "", SCRIPT),
        ("/throws.js", "text/javascript", "", "throw new Error('thrown on purpose')"),
        (
            "/sent?n=A+new+name&agree=on&c=blue",
            "text/html",
            "",
            "<link rel=icon href=data:,>Thanks",
        ),
    ];
    for (path, kind, policy, body) in answers {
        let answer = Answer::status(200).with_header("content-type", kind).with_body(body);
        let answer = answer.with_header("content-security-policy", policy);
        receiver.answer(path, Script::always(answer));
    }
    receiver
}

#[tokio::test]
async fn a_browser_reads_fills_in_presses_and_copies() {
    let server = server().await;
    let browser = Browser::start(&server.url("/"), Scripts::On).await.unwrap();
    browser.open("/good").await.unwrap();
    browser.sees("width 1280").await.unwrap();
    browser.press("Copy the text").await.unwrap();
    let copied = browser.until("it is copied", async || Ok(browser.clipboard().await.ok()));
    assert_eq!(copied.await.unwrap(), "copied text");

    browser.look_with(Scheme::Dark, Screen::Phone).await.unwrap();
    browser.open("/good").await.unwrap();
    browser.sees("width 390").await.unwrap();
    let colour = "return getComputedStyle(document.body).color";
    assert_eq!(browser.run(colour, Vec::new()).await.unwrap(), "rgb(238, 238, 238)");
    let picture = browser.screenshot("testbed").await.unwrap();
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    fs::remove_file(picture).unwrap();

    assert_eq!(browser.filled("Your name").await.unwrap(), "old");
    browser.fill("Your name", "A new name").await.unwrap();
    browser.tick("I agree").await.unwrap();
    browser.choose("Colour", "blue").await.unwrap();
    browser.press("Send it").await.unwrap();
    browser.sees("Thanks").await.unwrap();
    assert_eq!(browser.path().await.unwrap(), "/sent");
    assert_eq!(browser.complaints().await.unwrap(), [""; 0]);
    if let Some(axe) = axe().await {
        browser.open("/good").await.unwrap();
        assert_eq!(axe.violations(&browser).await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn a_page_that_does_wrong_is_caught() {
    let server = server().await;
    let browser = Browser::start(&server.url("/"), Scripts::On).await.unwrap();
    browser.open("/bad").await.unwrap();
    let complaints = browser.complaints().await.unwrap();
    for part in [
        "request to another host: http://127.0.0.1:1/elsewhere.png",
        "Content Security Policy",
        "/missing.js was answered 404",
        "thrown on purpose",
    ] {
        assert!(complaints.iter().any(|line| line.contains(part)), "{part}: {complaints:#?}");
    }
    if let Some(axe) = axe().await {
        let violations = axe.violations(&browser).await.unwrap();
        for rule in ["html-has-lang (serious)", "image-alt (critical)", "label (critical)"] {
            assert!(
                violations.iter().any(|line| line.starts_with(rule)),
                "{rule}: {violations:#?}"
            );
        }
    }
}

#[tokio::test]
async fn without_scripts_forms_work_and_nothing_runs() {
    let server = server().await;
    let browser = Browser::start(&server.url("/"), Scripts::Off).await.unwrap();
    browser.open("/good").await.unwrap();
    browser.sees("nothing ran").await.unwrap();
    browser.fill("Your name", "A new name").await.unwrap();
    browser.tick("I agree").await.unwrap();
    browser.choose("Colour", "blue").await.unwrap();
    browser.press("Send it").await.unwrap();
    browser.sees("Thanks").await.unwrap();
}

/// The rules of axe-core, where npm is there.
async fn axe() -> Option<Axe> {
    let axe = Axe::find().await.unwrap();
    if axe.is_none() {
        eprintln!("skipped: there is no npm, so no axe-core");
    }
    axe
}
