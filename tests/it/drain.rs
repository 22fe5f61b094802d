//! SIGTERM: what is in flight ends, the rest goes back, and the exit code is 0.

use std::time::Duration;

use testbed::eventually;
use testbed::postgres::Server;
use testbed::program;
use testbed::receiver::{Answer, Script};
use testbed::setup::Webhook;
use tokio::time::Instant;

use crate::stage::{SOON, Stage};

/// The base64 of 32 bytes.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[tokio::test]
async fn what_is_in_flight_ends_and_nothing_comes_twice() {
    let mut stage = Stage::new(|setup, receiver| {
        let slow = Script::always(Answer::status(200).after(Duration::from_secs(1)));
        receiver.answer("/hook", slow);
        // One for each event: the first attempt of a webhook that nothing is known of always goes.
        (0..8).fold(setup.set("broker.prefetch", 5), |setup, n| {
            let webhook = Webhook::new(&format!("whk_{n}"), &receiver.url("/hook"));
            setup.webhook(webhook.set("projects", vec![format!("prj_{n}")]))
        })
    })
    .await;
    for n in 0..8 {
        stage.publish("domain.added", &format!("prj_{n}"), &format!("evt_{n}")).await;
    }
    stage.receiver.wait_for(5, SOON).await.unwrap();
    stage.program.sigterm();
    eventually("not ready while draining", SOON, || async {
        let answer = stage.program.get("/readyz").ok()?;
        (answer.status == 503).then_some(())
    })
    .await
    .unwrap();
    let status = stage.program.wait(SOON).await.unwrap();
    assert!(status.success(), "{status}");
    let queue = &stage.space.names().events_queue;
    let (attempted, left) = (stage.receiver.count(), stage.client.depth(queue).await.unwrap());
    assert_eq!(attempted + left as usize, 8, "{attempted} attempted, {left} given back");

    stage.program.start_again().await.unwrap();
    stage.program.ready().await.unwrap();
    let requests = stage.receiver.wait_for(8, SOON).await.unwrap();
    let mut ids: Vec<_> = requests.iter().map(|request| request.delivery().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8);
    stage.settled(8 - u32::try_from(attempted).unwrap()).await;
    assert_eq!(stage.receiver.count(), 8, "something came twice");
    stage.close().await;
}

#[tokio::test]
async fn the_grace_period_and_a_second_signal_end_it() {
    for signals in [1, 2] {
        let mut stage = Stage::new(|setup, receiver| {
            receiver.answer("/hook", Script::always(Answer::hang()));
            let setup = setup.set("shutdown.grace", if signals == 1 { "2s" } else { "60s" });
            setup.webhook(Webhook::new("whk_1", &receiver.url("/hook")))
        })
        .await;
        stage.publish("domain.added", "prj_1", "evt_1").await;
        stage.receiver.wait_for(1, SOON).await.unwrap();
        let began = Instant::now();
        stage.program.sigterm();
        if signals == 2 {
            stage.program.logged("draining", SOON).await.unwrap();
            stage.program.sigterm();
        }
        let status = stage.program.wait(SOON).await.unwrap();
        assert_eq!(status.code(), Some(if signals == 1 { 0 } else { 1 }));
        assert!(began.elapsed() < Duration::from_secs(12), "took {:?}", began.elapsed());
        let queue = stage.space.names().events_queue.clone();
        eventually("the event is back", SOON, || async {
            (stage.client.depth(&queue).await.ok()? == 1).then_some(())
        })
        .await
        .unwrap();
        drop((stage.program, stage.client));
        stage.space.close().await.unwrap();
    }
}

/// A program with webhooks and log in PostgreSQL, which was there and is away; five attempts wait.
async fn without_its_database(grace: &str) -> (Stage, Server) {
    let mut server = Server::start().await.unwrap();
    let url = server.database("all").await.unwrap();
    let stage = Stage::new(|setup, _| {
        let setup = setup.set("webhooks.store", url.as_str()).set("shutdown.grace", grace);
        setup.set("webhooks.encryption_key", KEY)
    })
    .await;
    let config = stage.program.folder().join("config.toml").display().to_string();
    let hook = stage.receiver.url("/hook");
    let made = program::run(&["webhooks", "create", &hook, "--config", &config], &[]).await;
    assert!(made.unwrap().status.success());
    server.stop().await.unwrap();
    for n in 0..5 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    stage.receiver.wait_for(5, SOON).await.unwrap();
    stage.reaches("store_failing", &[], 1.0).await;
    stage.program.logged("the delivery log cannot be written: ", SOON).await.unwrap();
    (stage, server)
}

#[tokio::test]
async fn a_log_that_stays_away_is_tried_until_the_grace_is_over_and_what_is_lost_is_told() {
    const GRACE: Duration = Duration::from_secs(7);
    let (mut stage, _server) = without_its_database("7s").await;
    let dropped = "boottify_webhooks_delivery_log_dropped_total";
    let metrics = stage.program.metrics().unwrap();
    assert_eq!(metrics.value(dropped, &[("reason", "ended")]), Some(0.0));
    let began = Instant::now();
    stage.program.sigterm();
    assert!(stage.program.wait(SOON).await.unwrap().success());
    let (took, log) = (began.elapsed(), stage.program.log().join("\n"));
    assert!(took >= GRACE && took < GRACE + Duration::from_secs(4), "took {took:?}\n{log}");
    assert!(log.contains("attempts that are missing in the delivery log: 5, for"), "{log}");
    assert!(!log.contains("panicked") && !log.contains("not closed in time"), "{log}");
    drop((stage.program, stage.client));
    stage.space.close().await.unwrap();
}

#[tokio::test]
async fn a_log_that_comes_back_within_the_grace_gets_all() {
    let (mut stage, mut server) = without_its_database("60s").await;
    stage.program.sigterm();
    stage.program.logged("draining", SOON).await.unwrap();
    server.start_again().await.unwrap();
    assert!(stage.program.wait(SOON).await.unwrap().success());
    let log = stage.program.log().join("\n");
    assert!(!log.contains("are missing in the delivery log"), "{log}");
    assert_eq!(server.execute("all", "SELECT COUNT(*) FROM deliveries").await.unwrap(), "5");
    drop((stage.program, stage.client));
    stage.space.close().await.unwrap();
}
