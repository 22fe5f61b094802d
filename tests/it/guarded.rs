//! Addresses that a webhook must not reach are refused before any connection is made.

use testbed::program::Program;
use testbed::receiver::{Receiver, Script};
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn private_addresses_and_names_that_lead_there_are_blocked() {
    let inner = Receiver::start(Script::ok()).await.unwrap();
    let port = inner.address().port();
    let hosts = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("0x7f.1:{port}"),
        format!("2130706433:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::]:{port}"),
        format!("[64:ff9b::7f00:1]:{port}"),
        format!("[2002:7f00:1::]:{port}"),
        "169.254.169.254".to_owned(),
        "10.0.0.1".to_owned(),
        "100.64.0.1".to_owned(),
    ];
    let stage = Stage::new(|setup, _| {
        let setup = setup.set("delivery.allow_addresses", Vec::<String>::new());
        hosts.iter().enumerate().fold(setup, |setup, (n, host)| {
            setup.webhook(Webhook::new(&format!("whk_{n}"), &format!("http://{host}/")))
        })
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    let blocked = [("outcome", "failed"), ("failure", "blocked_address")];
    stage.reaches("deliveries_total", &blocked, hosts.len() as f64).await;
    assert_eq!(inner.count(), 0);
    stage.close().await;
}

#[tokio::test]
async fn plain_http_is_refused_unless_configured() {
    let space = Space::open().await.unwrap();
    let setup = Setup::new(&space)
        .set("webhooks.allow_http", false)
        .webhook(Webhook::new("whk_1", "http://receiver.example/"));
    let mut program = Program::launch(&setup, &[]).await.unwrap();
    let line = program.logged("webhooks.toml:", SOON).await.unwrap();
    assert!(line.contains("https"), "{line}");
    program.kill9().unwrap();
    drop(program);
    space.close().await.unwrap();
}
