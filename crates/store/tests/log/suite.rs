//! The delivery log does the same in SQLite and PostgreSQL: every test runs on both.

mod away;
mod of_event;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::{Catalog, DeliveryId, Event, EventId};
use http::HeaderValue;
use store::{
    Behind, Decided, DeliveryLog, DeliveryQuery, DeliveryState, HealthNote, LogBounds,
    LoggedAttempt, LoggedNext, Options, Recorder, Rules,
};
use subscriptions::{RetryPolicy, UrlRules, WebhookId};
use tempfile::TempDir;
use testbed::eventually;
use testbed::postgres::Server;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(20);
const BOUNDS: LogBounds = LogBounds {
    max_waiting_bytes: 1024 * 1024,
    max_age: Duration::from_secs(3_600),
    max_rows: 100_000,
};
/// An hour in ms.
const HOUR: i64 = 3_600_000;

/// A log and where it is; two writers write into it, as those of two replicas.
struct Place {
    log: DeliveryLog,
    writers: Vec<Writer>,
    folder: TempDir,
    server: Option<Server>,
}

struct Writer {
    recorder: Recorder,
    shutdown: oneshot::Sender<()>,
    task: JoinSet<()>,
}

impl Place {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/webhooks.db", folder.path().display());
        Self { log: open(&url, folder.path()), writers: Vec::new(), folder, server: None }
    }

    async fn postgres() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start().await.unwrap();
        let url = server.database("log").await.unwrap();
        let log = open(&url, folder.path());
        Self { log, writers: Vec::new(), folder, server: Some(server) }
    }

    fn writer(&mut self, bounds: LogBounds) -> usize {
        let (shutdown, ended) = oneshot::channel();
        let (recorder, writer) = self.log.writer(bounds, end_of(ended));
        self.writers.push(Writer { recorder, shutdown, task: spawn(writer) });
        self.writers.len() - 1
    }

    /// Offers attempts and waits until they are written.
    async fn write(&self, writer: usize, attempts: Vec<LoggedAttempt>) {
        let recorder = &self.writers[writer].recorder;
        let target = recorder.status().written() + attempts.len() as u64;
        attempts.into_iter().for_each(|attempt| recorder.offer(attempt));
        eventually("all is written", SOON, || async {
            (recorder.status().written() == target).then_some(())
        })
        .await
        .unwrap();
        assert_eq!((recorder.dropped(), recorder.status().errors()), (0, 0));
    }

    async fn close(self) {
        for Writer { shutdown, task, .. } in self.writers {
            shutdown.send(()).unwrap();
            task.join_all().await;
        }
    }

    async fn ids(&self, query: DeliveryQuery) -> Vec<String> {
        let page = self.log.deliveries(&query).await.unwrap();
        page.items.into_iter().map(|row| row.id).collect()
    }
}

/// The end as a writer sees it: so long it may go on.
const LAST_WORDS: Duration = Duration::from_secs(3);

async fn end_of(ended: oneshot::Receiver<()>) -> Instant {
    drop(ended.await);
    Instant::now() + LAST_WORDS
}

/// A task that ends with its set.
fn spawn(writer: impl Future<Output = ()> + Send + 'static) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(writer);
    tasks
}

