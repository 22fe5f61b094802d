//! Failed deliveries come back: when they are due, not before, and not much later; until they
//! succeed or are given up.

use std::time::Duration;

use testbed::eventually;
use testbed::loopback;
use testbed::receiver::{Answer, Script};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn delays_are_never_early_and_hardly_late() {
    const EVENTS: usize = 20;
    let delays = [1_000_u64, 1_300, 2_500, 3_000, 4_700, 7_900];
    let stage = Stage::new(|setup, receiver| {
        let setup = setup.set("webhooks.breaker.failures", 10_000);
        delays.iter().fold(setup, |setup, millis| {
            let path = format!("/{millis}");
            // Whichever requests come first fail; every further attempt has the same delay.
            receiver.answer(&path, Script::fail(EVENTS, 500));
            let delay = format!("{millis}ms");
            let webhook = Webhook::new(&format!("whk_{millis}"), &receiver.url(&path));
            let webhook = webhook.retry("first_delay", delay.as_str()).retry("multiplier", 1.0);
            setup.webhook(webhook.retry("jitter", 0.0))
        })
    })
    .await;
    for n in 0..EVENTS {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    let all = (EVENTS * delays.len()) as f64;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], all).await;
    for millis in delays {
        let requests = stage.receiver.requests_at(&format!("/{millis}"));
        assert_eq!(requests.len(), 2 * EVENTS);
        for later in requests.iter().filter(|request| request.attempt() > 1) {
            let before = |first: &&testbed::receiver::Received| {
                first.attempt() + 1 == later.attempt() && first.delivery() == later.delivery()
            };
            let first = requests.iter().find(before).unwrap();
            let (waited, delay) = (later.at - first.at, Duration::from_millis(millis));
            let late = Duration::from_secs(1).max(delay / 20);
            assert!(waited >= delay, "{millis} ms came after {waited:?}");
            assert!(waited <= delay + late, "{millis} ms came after {waited:?}");
        }
    }
    stage.close().await;
}

#[tokio::test]
async fn attempts_count_up_and_the_last_failure_is_buried() {
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/dead", Script::always(Answer::status(500)));
        setup.webhook(
            Webhook::new("whk_dead", &receiver.url("/dead"))
                .retry("first_delay", "1s")
                .retry("multiplier", 1.0)
                .retry("jitter", 0.0)
                .retry("give_up_after", "2500ms"),
        )
    })
    .await;
    stage.publish("deployment.failed", "prj_1", "evt_1").await;
    let dead = stage.client.wait_for(&stage.space.names().dead_queue, SOON).await.unwrap();
    let requests = stage.receiver.requests();
    let attempts: Vec<_> = requests.iter().map(testbed::receiver::Received::attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(requests.iter().all(|request| request.delivery() == requests[0].delivery()));
    assert_eq!(dead.id(), Some("evt_1"));
    assert_eq!(dead.body, requests[0].body);
    let expected = [
        ("x-webhook-id", "whk_dead"),
        ("x-attempts", "3"),
        ("x-last-failure", "http_500"),
        ("x-dead-reason", "gave_up"),
    ];
    for (name, value) in expected {
        assert_eq!(dead.header(name).as_deref(), Some(value), "{name}");
    }
    stage.reaches("deliveries_total", &[("outcome", "dead")], 1.0).await;
    stage.close().await;
}

#[tokio::test]
async fn what_waits_belongs_to_the_webhook_as_it_is_now() {
    let stage = Stage::new(|setup, receiver| {
        ["moved", "off"].into_iter().fold(setup, |setup, name| {
            let path = format!("/{name}");
            receiver.answer(&path, Script::always(Answer::status(500)));
            setup.webhook(slow(&format!("whk_{name}"), &receiver.url(&path)))
        })
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "failed")], 2.0).await;
    let moved = slow("whk_moved", &stage.receiver.url("/new"));
    let off = slow("whk_off", &stage.receiver.url("/off")).set("enabled", false);
    stage.program.set_webhooks(&[moved, off]).unwrap();

    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0).await;
    let to_new = stage.receiver.requests_at("/new");
    assert_eq!((to_new.len(), to_new[0].attempt()), (1, 2));
    assert_eq!(stage.sum("delivery_latency_seconds_count", &[("retried", "true")]), 1.0);
    assert_eq!(stage.sum("delivery_latency_seconds_count", &[("retried", "false")]), 0.0);
    assert_eq!(stage.sum("first_attempt_delay_seconds_count", &[]), 2.0);
    let dead = stage.client.wait_for(&stage.space.names().dead_queue, SOON).await.unwrap();
    assert_eq!(dead.header("x-dead-reason").as_deref(), Some("disabled"));
    assert_eq!(stage.receiver.requests_at("/off").len(), 1);
    stage.close().await;
}

/// A webhook with time to be changed before the second attempt.
fn slow(id: &str, url: &str) -> Webhook {
    Webhook::new(id, url).retry("first_delay", "4s").retry("jitter", 0.0)
}

/// A webhook that is not in the snapshot may be one that only another replica has heard of: its
/// deliveries go on waiting until the store was read well after their first attempt.
#[tokio::test]
async fn deliveries_of_a_deleted_webhook_end() {
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/gone", Script::always(Answer::status(500)));
        setup.webhook(slow("whk_gone", &receiver.url("/gone")))
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "failed")], 1.0).await;
    let other = slow("whk_other", &stage.receiver.url("/other"));
    stage.program.set_webhooks(&[other]).unwrap();
    let dropped = [("outcome", "dropped"), ("failure", "webhook_deleted")];
    eventually("it is given up", Duration::from_secs(90), || async {
        (stage.sum("deliveries_total", &dropped) == 1.0).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(stage.receiver.count(), 1);
    eventually("the log does not let it wait for ever", SOON, || async {
        let path = "/api/v1/deliveries?state=dropped";
        let shown = loopback::request(stage.program.admin(), "GET", path, "", "").unwrap();
        let shown: serde_json::Value = serde_json::from_str(&shown.body).unwrap();
        (shown["items"][0]["webhook"] == "whk_gone").then_some(())
    })
    .await
    .unwrap();
    stage.close().await;
}
