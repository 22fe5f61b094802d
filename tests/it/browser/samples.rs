//! The samples on the page verify what the program really sends, and nothing else.

use testbed::browser::{Browser, Scripts};
use testbed::debian::is_there;
use testbed::node;
use testbed::receiver::Received;
use testbed::sample::{Sample, shell_takes};

use super::{ADMIN, Center};

/// The samples that the page shows now, by the words in their elements' ids.
pub(super) struct Samples {
    node: String,
    python: String,
    shell: String,
}

impl Samples {
    pub(super) async fn shown(browser: &Browser, secret: &str) -> Self {
        Self {
            node: sample(browser, "node", secret).await,
            python: sample(browser, "python", secret).await,
            shell: sample(browser, "shell", secret).await,
        }
    }

    /// Runs each with a request that was really received.
    pub(super) async fn verify(&self, received: &Received) {
        let (body, right) = (&received.body[..], received.header("x-boottify-signature"));
        let wrong = changed(right);
        for (signature, taken) in [(right, true), (wrong.as_str(), false), ("sha256=", false)] {
            let by_shell = shell_takes(&self.shell, body, signature).await.unwrap();
            assert_eq!(by_shell, taken, "shell, {signature}");
        }
        let mut servers = vec![("python", Sample::python(&self.python).await.unwrap())];
        if node::is_there() && is_there("npm") {
            servers.push(("node", Sample::node(&self.node).await.unwrap()));
        } else {
            eprintln!("skipped: there is no Node.js with npm for its sample");
        }
        for (language, server) in servers {
            verifies(language, &server, received);
        }
    }
}

/// Go and Rust are compiled, which takes its time: apart from the others.
#[tokio::test]
async fn compiled_samples_verify_what_is_sent() {
    let center = Center::open(Scripts::On).await;
    let browser = &center.browser;
    center.sign_in(ADMIN).await;
    let webhook = center.webhook("/hook", &[]);
    browser.open(&format!("/admin/webhooks/{webhook}/settings")).await.unwrap();
    browser.press("Reveal").await.unwrap();
    browser.sees("Verify that requests come from Boottify").await.unwrap();
    let secret = browser.text_of("#secret").await.unwrap();
    let (go, rust) = (sample(browser, "go", &secret).await, sample(browser, "rust", &secret).await);
    center.publish("evt_1").await;
    let received = center.received(1).await;
    verifies("go", &Sample::go(&go).await.unwrap(), &received);
    verifies("rust", &Sample::rust(&rust).await.unwrap(), &received);
    center.close().await;
}

/// The sample that the page shows now, with the secret in it.
async fn sample(browser: &Browser, language: &str, secret: &str) -> String {
    let script = format!("return document.getElementById('code-{language}').textContent");
    let text = browser.run(&script, Vec::new()).await.unwrap();
    let text = text.as_str().unwrap().to_owned();
    assert!(text.contains(secret), "{language}: {text}");
    text
}

/// That a server takes what was really received, and nothing else.
fn verifies(language: &str, server: &Sample, received: &Received) {
    let (body, right) = (&received.body[..], received.header("x-boottify-signature"));
    assert!(server.takes(body, right).unwrap(), "{language} refuses the right signature");
    assert!(!server.takes(body, &changed(right)).unwrap(), "{language} takes a wrong signature");
    assert!(!server.takes(b"{\"x\":1}", right).unwrap(), "{language} takes another body");
}

/// Another signature, which is none.
fn changed(signature: &str) -> String {
    let digit = if signature.ends_with('0') { '1' } else { '0' };
    format!("{}{digit}", &signature[..signature.len() - 1])
}