fn open(url: &str, state_dir: &Path) -> DeliveryLog {
    let catalog = Catalog::try_new::<&str>(&[]).unwrap();
    let rules = Rules { url: UrlRules::default(), retry: RetryPolicy::default(), catalog };
    let options = Options { state_dir: state_dir.to_owned(), rules, keys: None };
    DeliveryLog::open(url, &options).unwrap()
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn webhook(name: &str) -> WebhookId {
    WebhookId::try_new(&format!("whk_{name}")).unwrap()
}

/// The id of the delivery of this name.
fn id(name: &str) -> String {
    DeliveryId::derive(&event_id(name), "whk_a").as_str().to_owned()
}

fn an_event(name: &str, kind: &str) -> Arc<Event> {
    let body = format!(
        r#"{{"type":"{kind}","createdAt":"2024-01-15T10:30:00Z","domain":{{"name":"{name}"}},"deployment":{{"id":"dpl_1"}},"project":{{"id":"prj_1"}}}}"#
    );
    Arc::new(Event::restore(body.as_bytes(), event_id(name)).unwrap())
}

fn event_id(name: &str) -> EventId {
    EventId::try_new(&format!("evt_{name}")).unwrap()
}

/// The first attempt of the delivery of this name, for the webhook `whk_a`, delivered.
fn delivered(name: &str) -> LoggedAttempt {
    LoggedAttempt {
        delivery: DeliveryId::derive(&event_id(name), "whk_a"),
        webhook: webhook("a"),
        event: an_event(name, "domain.added"),
        published_ms: 5,
        attempt: 1,
        at_ms: now(),
        duration: Duration::from_millis(20),
        status: Some(200),
        failure: None,
        detail: None,
        response: Bytes::from_static(b"fine"),
        signature: HeaderValue::from_static("sha256=ab"),
        standard_signature: HeaderValue::from_static("v1,cd"),
        next: LoggedNext::Delivered,
    }
}

fn failed(name: &str, attempt: u32, next: LoggedNext) -> LoggedAttempt {
    LoggedAttempt {
        attempt,
        at_ms: now() + i64::from(attempt),
        status: Some(500),
        failure: Some("http_500".to_owned()),
        detail: Some("broken".to_owned()),
        next,
        ..delivered(name)
    }
}

fn dead(name: &str, attempt: u32) -> LoggedAttempt {
    failed(name, attempt, LoggedNext::Dead("gave_up".to_owned()))
}

fn all() -> DeliveryQuery {
    DeliveryQuery { limit: 100, ..DeliveryQuery::default() }
}

async fn a_delivery_is_kept_with_all_its_attempts(mut place: Place) {
    let writer = place.writer(BOUNDS);
    place.write(writer, vec![delivered("1")]).await;
    let one = place.log.delivery(&id("1")).await.unwrap().unwrap();
    assert_eq!(one.row.state, DeliveryState::Delivered);
    assert_eq!((one.row.attempts, one.row.last_status), (1, Some(200)));
    assert_eq!((&*one.event.id, &one.event.body), ("evt_1", an_event("1", "domain.added").body()));
    assert_eq!(one.event.project.as_deref(), Some("prj_1"));
    assert_eq!(one.attempts.len(), 1);
    let attempt = &one.attempts[0];
    assert_eq!((&*attempt.signature, &*attempt.standard_signature), ("sha256=ab", "v1,cd"));
    assert_eq!((attempt.duration_ms, &*attempt.response), (20, &b"fine"[..]));

    // Fails, fails again, is delivered; in batches of their own and in one.
    let retry = |attempt| failed("2", attempt, LoggedNext::Retry(now() + 5_000));
    place.write(writer, vec![retry(1)]).await;
    let waiting = place.log.delivery(&id("2")).await.unwrap().unwrap();
    assert_eq!(waiting.row.state, DeliveryState::Waiting);
    assert!(waiting.row.next_at_ms.is_some());
    assert_eq!(waiting.row.last_failure.as_deref(), Some("http_500"));
    place.write(writer, vec![retry(2), retry(3)]).await;
    let last = LoggedAttempt { attempt: 4, at_ms: now() + 4, ..delivered("2") };
    place.write(writer, vec![last.clone()]).await;
    let two = place.log.delivery(&id("2")).await.unwrap().unwrap();
    assert_eq!((two.row.state, two.row.attempts), (DeliveryState::Delivered, 4));
    assert_eq!((two.row.last_failure, two.row.next_at_ms), (None, None));
    let attempts: Vec<u32> = two.attempts.iter().map(|attempt| attempt.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    assert_eq!(two.attempts[1].detail.as_deref(), Some("broken"));

    // What is reported again changes nothing, and what comes late does not go back.
    place.write(writer, vec![last, retry(2)]).await;
    let again = place.log.delivery(&id("2")).await.unwrap().unwrap();
    assert_eq!((again.row.state, again.row.attempts), (DeliveryState::Delivered, 4));

    // It died without an attempt.
    let disabled = LoggedNext::Dead("disabled".to_owned());
    let buried = LoggedAttempt { attempt: 0, next: disabled, failure: None, ..delivered("3") };
    place.write(writer, vec![buried]).await;
    let three = place.log.delivery(&id("3")).await.unwrap().unwrap();
    assert_eq!((three.row.state, three.row.attempts), (DeliveryState::Dead, 0));
    assert_eq!(three.row.dead_reason.as_deref(), Some("disabled"));
    assert!(three.attempts.is_empty());
    assert!(place.log.delivery(&id("9")).await.unwrap().is_none());
    assert_eq!(place.ids(all()).await, [id("3"), id("2"), id("1")]);
    place.close().await;
}

async fn lists_are_filtered_and_paged(mut place: Place) {
    let writer = place.writer(BOUNDS);
    let mut attempts: Vec<_> = (0..30).map(|n| delivered(&format!("{n}"))).collect();
    for (n, attempt) in attempts.iter_mut().enumerate() {
        attempt.at_ms = now() - 60_000 + 1_000 * i64::try_from(n).unwrap();
    }
    for attempt in attempts.iter_mut().skip(1).step_by(2) {
        attempt.webhook = webhook("b");
    }
    attempts[4].event = an_event("4", "deployment.failed");
    let since = attempts[10].at_ms;
    let until = attempts[12].at_ms;
    place.write(writer, attempts).await;
    place.write(writer, vec![dead("30", 1)]).await;

    let of = |name: &str| DeliveryQuery { webhook: Some(webhook(name)), ..all() };
    assert_eq!(place.ids(all()).await.len(), 31);
    assert_eq!(place.ids(of("b")).await.len(), 15);
    assert_eq!(place.ids(of("never")).await, Vec::<String>::new());
    let state = |state| DeliveryQuery { state: Some(state), ..all() };
    assert_eq!(place.ids(state(DeliveryState::Dead)).await, [id("30")]);
    assert_eq!(place.ids(state(DeliveryState::Waiting)).await, Vec::<String>::new());
    let kind = |kind: &str, query| DeliveryQuery { kind: Some(kind.to_owned()), ..query };
    assert_eq!(place.ids(kind("deployment.failed", all())).await, [id("4")]);
    assert_eq!(place.ids(kind("deployment.failed", of("a"))).await, [id("4")]);
    assert_eq!(place.ids(kind("deployment.failed", of("b"))).await, Vec::<String>::new());
    let window = DeliveryQuery { since_ms: Some(since), until_ms: Some(until), ..all() };
    assert_eq!(place.ids(window).await, [id("11"), id("10")]);

    for query in [all(), of("a")] {
        let whole = place.ids(query.clone()).await;
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let query = DeliveryQuery { after, limit: 7, ..query.clone() };
            let page = place.log.deliveries(&query).await.unwrap();
            assert!(page.items.len() <= 7);
            paged.extend(page.items.into_iter().map(|row| row.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole);
    }
    let events = place.log.recent_events(2).await.unwrap();
    let events: Vec<&str> = events.iter().map(|event| &*event.id).collect();
    assert_eq!(events, ["evt_30", "evt_29"]);
    let event = place.log.event(&event_id("8"), &webhook("a")).await.unwrap().unwrap();
    assert_eq!(event.body, an_event("8", "domain.added").body());
    assert!(place.log.event(&event_id("none"), &webhook("a")).await.unwrap().is_none());
    place.close().await;
}

async fn people_send_again_and_drop(mut place: Place) {
    let writer = place.writer(BOUNDS);
    place.write(writer, vec![dead("1", 3), dead("2", 3), delivered("3")]).await;
    let a = webhook("a");
    let page = place.log.failed_since(&a, now() - HOUR, None, 1).await.unwrap();
    assert_eq!((&*page.items[0].0.id, &*page.items[0].1.id), (&*id("2"), "evt_2"));
    let page = place.log.failed_since(&a, now() - HOUR, page.next, 1).await.unwrap();
    assert_eq!((&*page.items[0].0.id, page.next), (&*id("1"), None));
    assert!(place.log.failed_since(&a, now() + HOUR, None, 9).await.unwrap().items.is_empty());

    let after = |attempts: u32, delivery: String| Decided { delivery, attempts };
    let ids = [id("1"), id("3"), id("none"), "none".to_owned()].map(|id| after(3, id));
    // Of some of them the log does not know all attempts, and may be about to write them.
    let left = place.log.mark(&ids, DeliveryState::Dropped, now(), Behind::Leave).await.unwrap();
    assert_eq!(left, ids[1..3]);
    // It was attempted since somebody saw it after two attempts.
    place
        .log
        .mark(&[after(2, id("2"))], DeliveryState::Waiting, now(), Behind::Take)
        .await
        .unwrap();
    let two = place.log.delivery(&id("2")).await.unwrap().unwrap();
    assert_eq!(two.row.state, DeliveryState::Dead);
    // Whoever sends it again may have a clock that is late.
    place
        .log
        .mark(&[after(3, id("2"))], DeliveryState::Waiting, now() - HOUR, Behind::Take)
        .await
        .unwrap();
    // What was delivered can be sent again, too.
    place
        .log
        .mark(&[after(1, id("3"))], DeliveryState::Waiting, now(), Behind::Take)
        .await
        .unwrap();
    let three = place.log.delivery(&id("3")).await.unwrap().unwrap();
    assert_eq!(three.row.state, DeliveryState::Waiting);
    place.write(writer, vec![LoggedAttempt { at_ms: now() + 1, ..delivered("3") }]).await;
    let counts = place.log.counts(&a, now() - HOUR).await.unwrap();
    assert_eq!((counts.dropped, counts.waiting, counts.delivered, counts.dead), (1, 1, 1, 0));
    // Attempts may be counted anew.
    let again = LoggedAttempt { at_ms: now() + 1_000, ..delivered("2") };
    place.write(writer, vec![again]).await;
    let two = place.log.delivery(&id("2")).await.unwrap().unwrap();
    assert_eq!((two.row.state, two.row.attempts), (DeliveryState::Delivered, 1));
    assert_eq!(two.attempts.len(), 2);
    assert_eq!(place.ids(all()).await, [id("2"), id("3"), id("1")]);
    let counts = place.log.counts(&a, now() - HOUR).await.unwrap();
    assert_eq!((counts.dropped, counts.waiting, counts.delivered, counts.dead), (1, 0, 2, 0));
    assert_eq!((counts.succeeded, counts.failed), (3, 2));
    place.close().await;
}

async fn attempts_are_counted_by_hour(mut place: Place) {
    let before = |name: &str, hours: i64| LoggedAttempt {
        at_ms: now() - hours * HOUR,
        duration: Duration::from_millis(100),
        ..delivered(name)
    };
    let attempts = vec![before("1", 2), before("2", 0), before("3", 0), dead("4", 1)];
    let bounds = LogBounds { max_age: Duration::from_secs(24 * 3_600), ..BOUNDS };
    let writer = place.writer(bounds);
    place.write(writer, attempts).await;
    let (a, b) = (webhook("a"), webhook("b"));
    let hours = place.log.hours(&[a.clone(), b], now() - 24 * HOUR).await.unwrap();
    assert_eq!(hours.keys().collect::<Vec<_>>(), [&a]);
    let amounts: Vec<_> = hours[&a].iter().map(|hour| (hour.delivered, hour.failed)).collect();
    // The last ones may fall into two hours, if one ends just now.
    assert_eq!(amounts[0], (1, 0));
    assert_eq!(amounts.iter().map(|hour| hour.0).sum::<u64>(), 3);
    assert_eq!(amounts.iter().map(|hour| hour.1).sum::<u64>(), 1);
    let p50 = hours[&a][0].p50_ms.unwrap();
    assert!((64.0..=128.0).contains(&p50), "{p50}");
    let recent = place.log.hours(std::slice::from_ref(&a), now()).await.unwrap();
    assert_eq!(recent[&a].iter().map(|hour| hour.delivered).sum::<u64>(), 2);
    place.close().await;
}

async fn replicas_write_at_the_same_time(mut place: Place) {
    let replicas = [place.writer(BOUNDS), place.writer(BOUNDS)];
    // Both deliver the same event, and each has its own.
    let mut targets = Vec::new();
    for (replica, name) in replicas.into_iter().zip(["x", "y"]) {
        let recorder = &place.writers[replica].recorder;
        for n in 0..200 {
            recorder.offer(delivered(&format!("{name}{n}")));
            recorder.offer(failed(&format!("both{n}"), 1, LoggedNext::Retry(now())));
        }
        targets.push((recorder, 400));
    }
    for (recorder, target) in targets {
        eventually("all is written", SOON, || async {
            (recorder.status().written() == target).then_some(())
        })
        .await
        .unwrap();
        assert_eq!((recorder.dropped(), recorder.status().errors()), (0, 0));
    }
    let query = DeliveryQuery { limit: 500, ..DeliveryQuery::default() };
    let first = place.log.deliveries(&query).await.unwrap();
    let query = DeliveryQuery { after: first.next, ..query };
    let rest = place.log.deliveries(&query).await.unwrap();
    let mut ids: Vec<String> =
        first.items.into_iter().chain(rest.items).map(|row| row.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 600);
    let counts = place.log.counts(&webhook("a"), now() - HOUR).await.unwrap();
    assert_eq!((counts.delivered, counts.waiting), (400, 200));
    place.close().await;
}

async fn every_delivery_has_its_event(mut place: Place) {
    let writer = place.writer(BOUNDS);
    let name = |n: usize| format!("{n}");
    // More than a chunk holds, of many sizes, some too large to share one.
    let event = |n: usize| {
        let long = "x".repeat(if n % 50 == 9 { 70_000 } else { n * 7 });
        let body = format!(
            r#"{{"type":"domain.added","createdAt":"2024-01-15T10:30:00Z","domain":{{"name":"{n}"}},"project":{{"id":"prj_1"}},"note":"{long}"}}"#
        );
        Arc::new(Event::restore(body.as_bytes(), event_id(&name(n))).unwrap())
    };
    let events: Vec<Arc<Event>> = (0..300).map(event).collect();
    let attempt = |n: usize| LoggedAttempt { event: Arc::clone(&events[n]), ..delivered(&name(n)) };
    place.write(writer, (0..300).map(attempt).collect()).await;
    // A later attempt, and another delivery of an event, in another batch.
    let other = DeliveryId::derive(&event_id("9"), "whk_b");
    let other = LoggedAttempt { delivery: other, webhook: webhook("b"), ..attempt(9) };
    place.write(writer, vec![other]).await;
    let query = DeliveryQuery { limit: 500, ..DeliveryQuery::default() };
    let found = place.log.deliveries(&query).await.unwrap().items;
    let found: Vec<&str> = found.iter().map(|row| row.event.as_str()).collect();
    let mut expected: Vec<&str> = events.iter().rev().map(|event| event.id().as_str()).collect();
    expected.insert(0, "evt_9");
    assert_eq!(found, expected);
    for n in [0, 9, 63, 64, 65, 128, 299] {
        let event = place.log.event(&event_id(&name(n)), &webhook("a")).await.unwrap().unwrap();
        assert_eq!((&*event.id, &event.body), (&*format!("evt_{n}"), events[n].body()));
    }
    assert!(place.log.event(&event_id("9"), &webhook("b")).await.unwrap().is_some());
    let recent = place.log.recent_events(250).await.unwrap();
    let recent: Vec<&str> = recent.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(recent, expected[1..=250]);
    place.close().await;
}

async fn what_is_beyond_the_bounds_is_forgotten(mut place: Place) {
    // A writer looks when it starts, and long after.
    let writer = place.writer(LogBounds { max_age: Duration::from_secs(1_000_000), ..BOUNDS });
    let old = |name: &str| LoggedAttempt { at_ms: now() - 2 * HOUR, ..delivered(name) };
    let mut attempts = vec![old("old1"), LoggedAttempt { attempt: 2, ..old("old2") }];
    attempts.insert(1, LoggedAttempt { attempt: 1, next: LoggedNext::Retry(1), ..old("old2") });
    place.write(writer, attempts).await;
    place.write(writer, (0..20).map(|n| delivered(&format!("{n}"))).collect()).await;
    assert_eq!(place.log.recent_events(100).await.unwrap().len(), 22);
    let status = |writer: usize, place: &Place| {
        let status = place.writers[writer].recorder.status();
        (status.rows(), status.forgotten())
    };
    let by_age = place.writer(BOUNDS);
    eventually("the old ones are gone", SOON, || async {
        (status(by_age, &place) == (20, 2)).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(place.ids(all()).await.len(), 20);
    assert_eq!(place.log.recent_events(100).await.unwrap().len(), 20);
    assert!(place.log.delivery(&id("old2")).await.unwrap().is_none());
    assert!(place.log.event(&event_id("old1"), &webhook("a")).await.unwrap().is_none());
    assert!(place.log.event(&event_id("0"), &webhook("a")).await.unwrap().is_some());
    let by_amount = place.writer(LogBounds { max_rows: 5, ..BOUNDS });
    eventually("those beyond the bound are gone", SOON, || async {
        (status(by_amount, &place) == (5, 15)).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(place.ids(all()).await, [id("19"), id("18"), id("17"), id("16"), id("15")]);
    // Events that were written together go together, with the last of their deliveries.
    assert_eq!(place.log.recent_events(100).await.unwrap().len(), 20);
    let none_left = place.writer(LogBounds { max_rows: 0, ..BOUNDS });
    eventually("all are gone", SOON, || async {
        (status(none_left, &place) == (0, 5)).then_some(())
    })
    .await
    .unwrap();
    assert!(place.log.recent_events(100).await.unwrap().is_empty());
    let counts = place.log.counts(&webhook("a"), now() - HOUR).await.unwrap();
    assert_eq!(counts.delivered, 0);
    // What is written next is whole, although its event was known before.
    place.write(writer, vec![delivered("3")]).await;
    assert!(place.log.event(&event_id("3"), &webhook("a")).await.unwrap().is_some());
    place.close().await;
}

async fn the_health_of_webhooks(place: Place) {
    let (a, b) = (webhook("a"), webhook("b"));
    let log = &place.log;
    let note = async |webhook: &WebhookId, note| {
        log.note_health(&[(webhook.clone(), note)]).await.unwrap();
    };
    let fails = |since_ms, last_ms| HealthNote::Failing { since_ms, last_ms };
    let failing = async || {
        let failing = log.failing().await.unwrap();
        let failing = failing.into_iter().map(|one| (one.webhook, one.since_ms, one.told));
        failing.collect::<Vec<_>>()
    };
    note(&a, fails(100, 100)).await;
    note(&a, fails(200, 200)).await;
    note(&b, fails(50, 50)).await;
    assert_eq!(failing().await, [(b.clone(), 50, 0), (a.clone(), 100, 0)]);
    assert_eq!(log.failing().await.unwrap()[1].last_ms, 200);
    assert!(log.set_told(&a, 100, 50).await.unwrap());
    assert!(!log.set_told(&a, 100, 50).await.unwrap(), "another replica was first");
    assert!(!log.set_told(&a, 99, 80).await.unwrap(), "another stretch");
    // A success before the stretch says nothing about it, one within ends it, and an older failure
    // does not begin another.
    note(&a, HealthNote::Succeeded(90)).await;
    assert_eq!(failing().await, [(b.clone(), 50, 0), (a.clone(), 100, 50)]);
    note(&a, HealthNote::Succeeded(150)).await;
    note(&a, fails(120, 130)).await;
    assert_eq!(failing().await, [(b.clone(), 50, 0)]);
    note(&a, fails(160, 170)).await;
    assert_eq!(failing().await, [(b.clone(), 50, 0), (a.clone(), 160, 0)]);
    log.forget_health(&b).await.unwrap();
    assert_eq!(failing().await, [(a, 160, 0)]);
}

mod sqlite {
    //! All of them on SQLite.

    use super::*;

    #[tokio::test]
    async fn a_delivery_is_kept_with_all_its_attempts() {
        super::a_delivery_is_kept_with_all_its_attempts(Place::sqlite().await).await;
    }

    #[tokio::test]
    async fn lists_are_filtered_and_paged() {
        super::lists_are_filtered_and_paged(Place::sqlite().await).await;
    }

    #[tokio::test]
    async fn people_send_again_and_drop() {
        super::people_send_again_and_drop(Place::sqlite().await).await;
    }

    #[tokio::test]
    async fn attempts_are_counted_by_hour() {
        super::attempts_are_counted_by_hour(Place::sqlite().await).await;
    }

    #[tokio::test]
    async fn every_delivery_has_its_event() {
        super::every_delivery_has_its_event(Place::sqlite().await).await;
    }

    #[tokio::test]
    async fn what_is_beyond_the_bounds_is_forgotten() {
        super::what_is_beyond_the_bounds_is_forgotten(Place::sqlite().await).await;
    }

    #[tokio::test]
    async fn the_health_of_webhooks() {
        super::the_health_of_webhooks(Place::sqlite().await).await;
    }
}

/// All of them on one PostgreSQL server after the other, and what only several replicas can do.
mod postgres {
    use super::*;

    #[tokio::test]
    async fn a_delivery_is_kept_with_all_its_attempts() {
        super::a_delivery_is_kept_with_all_its_attempts(Place::postgres().await).await;
    }

    #[tokio::test]
    async fn lists_are_filtered_and_paged() {
        super::lists_are_filtered_and_paged(Place::postgres().await).await;
    }

    #[tokio::test]
    async fn people_send_again_and_drop() {
        super::people_send_again_and_drop(Place::postgres().await).await;
    }

    #[tokio::test]
    async fn attempts_are_counted_by_hour() {
        super::attempts_are_counted_by_hour(Place::postgres().await).await;
    }

    #[tokio::test]
    async fn every_delivery_has_its_event() {
        super::every_delivery_has_its_event(Place::postgres().await).await;
    }

    #[tokio::test]
    async fn replicas_write_at_the_same_time() {
        super::replicas_write_at_the_same_time(Place::postgres().await).await;
    }

    #[tokio::test]
    async fn what_is_beyond_the_bounds_is_forgotten() {
        super::what_is_beyond_the_bounds_is_forgotten(Place::postgres().await).await;
    }

    #[tokio::test]
    async fn the_health_of_webhooks() {
        super::the_health_of_webhooks(Place::postgres().await).await;
    }
}
