//! What became of one event.

use event::DeliveryId;
use store::{LoggedAttempt, LoggedNext};

use super::{BOUNDS, Place, delivered, event_id, failed, now, webhook};

/// The first attempt of the delivery of this event for this webhook.
fn to(name: &str, receiver: &str, attempt: LoggedAttempt) -> LoggedAttempt {
    let webhook = webhook(receiver);
    let delivery = DeliveryId::derive(&event_id(name), webhook.as_str());
    LoggedAttempt { delivery, webhook, ..attempt }
}

async fn the_deliveries_of_an_event(mut place: Place) {
    let writer = place.writer(BOUNDS);
    let names: Vec<String> = (0..300).map(|n| format!("r{n}")).collect();
    let first = |name: &str| match name {
        "r7" => failed("1", 1, LoggedNext::Retry(now() + 5_000)),
        _ => delivered("1"),
    };
    let all = names.iter().map(|name| to("1", name, first(name))).collect();
    place.write(writer, all).await;
    place.write(writer, vec![to("2", "r0", delivered("2"))]).await;
    let again = LoggedAttempt { attempt: 2, at_ms: now() + 2, ..delivered("1") };
    place.write(writer, vec![to("1", "r7", again)]).await;

    let mut webhooks: Vec<_> = names.iter().map(|name| webhook(name)).collect();
    webhooks.push(webhook("never"));
    let found = place.log.of_event(&event_id("1"), &webhooks).await.unwrap();
    assert_eq!(found.len(), 300);
    assert!(found.iter().all(|row| row.event == "evt_1"));
    assert!(found.is_sorted_by_key(|row| std::cmp::Reverse(row.position.0)));
    assert_eq!((&found[0].webhook, found[0].attempts), (&webhook("r7"), 2));
    let one = place.log.of_event(&event_id("1"), &[webhook("r3")]).await.unwrap();
    assert_eq!(one.len(), 1);
    assert!(place.log.of_event(&event_id("3"), &webhooks).await.unwrap().is_empty());
    assert!(place.log.of_event(&event_id("1"), &[]).await.unwrap().is_empty());
    place.close().await;
}

#[tokio::test]
async fn in_sqlite() {
    the_deliveries_of_an_event(Place::sqlite().await).await;
}

#[tokio::test]
async fn in_postgres() {
    the_deliveries_of_an_event(Place::postgres().await).await;
}
