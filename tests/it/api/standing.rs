//! What people see of a receiver that fails, and of a webhook's rate limit.

use serde_json::{Value, json};
use testbed::eventually;
use testbed::loopback;
use testbed::receiver::Script;

use super::{ADMIN, Hand, json_of, problem};
use crate::stage::{SOON, Stage};

#[tokio::test]
async fn a_receiver_that_is_left_alone_is_told() {
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::fail(1_000, 404));
        setup
            .sqlite()
            .set("admin.tokens", format!("alice admin {ADMIN}"))
            .set("operations.webhook_label", true)
            .set("retry.first_delay", "1s")
            .set("webhooks.breaker.failures", 2)
            .set("webhooks.breaker.first_pause", "1h")
            .set("webhooks.breaker.max_pause", "1h")
    })
    .await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let body = json!({"url": stage.receiver.url("/hook"), "events": ["*"]});
    let [id, _] = hand.create(&body);
    let place = format!("/webhooks/{id}/standing");
    let before = json_of(&hand.get(&place));
    assert_eq!((&before["limit"], &before["leftAloneSince"]), (&Value::Null, &Value::Null));
    for n in 0..2 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    let told = eventually("it is left alone", SOON, || async {
        let told = json_of(&hand.get(&place));
        told["leftAloneSince"].is_string().then_some(told)
    });
    let told = told.await.unwrap();
    assert_eq!((&told["failures"], &told["inFlight"]), (&json!(2), &json!(0)));
    assert!(told["nextProbeAt"].as_str() > told["leftAloneSince"].as_str(), "{told}");
    assert_eq!(told["lastFailure"], "http_404");
    let labels = [("webhook", id.as_str()), ("failure", "http_404")];
    assert_eq!(stage.sum("webhook_breaker_open", &labels), 1.0);
    assert_eq!(stage.sum("breakers_open", &labels[1..]), 1.0);
    let page = format!("/admin/webhooks/{id}");
    let headers = format!("authorization: Bearer {ADMIN}\r\n");
    let page = loopback::request(stage.program.admin(), "GET", &page, &headers, "").unwrap();
    assert!(page.body.contains("id=\"left-alone\""), "{}", page.body);
    assert!(
        page.body.contains("Its last 2 attempts failed (the last one: HTTP 404)"),
        "{}",
        page.body
    );
    problem(&hand.get("/webhooks/whk_none/standing"), 404, "unknown-webhook");

    // What is due meanwhile is held back, and is said to be.
    let list = format!("/webhooks/{id}/deliveries");
    let held = eventually("a delivery is held back", SOON, || async {
        let items = json_of(&hand.get(&list))["items"].take();
        items.as_array()?.iter().find(|item| item["dueSince"].is_string()).cloned()
    });
    let held = held.await.unwrap();
    assert_eq!((&held["state"], &held["nextAttemptAt"]), (&json!("waiting"), &Value::Null));
    let told = json_of(&hand.get(&place));
    assert_eq!(told["heldBy"], "breaker", "{told}");
    assert!(told["heldAt"].as_str() >= held["dueSince"].as_str(), "{told} {held}");
    let page = format!("/admin/deliveries/{}", held["id"].as_str().unwrap());
    let page = loopback::request(stage.program.admin(), "GET", &page, &headers, "").unwrap();
    assert!(page.body.contains("left alone but for single probes"), "{}", page.body);
    stage.close().await;
}

#[tokio::test]
async fn a_rate_limit_is_made_changed_and_taken_away() {
    let stage = super::stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let url = stage.receiver.url("/hook");
    let body = json!({"url": url, "events": ["*"], "rateLimit": {"perSecond": 2.5}});
    let [id, _] = hand.create(&body);
    let place = format!("/webhooks/{id}");
    let limit = || json_of(&hand.get(&place))["rateLimit"].clone();
    assert_eq!(limit(), json!({"perSecond": 2.5, "burst": 3}));
    let patch = |body: Value| hand.send("PATCH", &place, "", body.to_string());
    let changed = patch(json!({"rateLimit": {"perSecond": 10, "burst": 7}}));
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(limit(), json!({"perSecond": 10.0, "burst": 7}));
    for (wrong, pointer) in [
        (json!({"perSecond": 0}), "/rateLimit/perSecond"),
        (json!({"perSecond": 1, "burst": 0}), "/rateLimit/burst"),
        (json!({"burst": 1}), "/rateLimit/perSecond"),
        (json!({"perSecond": "many"}), "/rateLimit/perSecond"),
        (json!(7), "/rateLimit"),
    ] {
        let refused = problem(&patch(json!({"rateLimit": wrong})), 422, "invalid-fields");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    assert_eq!(limit(), json!({"perSecond": 10.0, "burst": 7}));
    assert_eq!(patch(json!({"rateLimit": null})).status, 200);
    assert_eq!(limit(), Value::Null);
    stage.close().await;
}
