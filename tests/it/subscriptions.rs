//! What a webhook wants beyond types and projects: conditions on the payload, and what becomes of its
//! events while it is disabled.

use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

const BRANCH: &str = "/deployment/meta/gitBranch";

/// The page's payload with another branch.
fn on_branch(branch: &str) -> Vec<u8> {
    let event = String::from_utf8(testbed::page::event("deployment.succeeded", "prj_1")).unwrap();
    assert!(event.contains("\"gitBranch\":\"main\""));
    event.replace("\"gitBranch\":\"main\"", &format!("\"gitBranch\":\"{branch}\"")).into_bytes()
}

#[tokio::test]
async fn only_events_for_which_the_condition_holds_are_sent() {
    let stage = Stage::new(|setup, receiver| {
        setup
            .webhook(Webhook::new("whk_all", &receiver.url("/all")))
            .webhook(
                Webhook::new("whk_main", &receiver.url("/main"))
                    .condition(BRANCH, &["main", "release"])
                    .condition("/project/name", &["my-project"]),
            )
            .webhook(
                Webhook::new("whk_never", &receiver.url("/never"))
                    .condition(BRANCH, &["main"])
                    .condition("/nowhere", &["main"]),
            )
    })
    .await;
    for branch in ["main", "feature", "release"] {
        let id = format!("evt_{branch}");
        stage.publish_body("deployment.succeeded", &id, &on_branch(branch)).await;
    }
    // An event without any branch.
    stage.publish("domain.added", "prj_1", "evt_domain").await;
    stage.settled(4).await;
    let at = |path: &str| stage.receiver.requests_at(path).len();
    assert_eq!((at("/all"), at("/main"), at("/never")), (4, 2, 0));
    assert!(
        stage
            .receiver
            .requests_at("/main")
            .iter()
            .all(|request| !String::from_utf8_lossy(&request.body).contains("feature"))
    );
    stage.close().await;
}

#[tokio::test]
async fn events_of_a_disabled_webhook_are_kept_unless_it_says_otherwise() {
    let stage = Stage::new(|setup, receiver| {
        let off = |id: &str| Webhook::new(id, &receiver.url("/off")).set("enabled", false);
        setup
            .webhook(Webhook::new("whk_on", &receiver.url("/on")))
            .webhook(off("whk_kept").condition(BRANCH, &["main"]))
            .webhook(off("whk_lost").set("keep_while_disabled", false))
    })
    .await;
    stage.publish_body("deployment.succeeded", "evt_1", &on_branch("main")).await;
    stage.publish_body("deployment.succeeded", "evt_2", &on_branch("feature")).await;
    stage.settled(2).await;
    let dead = &stage.space.names().dead_queue;
    let kept = stage.client.wait_for(dead, SOON).await.unwrap();
    for (header, value) in
        [("x-webhook-id", "whk_kept"), ("x-dead-reason", "disabled"), ("x-attempts", "0")]
    {
        assert_eq!(kept.header(header).as_deref(), Some(value), "{header}");
    }
    assert_eq!(kept.id(), Some("evt_1"));
    assert!(stage.client.take(dead).await.unwrap().is_none(), "only what was wanted is kept");
    assert_eq!(stage.receiver.requests_at("/on").len(), 2);
    assert_eq!(stage.receiver.count(), 2, "a disabled webhook was sent to");
    stage.close().await;
}
