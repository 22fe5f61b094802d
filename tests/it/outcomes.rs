//! What each kind of answer comes to: outcome, failure kind, retry and metrics.
//!
//! Every row has its own path and webhook on one program. A failed delivery is tried again after a
//! second and then succeeds, which shows that it was parked and came back with its id.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use testbed::ports::Port;
use testbed::receiver::{Answer, Authority, Receiver, Script};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

/// A webhook whose first delay is short.
fn quick(id: &str, url: &str) -> Webhook {
    Webhook::new(id, url).retry("first_delay", "1s").retry("max_delay", "1s").retry("jitter", 0.0)
}

fn bad_answers() -> Vec<(&'static str, Answer, &'static str)> {
    vec![
        ("301", Answer::redirect(301, "/elsewhere"), "http_301"),
        ("400", Answer::status(400), "http_400"),
        ("429", Answer::retry_after(429, "2"), "http_429"),
        ("500", Answer::status(500), "http_500"),
        ("503", Answer::retry_after(503, "0"), "http_503"),
        ("hang", Answer::hang(), "timeout"),
        ("slow_headers", Answer::slow(Duration::from_millis(200)), "timeout"),
        ("reset", Answer::reset(), "protocol"),
        ("reset_at_once", Answer::reset_at_once(), "protocol"),
    ]
}

#[tokio::test]
async fn a_bad_answer_is_named_and_tried_again() {
    let rows = bad_answers();
    let stage = Stage::new(|setup, receiver| {
        let setup = setup.set("delivery.connect_timeout", "1s").set("delivery.timeout", "1s");
        rows.iter().fold(setup, |setup, (name, answer, _)| {
            let path = format!("/{name}");
            let script = Script::sequence([answer.clone()], Answer::status(200));
            receiver.answer(&path, script);
            setup.webhook(quick(&format!("whk_{name}"), &receiver.url(&path)))
        })
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], rows.len() as f64).await;

    for (name, _, kind) in &rows {
        let requests = stage.receiver.requests_at(&format!("/{name}"));
        assert_eq!(requests.len(), 2, "{name}");
        assert_eq!([requests[0].attempt(), requests[1].attempt()], [1, 2], "{name}");
        assert_eq!(requests[0].delivery(), requests[1].delivery(), "{name}");
        let failed = [("outcome", "failed"), ("failure", *kind)];
        assert!(stage.sum("deliveries_total", &failed) >= 1.0, "{name} is not {kind}");
    }
    assert!(stage.receiver.requests_at("/elsewhere").is_empty(), "a redirect was followed");
    let asked_for = stage.receiver.requests_at("/429");
    let waited = asked_for[1].at - asked_for[0].at;
    assert!(waited >= Duration::from_secs(2), "Retry-After 2 gave {waited:?}");
    stage.close().await;
}

#[tokio::test]
async fn every_2xx_is_success_whatever_its_body() {
    let stage = Stage::new(|setup, receiver| {
        receiver.answer("/200", Script::ok());
        receiver.answer("/204", Script::always(Answer::status(204)));
        receiver.answer("/endless", Script::always(Answer::endless()));
        let gzip = Answer::status(200).with_header("content-encoding", "gzip").with_body("no gzip");
        receiver.answer("/gzip", Script::always(gzip));
        ["200", "204", "endless", "gzip"].into_iter().fold(setup, |setup, name| {
            setup.webhook(quick(&format!("whk_{name}"), &receiver.url(&format!("/{name}"))))
        })
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 4.0).await;
    assert_eq!(stage.receiver.count(), 4);
    assert_eq!(stage.sum("delivery_latency_seconds_count", &[("retried", "false")]), 4.0);
    assert_eq!(stage.sum("first_attempt_delay_seconds_count", &[]), 4.0);
    stage.close().await;
}

#[tokio::test]
async fn unreachable_receivers_are_named() {
    let closed = Port::take().unwrap();
    let stranger = Authority::new().unwrap().identity("localhost").unwrap();
    let untrusted = Receiver::start_tls(Script::ok(), &stranger).await.unwrap();
    let stage = Stage::new(|setup, receiver| {
        let plain = receiver.address().port();
        setup
            .set("delivery.allow_addresses", vec!["127.0.0.0/8", "::1/128"])
            .webhook(quick("whk_refused", &format!("http://{}/", closed.address())))
            .webhook(quick("whk_name", "http://nowhere.invalid/"))
            .webhook(quick(
                "whk_tls",
                &format!("https://localhost:{}/", untrusted.address().port()),
            ))
            .webhook(quick("whk_plain", &format!("https://localhost:{plain}/")))
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    for (kind, count) in [("connect", 1.0), ("dns", 1.0), ("tls", 2.0)] {
        stage.reaches("deliveries_total", &[("failure", kind)], count).await;
    }
    assert_eq!(untrusted.count() + stage.receiver.count(), 0);
    stage.close().await;
}

/// Informational responses count neither as headers nor as a body, and the client reads them all.
#[tokio::test]
async fn informational_answers_without_end_are_cut_off() {
    const BOUND: usize = 64 * 1024 * 1024;
    let flood = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = flood.local_addr().unwrap();
    let sender = std::thread::spawn(move || {
        let (mut stream, _) = flood.accept().unwrap();
        let block = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1_000);
        let mut sent = 0;
        while sent < BOUND && stream.write_all(&block).is_ok() {
            sent += block.len();
        }
        sent
    });
    let stage =
        Stage::new(|setup, _| setup.webhook(Webhook::new("whk_1", &format!("http://{address}/"))))
            .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("failure", "protocol")], 1.0).await;
    let sent = sender.join().unwrap();
    assert!(sent < BOUND, "{sent} bytes were read");
    stage.close().await;
}

#[tokio::test]
async fn gone_disables_the_webhook_until_its_entry_changes() {
    let mut stage = Stage::new(|setup, receiver| {
        receiver.answer("/gone", Script::always(Answer::status(410)));
        setup.webhook(Webhook::new("whk_gone", &receiver.url("/gone")))
    })
    .await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    let dead = &stage.space.names().dead_queue;
    let buried = stage.client.wait_for(dead, SOON).await.unwrap();
    assert_eq!(buried.header("x-dead-reason").as_deref(), Some("gone"));
    assert_eq!(buried.header("x-last-failure").as_deref(), Some("http_410"));
    stage.program.logged("whk_gone", SOON).await.unwrap();
    stage.reaches("webhooks", &[("state", "disabled")], 1.0).await;

    stage.publish("domain.added", "prj_1", "evt_2").await;
    stage.settled(2).await;
    assert_eq!(stage.receiver.count(), 1, "a disabled webhook got an event");

    // It stays so over a restart, and an edit of its entry enables it.
    stage.program.sigterm();
    stage.program.wait(SOON).await.unwrap();
    stage.program.start_again().await.unwrap();
    stage.program.ready().await.unwrap();
    assert_eq!(stage.sum("webhooks", &[("state", "disabled")]), 1.0);
    stage.receiver.answer("/gone", Script::ok());
    let edited = Webhook::new("whk_gone", &stage.receiver.url("/gone")).set("description", "back");
    stage.program.set_webhooks(&[edited]).unwrap();
    stage.reaches("webhooks", &[("state", "enabled")], 1.0).await;
    stage.publish("domain.added", "prj_1", "evt_3").await;
    stage.receiver.wait_for(2, SOON).await.unwrap();
    stage.close().await;
}
