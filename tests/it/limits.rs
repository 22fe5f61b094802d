//! A webhook at its limit does not hold up others, and what it cannot take waits in the broker.

use std::time::Duration;

use testbed::eventually;
use testbed::receiver::{Answer, Script};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn a_slow_webhook_holds_its_limit_and_no_more() {
    let stage = Stage::new(|setup, receiver| {
        let slow = Script::always(Answer::status(200).after(Duration::from_secs(3)));
        receiver.answer("/slow", slow);
        setup
            // Far more events than the prefetch: if slow ones stayed unsettled, nothing would flow.
            .set("broker.prefetch", 20)
            .webhook(Webhook::new("whk_slow", &receiver.url("/slow")).set("max_in_flight", 2))
            .webhook(Webhook::new("whk_fast", &receiver.url("/fast")))
    })
    .await;
    for n in 0..100 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    let fast = eventually("all fast ones arrive", SOON, || async {
        let fast = stage.receiver.requests_at("/fast");
        (fast.len() == 100).then_some(fast)
    });
    let fast = fast.await.unwrap();
    let slow = stage.receiver.requests_at("/slow");
    // An attempt's place is free when its answer is there, so no third begins before that.
    for three in slow.windows(3) {
        let apart = three[2].at - three[0].at;
        assert!(apart >= Duration::from_secs(3), "three attempts began within {apart:?}");
    }
    let took = fast[99].at - fast[0].at;
    assert!(slow.len() < 30, "{} slow attempts began while fast ones took {took:?}", slow.len());
    assert!(stage.sum("deliveries_postponed_total", &[("bound", "webhook_in_flight")]) >= 90.0);
    // A postponed delivery has made no attempt.
    let attempts =
        stage.receiver.requests_at("/slow").iter().map(testbed::receiver::Received::attempt).max();
    assert_eq!(attempts, Some(1));
    let Stage { mut program, client, space, .. } = stage;
    program.kill9().unwrap();
    drop((program, client));
    space.close().await.unwrap();
}

/// What a fast receiver takes within a quarter of a second is not worth a way through the broker.
#[tokio::test]
async fn turns_that_come_soon_are_waited_for_here() {
    /// A place every 20 ms: the last turn comes before the broker's shortest delay is over.
    const EVENTS: usize = 8;
    let stage = Stage::new(|setup, receiver| {
        setup.webhook(Webhook::new("whk_paced", &receiver.url("/")).rate_limit(50, 1))
    })
    .await;
    // It answers, so nobody takes it for slow.
    stage.publish("domain.added", "prj_1", "evt_first").await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0).await;
    for n in 0..EVENTS {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0 + EVENTS as f64).await;
    // Through the broker go only those that this machine was late for.
    let postponed = stage.sum("deliveries_postponed_total", &[("bound", "rate")]);
    assert!(postponed <= EVENTS as f64 / 2.0, "{postponed} of {EVENTS}");
    stage.close().await;
}
