//! A webhook whose every attempt fails for long is disabled, and people are told ahead, when it
//! happens, and of every delivery that dies.

use std::time::Duration;

use serde_json::Value;
use testbed::receiver::{Answer, Script};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

/// How long a webhook may fail here: with an attempt each second, one falls between half of it and
/// four fifths, and one between those and the end.
const AFTER: &str = "6s";

/// The webhooks of a test: one that fails and is tried each second, and one that does well.
async fn stage(after: &str) -> Stage {
    Stage::new(|setup, receiver| {
        receiver.answer("/bad", Script::always(Answer::status(500)));
        let bad = Webhook::new("whk_bad", &receiver.url("/bad"))
            .retry("first_delay", "1s")
            .retry("max_delay", "1s")
            .retry("jitter", 0.0);
        setup
            .set("webhooks.disable_after", after)
            .webhook(bad)
            .webhook(Webhook::new("whk_good", &receiver.url("/good")))
    })
    .await
}

/// The next operational events up to one of this type, and that one last.
async fn until(stage: &Stage, queue: &str, kind: &str) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    loop {
        let message = stage.client.wait_for(queue, SOON).await.unwrap();
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(body["type"], message.routing_key, "{body}");
        assert!(body["createdAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{body}");
        let id = message.id().unwrap().to_owned();
        let last = message.routing_key == kind;
        seen.push((id, body));
        if last {
            return seen;
        }
    }
}

#[tokio::test]
async fn what_fails_for_long_is_disabled_and_told_ahead() {
    let stage = stage(AFTER).await;
    let told = stage.client.follow(&stage.space.names().ops_exchange).await.unwrap();
    stage.publish("domain.added", "prj_1", "evt_1").await;
    let events = until(&stage, &told, "webhook.disabled").await;
    let kinds: Vec<&str> = events.iter().map(|(_, body)| body["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["webhook.failing", "webhook.failing", "webhook.disabled"]);
    for (_, body) in &events {
        assert_eq!(body["webhook"]["id"], "whk_bad");
    }
    assert_eq!(events[0].1["failingSince"], events[1].1["failingSince"]);
    assert!(events[2].1["reason"].as_str().unwrap().starts_with("every attempt since 20"));
    let mut ids: Vec<&String> = events.iter().map(|(id, _)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    stage.reaches("webhooks", &[("state", "disabled")], 1.0).await;
    // What still waited for it is a dead letter now, and that is told, too.
    let dead = until(&stage, &told, "delivery.dead").await.pop().unwrap().1;
    assert_eq!((&dead["reason"], &dead["event"]["id"]), (&"disabled".into(), &"evt_1".into()));
    assert_eq!(dead["webhook"]["id"], "whk_bad");
    // Those that were made before count, although the last word came without one.
    assert!(dead["delivery"]["attempts"].as_u64().is_some_and(|made| made > 2), "{dead}");
    assert_eq!(stage.sum("webhooks", &[("state", "enabled")]), 1.0, "the good one stays");
    stage.close().await;
}

/// One success is enough to begin anew.
#[tokio::test]
async fn a_success_begins_the_time_anew() {
    let stage = stage(AFTER).await;
    let told = stage.client.follow(&stage.space.names().ops_exchange).await.unwrap();
    stage.publish("domain.added", "prj_1", "evt_1").await;
    let before = until(&stage, &told, "webhook.failing").await.pop().unwrap().1;
    stage.receiver.answer("/bad", Script::ok());
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 2.0).await;
    stage.receiver.answer("/bad", Script::always(Answer::status(500)));
    stage.publish("domain.added", "prj_1", "evt_2").await;
    // Told of anew from the half of a new stretch of time on.
    let again = until(&stage, &told, "webhook.failing").await.pop().unwrap().1;
    let since = |told: &Value| told["failingSince"].as_str().unwrap().to_owned();
    assert!(since(&again) > since(&before), "{before} {again}");
    stage.close().await;
}

/// A secret that is about to end is told of once.
#[tokio::test]
async fn an_expiring_secret_is_told_of_once() {
    let space = testbed::space::Space::open().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("webhooks.db").display());
    let setup = testbed::setup::Setup::new(&space)
        .set("webhooks.store", store)
        .set("webhooks.disable_after", AFTER);
    let mut program = testbed::program::Program::start(&setup).await.unwrap();
    let client = space.client().await.unwrap();
    let told = client.follow(&space.names().ops_exchange).await.unwrap();
    let config = program.folder().join("config.toml").display().to_string();
    let webhooks = async |arguments: &[&str]| {
        let arguments = [&["webhooks"], arguments, &["--config", &config]].concat();
        let output = testbed::program::run(&arguments, &[]).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let made: Value =
        serde_json::from_str(&webhooks(&["create", "https://a.example/", "--json"]).await).unwrap();
    let id = made["id"].as_str().unwrap();
    webhooks(&["rotate", id, "--overlap", "1h"]).await;
    let first = client.wait_for(&told, SOON).await.unwrap();
    assert_eq!(first.routing_key, "secret.expiring");
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(body["webhook"]["id"], id);
    assert!(body["oldSecretSignsUntil"].is_string());
    // Another rotation ends at another time and is the next that is told of, not the first again.
    webhooks(&["rotate", id, "--overlap", "90m"]).await;
    let second = client.wait_for(&told, SOON).await.unwrap();
    assert_ne!(first.id(), second.id());
    program.sigterm();
    assert!(program.wait(Duration::from_secs(30)).await.unwrap().success());
    drop((program, client));
    space.close().await.unwrap();
}
