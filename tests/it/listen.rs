//! `listen` forwards live events to a receiver that is being written.

use std::process::Stdio;

use testbed::eventually;
use testbed::program;
use testbed::proxy::Proxy;
use testbed::receiver::{Answer, Script};
use testbed::setup::{SECRET, Webhook};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::stage::{SOON, Stage};

/// A listener at work, and what it says on standard error after its first line.
async fn listen(
    stage: &Stage,
    url: &str,
    arguments: &[&str],
) -> (Child, Lines<BufReader<ChildStderr>>) {
    let config = stage.program.folder().join("config.toml");
    let mut child = Command::new(program::binary().await.unwrap())
        .args([&["listen", "--config", config.to_str().unwrap()], arguments].concat())
        .env("BOOTTIFY_WEBHOOKS__BROKER__URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = timeout(SOON, said.next_line()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with("listening at "), "{first}");
    (child, said)
}

#[tokio::test]
async fn a_listener_stands_in_for_a_webhook() {
    let stage = Stage::new(|setup, receiver| {
        let webhook = Webhook::new("whk_1", &receiver.url("/hook")).header("x-team", "shop");
        setup.webhook(webhook.events(&["deployment.*"]).projects(&["prj_1"]))
    })
    .await;
    stage.receiver.answer("/mine", Script::always(Answer::status(503)));
    let url = stage.receiver.url("/mine");
    let arguments = ["--webhook", "whk_1", "--count", "1", "--json", &url];
    let (child, _said) = listen(&stage, &stage.space.url(), &arguments).await;
    for (kind, project, id) in [
        ("domain.added", "prj_1", "evt_other_type"),
        ("deployment.created", "prj_2", "evt_other_project"),
        ("deployment.created", "prj_1", "evt_wanted"),
    ] {
        stage.publish(kind, project, id).await;
    }
    let output = timeout(SOON, child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["id"], &told["status"]), (&"evt_wanted".into(), &503.into()));
    assert_eq!(told["failure"], "http_503");

    // What is delivered is the same in all but the address, and nobody gets less.
    stage.receiver.wait_for(2, SOON).await.unwrap();
    let [ours, theirs] = ["/mine", "/hook"].map(|path| stage.receiver.requests_at(path));
    let ([mine], [hook]) = (ours.as_slice(), theirs.as_slice()) else { panic!("{ours:?}") };
    assert_eq!(mine.body, hook.body);
    for header in ["x-boottify-signature", "x-boottify-delivery", "x-team"] {
        assert_eq!(mine.header(header), hook.header(header));
    }
    stage.close().await;
}

#[tokio::test]
async fn a_listener_can_be_nobody_and_outlives_its_connection() {
    let stage = Stage::simple().await;
    let secret = stage.program.folder().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let url = stage.receiver.url("/mine");
    let options =
        ["--secret-file", secret.to_str().unwrap(), "--event", "domain.*", "--count", "2"];
    let proxy = Proxy::start(stage.space.address().amqp().unwrap()).await.unwrap();
    let broker = proxy.before(&stage.space.url());
    let (child, mut said) = listen(&stage, &broker, &[&options[..], &[&url]].concat()).await;
    stage.publish_body("domain.added", "evt_poison", b"{").await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    // The service delivers it, too, and may be the first.
    let heard = eventually("the listener has it", SOON, || async {
        (stage.receiver.requests_at("/mine").len() == 1).then_some(())
    });
    heard.await.unwrap();
    let line = timeout(SOON, said.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.starts_with("no event, passed over: "), "{line}");

    proxy.cut();
    for expected in ["lost the broker", "listening again"] {
        let line = timeout(SOON, said.next_line()).await.unwrap().unwrap().unwrap();
        assert!(line.starts_with(expected), "{line}");
    }
    stage.publish("domain.added", "prj_1", "evt_2").await;
    let output = timeout(SOON, child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.matches("domain.added  evt_").count(), 2, "{lines}");
    stage.close().await;
}

#[tokio::test]
async fn a_listener_says_what_is_wrong() {
    let stage = Stage::simple().await;
    let config = stage.program.folder().join("config.toml");
    let run = async |arguments: &[&str]| {
        let arguments = [&["listen", "--config", config.to_str().unwrap()], arguments].concat();
        let output = program::run(&arguments, &[]).await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = run(&["ftp://127.0.0.1/x"]).await;
    assert_eq!(code, Some(2), "{told}");
    let (code, told) = run(&["--webhook", "whk_other", "http://127.0.0.1:1/x"]).await;
    assert_eq!((code, told.contains("there is no webhook whk_other")), (Some(1), true), "{told}");
    let (code, told) = run(&["--event", "nonsense", "http://127.0.0.1:1/x"]).await;
    assert_eq!(code, Some(2), "{told}");
    stage.close().await;
}
