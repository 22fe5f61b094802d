//! What one receiver does costs no other one anything: limits that move, breakers, rates.

use std::time::Duration;

use testbed::eventually;
use testbed::receiver::{Answer, Received, Script};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn receivers_that_hang_hold_a_few_places_and_the_others_do_not_notice() {
    const HANGING: usize = 8;
    let stage = Stage::new(|setup, receiver| {
        let setup = setup
            .set("delivery.max_in_flight", 64)
            .set("delivery.timeout", "3s")
            .set("delivery.connect_timeout", "3s")
            .set("broker.prefetch", 50)
            .webhook(Webhook::new("whk_fast", &receiver.url("/fast")));
        (0..HANGING).fold(setup, |setup, n| {
            let path = format!("/hanging/{n}");
            receiver.answer(&path, Script::always(Answer::hang()));
            setup.webhook(Webhook::new(&format!("whk_hanging_{n}"), &receiver.url(&path)))
        })
    })
    .await;
    for n in 0..200 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    let fast = eventually("all fast ones arrive", SOON, || async {
        let fast = stage.receiver.requests_at("/fast");
        (fast.len() == 200).then_some(fast)
    });
    let fast = fast.await.unwrap();
    assert!(fast.iter().all(|request| request.attempt() == 1));
    let opened = eventually("the breakers open", SOON, || async {
        (stage.sum("breakers_open", &[]) >= HANGING as f64).then_some(())
    });
    opened.await.unwrap();
    // From now on there are single probes: as many at the same time as there are webhooks.
    let quiet = eventually("what was under way ends", SOON, || async {
        (stage.sum("attempts_in_flight", &[]) <= HANGING as f64).then_some(())
    });
    quiet.await.unwrap();
    assert_eq!(stage.sum("deliveries_postponed_total", &[("bound", "in_flight")]), 0.0);
    let before = stage.receiver.requests().len();
    for n in 200..300 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    let fast = eventually("later fast ones arrive", SOON, || async {
        (stage.receiver.requests_at("/fast").len() == 300).then_some(())
    });
    fast.await.unwrap();
    let more = stage.receiver.requests().len() - before - 100;
    assert!(more <= 2 * HANGING, "{more} probes of {HANGING} receivers that hang");
    end(stage).await;
}

#[tokio::test]
async fn a_receiver_that_answers_again_gets_what_waited() {
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::fail(6, 503));
        setup
            .set("webhooks.breaker.failures", 3)
            .set("webhooks.breaker.first_pause", "1s")
            .set("webhooks.breaker.max_pause", "1s")
            .set("retry.first_delay", "1s")
            .set("retry.max_delay", "1s")
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    for n in 0..40 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 40.0).await;
    assert!(stage.sum("breakers_opened_total", &[]) >= 1.0);
    assert_eq!(stage.sum("breakers_open", &[]), 0.0);
    // What was postponed counts as no attempt: a failure and a success are all there was.
    let attempts = stage.receiver.requests_at("/hook");
    assert!(attempts.len() <= 46 + 2, "{} attempts", attempts.len());
    stage.close().await;
}

#[tokio::test]
async fn a_thousand_that_waited_are_there_soon_after_their_receiver_is() {
    const EVENTS: usize = 1_000;
    // Farther away than that was no turn, and none was nearer for the most of them.
    const BACK: Duration = Duration::from_secs(30);
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::always(Answer::status(503)));
        setup
            .set("webhooks.breaker.failures", 3)
            .set("webhooks.breaker.first_pause", "2s")
            .set("webhooks.breaker.max_pause", "2s")
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")).retry("first_delay", "1s"))
    })
    .await;
    for n in 0..EVENTS {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    // All of them wait in the broker: what was tried by its schedule, the others for their turns.
    let waiting = (EVENTS - 100) as f64;
    stage.settled(u32::try_from(EVENTS).unwrap()).await;
    assert_eq!(stage.sum("breakers_open", &[("failure", "http_503")]), 1.0);
    stage.receiver.answer("/hook", Script::always(Answer::status(200)));
    let there = eventually("what waited is there", BACK, || async {
        (stage.sum("deliveries_total", &[("outcome", "delivered")]) >= waiting).then_some(())
    });
    there.await.unwrap();
    end(stage).await;
}

#[tokio::test]
async fn what_was_tried_is_given_up_in_time_though_its_webhook_is_left_alone() {
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/hook", Script::fail(1_000, 503));
        setup
            .set("webhooks.breaker.failures", 1)
            .set("webhooks.breaker.first_pause", "1h")
            .set("webhooks.breaker.max_pause", "1h")
            .set("retry.first_delay", "1s")
            .set("retry.max_delay", "1s")
            .set("retry.give_up_after", "4s")
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "dead"), ("failure", "http_503")], 1.0).await;
    assert_eq!(stage.receiver.requests().len(), 1, "it was tried although it was to be left alone");
    let dead = &stage.space.names().dead_queue;
    assert_eq!(stage.client.depth(dead).await.unwrap(), 1);
    stage.close().await;
}

#[tokio::test]
async fn no_more_attempts_begin_than_the_rate_allows() {
    let stage = Stage::new(|setup, receiver| {
        let slow = Webhook::new("whk_slow", &receiver.url("/slow"));
        setup
            .webhook(slow.rate_limit(10, 5))
            .webhook(Webhook::new("whk_fast", &receiver.url("/fast")))
    })
    .await;
    for n in 0..40 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 80.0).await;
    let slow = stage.receiver.requests_at("/slow");
    assert_eq!(slow.len(), 40);
    assert!(slow.iter().all(|request| request.attempt() == 1), "waiting is no attempt");
    // Of any 25 attempts in a row, 20 come at the rate: at least 2 s, less what the way takes.
    for some in slow.windows(25) {
        let took = some[24].at - some[0].at;
        assert!(took >= Duration::from_millis(1_500), "25 attempts within {took:?}");
    }
    let fast: Vec<Received> = stage.receiver.requests_at("/fast");
    let took = fast[39].at - fast[0].at;
    assert!(took < slow[39].at - slow[0].at, "the other webhook waited too: {took:?}");
    stage.close().await;
}

async fn end(stage: Stage) {
    let Stage { mut program, client, space, .. } = stage;
    program.kill9().unwrap();
    drop((program, client));
    space.close().await.unwrap();
}
