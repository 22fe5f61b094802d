//! What is already in the broker and does not fit is told in one clear line, and the program waits
//! for it to be mended instead of crashing.

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use testbed::eventually;
use testbed::page;
use testbed::program::{self, Program};
use testbed::rabbitmq::Broker;
use testbed::receiver::{Receiver, Script};
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn a_queue_with_other_arguments_is_named_and_can_be_mended() {
    let space = Space::open().await.unwrap();
    let client = space.client().await.unwrap();
    let queue = space.names().events_queue.clone();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let channel = client.channel();
    channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();

    let receiver = Receiver::start(Script::ok()).await.unwrap();
    let setup = Setup::new(&space).webhook(Webhook::new("whk_1", &receiver.url("/hook")));
    let mut program = Program::launch(&setup, &[]).await.unwrap();
    let line = program.logged("other arguments", SOON).await.unwrap();
    assert!(line.contains(&queue) && line.contains("x-d"), "{line}");
    let ready = program.get("/readyz").unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains(&queue), "{}", ready.body);
    assert_eq!(program.get("/healthz").unwrap().status, 200);

    channel.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
    program.ready().await.unwrap();
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
    drop((program, client));
    space.close().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_not_there_or_refuses_is_told_and_waited_for() {
    let space = Space::open().await.unwrap();
    let wrong_password = space.url().replacen("guest:guest", "guest:hunter2", 1);
    let closed = testbed::ports::Port::take().unwrap();
    let nowhere = format!("amqp://guest:hunter2@{}/", closed.address());
    let unknown_vhost = format!("{}-unknown", space.url());
    for url in [wrong_password, nowhere, unknown_vhost] {
        let setup = Setup::new(&space).set("broker.url", url.as_str());
        let mut program = Program::launch(&setup, &[]).await.unwrap();
        let line = program.logged("no session with the broker", SOON).await.unwrap();
        assert!(!line.contains("hunter2"), "{line}");
        assert_eq!(program.get("/readyz").unwrap().status, 503);
        assert_eq!(program.get("/healthz").unwrap().status, 200);
        assert_eq!(
            program.metrics().unwrap().value("boottify_webhooks_broker_connected", &[]),
            Some(0.0)
        );
        program.sigterm();
        assert!(program.wait(SOON).await.unwrap().success());
    }
    space.close().await.unwrap();
}

/// Publishers declare the exchange too. One that comes first after somebody deleted it would publish
/// to nobody, and be told that all is well.
#[tokio::test]
async fn an_exchange_that_was_deleted_and_declared_by_others_is_bound_again() {
    let stage = Stage::simple().await;
    let exchange = stage.space.names().events_exchange.as_str();
    let channel = stage.client.channel();
    channel.exchange_delete(exchange.into(), Default::default()).await.unwrap();
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let (kind, none) = (ExchangeKind::Topic, FieldTable::default());
    channel.exchange_declare(exchange.into(), kind, options, none).await.unwrap();
    eventually("events come again", SOON, || async {
        stage.client.publish_event(exchange, "domain.added", "evt_1", page::PAYLOAD).await.ok()
    })
    .await
    .unwrap();
    stage.receiver.wait_for(1, SOON).await.unwrap();
    stage.close().await;
}

/// The README's permissions are enough for all that the program does, and one less is told.
#[tokio::test]
async fn the_least_permissions_are_enough_on_a_private_broker() {
    const LEAST: &str = r"^(boottify\.(events|webhooks\.ops)|webhooks\..*)$";
    let broker = Broker::start().await.unwrap();
    let space = Space::alone(&broker);
    let receiver = Receiver::start(Script::fail(1, 500)).await.unwrap();
    let permit = async |write: &str| {
        let permissions = ["set_permissions", "--vhost", "/", "hooks", LEAST, write, LEAST];
        broker.ctl(&permissions).await.unwrap();
    };
    broker.ctl(&["add_user", "hooks", "hunter2"]).await.unwrap();
    permit("^boottify.*").await;
    let setup = Setup::new(&space)
        .set("broker.url", space.url().replacen("guest:guest", "hooks:hunter2", 1))
        .set("retry.first_delay", "1s")
        .webhook(Webhook::new("whk_1", &receiver.url("/hook")));
    let mut program = Program::launch(&setup, &[]).await.unwrap();
    let line = program.logged("no permission", SOON).await.unwrap();
    assert!(line.contains("webhooks.") && !line.contains("hunter2"), "{line}");

    permit(LEAST).await;
    program.ready().await.unwrap();
    let client = space.client().await.unwrap();
    let exchange = &space.names().events_exchange;
    client.publish_event(exchange, "x", "evt_1", page::PAYLOAD).await.unwrap();
    client.publish_event(exchange, "x", "evt_2", b"no event").await.unwrap();
    receiver.wait_for(2, SOON).await.unwrap();
    client.wait_for(&space.names().rejected_queue, SOON).await.unwrap();
    let config = program.folder().join("config.toml").display().to_string();
    let listed = program::run(&["dead", "list", "--config", &config], &[]).await.unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
}
