//! What is no event ends in the rejected queue with its reason, and never stops what follows.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use testbed::eventually;
use testbed::memory::memory_mb;
use testbed::page;
use testbed::raw::{self, Raw};
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

/// Long enough to move half a gigabyte through a broker on a busy machine.
const LATER: Duration = Duration::from_secs(90);

fn with(field: &str, value: &str) -> Vec<u8> {
    let text = String::from_utf8(page::PAYLOAD.to_vec()).unwrap();
    text.replacen(field, value, 1).into_bytes()
}

fn bad_bodies() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let extra = |value: &str| with(r#""type""#, &format!(r#""x":{value},"type""#));
    vec![
        ("empty", Vec::new(), "not_json"),
        ("text", b"hello".to_vec(), "not_json"),
        ("cut off", page::PAYLOAD[..100].to_vec(), "not_json"),
        ("two documents", [page::PAYLOAD, page::PAYLOAD].concat(), "not_json"),
        (
            "invalid UTF-8",
            with("production", "\u{e9}").into_iter().filter(|b| *b != 0xc3).collect(),
            "not_json",
        ),
        ("byte order mark", [b"\xef\xbb\xbf", page::PAYLOAD].concat(), "not_json"),
        ("array", b"[]".to_vec(), "not_an_object"),
        ("number", b"1".to_vec(), "not_an_object"),
        ("no fields", b"{}".to_vec(), "missing_field"),
        ("no type", with(r#""type":"deployment.succeeded","#, ""), "missing_field"),
        ("no createdAt", with(r#""createdAt":"2024-01-15T10:30:00Z","#, ""), "missing_field"),
        ("no deployment", with(r#""deployment":"#, r#""other":"#), "missing_field"),
        ("no project", with(r#""project":"#, r#""other":"#), "missing_field"),
        ("no deployment id", with(r#""id":"dpl_abc123","#, ""), "missing_field"),
        ("type is a number", with(r#""deployment.succeeded""#, "7"), "mistyped_field"),
        ("createdAt is no time", with("2024-01-15T10:30:00Z", "yesterday"), "mistyped_field"),
        (
            "project is a text",
            with(r#"{"id":"prj_xyz789","name":"my-project"}"#, r#""p""#),
            "mistyped_field",
        ),
        ("unknown type", with("deployment.succeeded", "deployment.exploded"), "unknown_type"),
        ("inexact integer", extra("9007199254740993"), "inexact_number"),
        ("beyond a double", extra("1e400"), "inexact_number"),
        ("below a double", extra("1e-400"), "inexact_number"),
        ("lone surrogate", extra(r#""\ud800""#), "lone_surrogate"),
        ("deep nesting", extra(&deep), "too_deep"),
        ("too large", extra(&format!("\"{}\"", "x".repeat(300 * 1024))), "too_large"),
    ]
}

#[tokio::test]
async fn whatever_is_no_event_is_kept_with_its_reason() {
    let stage = Stage::simple().await;
    let rows = bad_bodies();
    for (name, body, _) in &rows {
        stage.publish_body("deployment.succeeded", name, body).await;
    }
    let huge = vec![b' '; 16 * 1024 * 1024 - 1];
    stage.publish_body("deployment.succeeded", "huge", &huge).await;
    stage.publish_body("deployment.succeeded", "evt_good", page::PAYLOAD).await;

    let good = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(good[0].body, page::PAYLOAD);
    let queue = &stage.space.names().rejected_queue;
    let mut rejected = Vec::new();
    for _ in 0..=rows.len() {
        rejected.push(stage.client.wait_for(queue, SOON).await.unwrap());
    }
    for (name, body, reason) in &rows {
        let message = rejected.iter().find(|message| message.id() == Some(name)).unwrap();
        assert_eq!(message.header("x-rejected-reason").as_deref(), Some(*reason), "{name}");
        let detail = message.header("x-rejected-detail").unwrap();
        assert!(!detail.is_empty() && !detail.contains('\n'), "{name}: {detail:?}");
        assert_eq!(&message.body[..], body, "{name} was altered");
    }
    let of_huge = rejected.iter().find(|message| message.id() == Some("huge")).unwrap();
    assert_eq!(of_huge.header("x-rejected-reason").as_deref(), Some("too_large"));
    stage.settled(u32::try_from(rows.len()).unwrap() + 2).await;
    assert_eq!(stage.receiver.count(), 1);
    assert!(stage.sum("events_rejected_total", &[("reason", "not_json")]) >= 6.0);
    stage.close().await;
}

#[tokio::test]
async fn odd_properties_do_no_harm() {
    let stage = Stage::simple().await;
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::Boolean(true));
    headers.insert("timestamp_in_ms".into(), AMQPValue::FieldTable(FieldTable::default()));
    headers.insert("x-webhook-id".into(), AMQPValue::Double(0.5));
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_message_id("a\nb".into())
        .with_timestamp(u64::MAX)
        .with_priority(255)
        .with_content_encoding("gzip".into());
    let exchange = &stage.space.names().events_exchange;
    stage.client.publish(exchange, "x", properties, page::PAYLOAD).await.unwrap();
    stage.client.publish(exchange, "", BasicProperties::default(), page::PAYLOAD).await.unwrap();
    let requests = stage.receiver.wait_for(2, SOON).await.unwrap();
    assert_eq!(requests[0].delivery(), requests[1].delivery(), "both ids come from the body");
    stage.close().await;
}

/// RabbitMQ 4 deletes from a queue that declares no limit what was put back more than 20 times.
#[tokio::test]
async fn looking_at_what_is_kept_does_not_use_it_up() {
    let stage = Stage::simple().await;
    let names = stage.space.names();
    for queue in [&names.rejected_queue, &names.dead_queue] {
        let exchange = &names.dead_letter_exchange;
        let properties = BasicProperties::default().with_message_id("kept".into());
        stage.client.publish(exchange, queue, properties, page::PAYLOAD).await.unwrap();
        for _ in 0..30 {
            stage.client.look(queue).await.unwrap();
        }
        assert_eq!(stage.client.wait_for(queue, SOON).await.unwrap().id(), Some("kept"));
    }
    stage.close().await;
}

/// The prefetch counts messages and not bytes: a backlog of huge ones is taken one by one, and what is
/// no larger than an event still comes through.
#[tokio::test]
async fn a_flood_of_huge_messages_stays_out_of_memory() {
    const HUGE: usize = 40;
    let mut stage = Stage::new(|setup, receiver| {
        setup
            .set("broker.max_large_bytes", "1MiB")
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
    })
    .await;
    stage.program.kill9().unwrap();
    let body = vec![b' '; 12 * 1024 * 1024];
    for n in 0..HUGE {
        stage.publish_body("domain.added", &format!("huge_{n}"), &body).await;
    }
    stage.publish("domain.added", "prj_1", "evt_good").await;
    stage.program.start_again().await.unwrap();
    let pid = stage.program.pid().unwrap();
    let good = stage.receiver.wait_for(1, LATER).await.unwrap();
    assert_eq!(good[0].header("x-boottify-event"), "domain.added");
    // At least once: what was on its way to the rejected queue may be there twice.
    eventually("all are put aside", LATER, || async {
        let depth = stage.client.depth(&stage.space.names().rejected_queue).await.ok()?;
        (depth as usize >= HUGE).then_some(())
    })
    .await
    .unwrap();
    let peak = memory_mb(pid, "VmHWM").unwrap();
    assert!(peak < 250.0, "{peak} MB for {HUGE} messages of 12 MiB");
    assert!(stage.sum("broker_session_failures_total", &[("cause", "flood")]) >= 1.0);
    stage.close().await;
}

/// Headers are the publisher's too: many, large, or naming further queues.
#[tokio::test]
async fn headers_of_what_is_rejected_lead_nowhere_and_fit() {
    let stage = Stage::simple().await;
    let names = stage.space.names();
    let text = |text: String| AMQPValue::LongString(text.into());
    let mut copies = FieldTable::default();
    let further = vec![text(names.deliveries_queue.clone())];
    copies.insert("CC".into(), AMQPValue::FieldArray(further.into()));
    let mut large = FieldTable::default();
    large.insert("large".into(), text("x".repeat(60 * 1024)));
    large.insert("small".into(), text("kept".to_owned()));
    for (id, headers) in [("copies", copies), ("large", large)] {
        let properties =
            BasicProperties::default().with_message_id(id.into()).with_headers(headers);
        let exchange = &names.events_exchange;
        stage.client.publish(exchange, "x", properties, b"no event").await.unwrap();
    }
    let mut ids = Vec::new();
    for _ in 0..2 {
        let rejected = stage.client.wait_for(&names.rejected_queue, SOON).await.unwrap();
        if rejected.id() == Some("large") {
            assert_eq!(rejected.header("small").as_deref(), Some("kept"));
            assert_eq!(rejected.header("x-rejected-headers-dropped").as_deref(), Some("1"));
        }
        ids.push(rejected.id().unwrap_or_default().to_owned());
    }
    ids.sort_unstable();
    assert_eq!(ids, ["copies", "large"]);
    // Had it kept its `CC`, it would have come back among the deliveries by now.
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    stage.settled(3).await;
    assert_eq!(stage.client.depth(&names.rejected_queue).await.unwrap(), 0);
    assert_eq!(stage.sum("broker_session_failures_total", &[]), 0.0);
    stage.close().await;
}

#[tokio::test]
async fn a_foreign_message_among_the_deliveries_is_rejected() {
    let stage = Stage::simple().await;
    let names = stage.space.names();
    let publish = stage.client.publish(
        &names.dead_letter_exchange,
        &names.deliveries_queue,
        BasicProperties::default(),
        page::PAYLOAD,
    );
    publish.await.unwrap();
    let rejected = stage.client.wait_for(&names.rejected_queue, SOON).await.unwrap();
    let reason = rejected.header("x-rejected-reason");
    assert_eq!(reason.as_deref(), Some("malformed_delivery"));
    stage.close().await;
}

/// Whoever can write to the broker can write our headers, too.
#[tokio::test]
async fn forged_deliveries_are_rejected_and_make_no_labels() {
    let stage = Stage::new(|setup, receiver| {
        setup
            .set("operations.webhook_label", true)
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")))
            .webhook(Webhook::new("whk_off", &receiver.url("/off")).set("enabled", false))
    })
    .await;
    let names = stage.space.names();
    for (webhook, body) in [
        ("whk_1", b"no event".as_slice()),
        ("whk_forged", page::PAYLOAD),
        ("whk_off", page::PAYLOAD),
    ] {
        let mut headers = FieldTable::default();
        let text = |text: &str| AMQPValue::LongString(text.into());
        headers.insert("x-webhook-id".into(), text(webhook));
        headers.insert("x-last-failure".into(), text("forged"));
        for name in ["attempts", "published-at", "first-attempt-at", "parked-at", "due-at"] {
            headers.insert(format!("x-{name}").into(), AMQPValue::LongLongInt(1));
        }
        let properties = BasicProperties::default()
            .with_message_id("evt_1".into())
            .with_type("domain.added".into())
            .with_headers(headers);
        let exchange = &names.dead_letter_exchange;
        stage.client.publish(exchange, &names.deliveries_queue, properties, body).await.unwrap();
    }
    let rejected = stage.client.wait_for(&names.rejected_queue, SOON).await.unwrap();
    assert_eq!(rejected.header("x-rejected-reason").as_deref(), Some("malformed_delivery"));
    assert_eq!(&rejected.body[..], b"no event");
    stage.reaches("deliveries_total", &[("outcome", "dropped")], 1.0).await;
    stage.reaches("deliveries_total", &[("outcome", "dead")], 1.0).await;
    assert!(!stage.program.get("/metrics").unwrap().body.contains("forged"));
    stage.close().await;
}

/// The broker's client gives up a connection over an id that is no UTF-8. The queue's delivery limit
/// moves the message out of the way, and no other with it.
#[tokio::test]
async fn poison_is_moved_out_of_the_way_alone() {
    let stage = Stage::new(|setup, receiver| {
        setup.webhook(Webhook::new("whk_1", &receiver.url("/hook")).set("max_in_flight", 100))
    })
    .await;
    let Some(broker) = stage.space.address().amqp() else {
        eprintln!("NOTICE: skipped, somebody else's broker is not given poison");
        return;
    };
    let names = stage.space.names().clone();
    stage.publish("domain.added", "prj_1", "evt_before").await;
    let vhost = stage.space.vhost().to_owned();
    let routes = [
        (names.events_exchange.clone(), "domain.added".to_owned()),
        (names.events_exchange.clone(), "domain.added".to_owned()),
        (names.dead_letter_exchange.clone(), names.deliveries_queue.clone()),
    ];
    let poison = tokio::task::spawn_blocking(move || {
        routes.iter().try_for_each(|(exchange, key)| {
            let id = b"evt_\xff";
            raw::publish(
                broker,
                Raw { vhost: &vhost, exchange, key, id, headers: &[], body: page::PAYLOAD },
            )
        })
    });
    poison.await.unwrap().unwrap();
    for n in 0..50 {
        stage.publish("domain.added", "prj_1", &format!("evt_{n}")).await;
    }
    let delivered = stage.receiver.wait_for(51, SOON).await.unwrap();
    let mut ids: Vec<_> = delivered.iter().map(testbed::receiver::Received::delivery).collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() >= 50, "{} different deliveries", ids.len());
    eventually("the poison is put aside", SOON, || async {
        (stage.client.depth(&names.rejected_queue).await.ok()? == 3).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(stage.client.depth(&names.dead_queue).await.unwrap(), 0);
    stage.close().await;
}

#[tokio::test]
async fn more_types_come_by_configuration() {
    let stage = Stage::new(|setup, receiver| {
        setup
            .set("events.extra_types", vec!["team.invited"])
            .webhook(Webhook::new("whk_1", &receiver.url("/hook")).events(&["team.*"]))
    })
    .await;
    let body = br#"{"type":"team.invited","createdAt":"2024-01-15T10:30:00Z","team":{"id":1}}"#;
    stage.publish_body("team.invited", "evt_1", body).await;
    let requests = stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(&requests[0].body[..], body);
    stage.close().await;
}
