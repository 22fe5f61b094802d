//! What the delivery log costs: CPU time per delivery that is written, and how long lists take on a
//! log of millions.
//!
//! ```text
//! cargo bench -p store --bench log -- write [deliveries]
//! cargo bench -p store --bench log -- write [deliveries] postgres://…
//! cargo bench -p store --bench log -- read [deliveries] [webhooks]
//! cargo bench -p store --bench log -- read [deliveries] [webhooks] postgres://…
//! cargo bench -p store --bench log -- read 0 [webhooks] postgres://…
//! ```
//!
//! A database at a URL must be empty, and keeps what is written; the last line reads it once more.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made ends here")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::{Catalog, DeliveryId, Event, EventId};
use http::HeaderValue;
use rustix::time::{ClockId, clock_gettime};
use store::{
    DeliveryLog, DeliveryQuery, DeliveryState, LogBounds, LoggedAttempt, LoggedNext, Options,
    Position, Recorder, Rules,
};
use subscriptions::{RetryPolicy, UrlRules, WebhookId};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Deliveries that are offered at once.
const STEP: u32 = 2_000;
const BOUNDS: LogBounds = LogBounds {
    max_waiting_bytes: 64 * 1024 * 1024,
    max_age: Duration::from_secs(365 * 24 * 60 * 60),
    max_rows: 100_000_000,
};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize, or: u32| arguments.get(at).and_then(|n| n.parse().ok()).unwrap_or(or);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match arguments.first().map(String::as_str) {
        Some("read") => {
            let (deliveries, amount) = (number(1, 5_000_000), number(2, 100_000));
            runtime.block_on(read(deliveries, amount, arguments.get(3).cloned()));
        }
        _ => runtime.block_on(write(number(1, 200_000), arguments.get(2).cloned())),
    }
}

async fn end_of(ended: tokio::sync::oneshot::Receiver<()>) -> Instant {
    drop(ended.await);
    Instant::now() + Duration::from_secs(3)
}

/// A log in a folder of its own, or at a URL.
fn open(folder: &tempfile::TempDir, url: Option<String>) -> DeliveryLog {
    let rules = Rules {
        url: UrlRules::default(),
        retry: RetryPolicy::default(),
        catalog: Catalog::try_new::<&str>(&[]).unwrap(),
    };
    let options = Options { state_dir: folder.path().to_owned(), rules, keys: None };
    let url = url.unwrap_or_else(|| format!("sqlite://{}/webhooks.db", folder.path().display()));
    DeliveryLog::open(&url, &options).unwrap()
}

async fn write(deliveries: u32, url: Option<String>) {
    for (name, fan_out, failing) in
        [("healthy, fan-out 1", 1, 0), ("healthy, fan-out 10", 10, 0), ("1 of 10 fails", 1, 20)]
    {
        let folder = tempfile::tempdir().unwrap();
        let log = open(&folder, url.clone());
        let (shutdown, ended) = tokio::sync::oneshot::channel::<()>();
        let (recorder, writer) = log.writer(BOUNDS, end_of(ended));
        let mut task = JoinSet::new();
        task.spawn(writer);
        let webhooks = webhooks(100);
        fill(&recorder, &webhooks, 0, 100, Shape { fan_out, failing, hours: 1, all: deliveries })
            .await;
        let (began, cpu) = (Instant::now(), cpu());
        fill(
            &recorder,
            &webhooks,
            100,
            deliveries,
            Shape { fan_out, failing, hours: 1, all: deliveries },
        )
        .await;
        let (cpu, time) = (self::cpu() - cpu, began.elapsed());
        // What the bench itself does: the service has all of this at hand.
        let making = self::cpu();
        let shape = Shape { fan_out, failing, hours: 1, all: deliveries };
        make(&webhooks, 100, deliveries, shape, |attempt| drop(std::hint::black_box(attempt)));
        let making = self::cpu() - making;
        println!(
            "{name}: {:.2} µs CPU and {:.2} µs time per delivery, {} dropped",
            per(cpu.saturating_sub(making), deliveries),
            per(time, deliveries),
            recorder.dropped()
        );
        drop(shutdown);
        task.join_all().await;
    }
}

async fn read(deliveries: u32, amount: u32, url: Option<String>) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let log = open(&folder, url);
    let webhooks = webhooks(amount);
    if deliveries > 0 {
        written(&log, &webhooks, deliveries).await;
    }
    if let Ok(file) = std::fs::metadata(folder.path().join("deliveries.db")) {
        println!("{} bytes of file per delivery", file.len() / u64::from(deliveries.max(1)));
    }
    lists(&log, &webhooks).await;
}

/// Writes so many deliveries of the last month.
async fn written(log: &DeliveryLog, webhooks: &[WebhookId], deliveries: u32) {
    let (shutdown, ended) = tokio::sync::oneshot::channel::<()>();
    let (recorder, writer) = log.writer(BOUNDS, end_of(ended));
    let mut task = JoinSet::new();
    task.spawn(writer);
    let (began, cpu) = (Instant::now(), cpu());
    fill(
        &recorder,
        webhooks,
        0,
        deliveries,
        Shape { fan_out: 1, failing: 40, hours: 24 * 30, all: deliveries },
    )
    .await;
    println!(
        "{deliveries} deliveries of {} webhooks written in {:.0} s, {:.2} µs CPU each",
        webhooks.len(),
        began.elapsed().as_secs_f64(),
        per(self::cpu() - cpu, deliveries)
    );
    drop(shutdown);
    task.join_all().await;
}

/// Times the questions that pages ask; the first webhook has half of everything.
async fn lists(log: &DeliveryLog, webhooks: &[WebhookId]) {
    let all = DeliveryQuery { limit: 50, ..DeliveryQuery::default() };
    let of = |place: usize| DeliveryQuery { webhook: Some(webhooks[place].clone()), ..all.clone() };
    let state = |query: DeliveryQuery, state| DeliveryQuery { state: Some(state), ..query };
    let kind =
        |query: DeliveryQuery, kind: &str| DeliveryQuery { kind: Some(kind.to_owned()), ..query };
    let (busy, quiet) = (of(0), of(webhooks.len() / 2 + 1));
    let middle = now_ms() - 15 * 24 * 3_600_000;
    let window =
        DeliveryQuery { since_ms: Some(middle), until_ms: Some(middle + 3_600_000), ..all.clone() };
    for (name, query) in [
        ("all", all.clone()),
        ("all, waiting", state(all.clone(), DeliveryState::Waiting)),
        ("all, dead", state(all.clone(), DeliveryState::Dead)),
        ("all, dropped (none)", state(all.clone(), DeliveryState::Dropped)),
        ("all, of a rare type", kind(all.clone(), "deployment.canceled")),
        (
            "all, of a rare type, dead",
            state(kind(all.clone(), "deployment.canceled"), DeliveryState::Dead),
        ),
        ("all, one hour 15 days ago", window.clone()),
        ("busy webhook", busy.clone()),
        ("busy webhook, dead", state(busy.clone(), DeliveryState::Dead)),
        ("busy webhook, dropped (none)", state(busy.clone(), DeliveryState::Dropped)),
        ("busy webhook, rare type", kind(busy.clone(), "deployment.canceled")),
        ("busy webhook, deep page", DeliveryQuery { after: Some(Position(1_000_000)), ..busy }),
        ("quiet webhook", quiet.clone()),
        ("quiet webhook, dead", state(quiet.clone(), DeliveryState::Dead)),
        ("quiet webhook, rare type", kind(quiet.clone(), "deployment.canceled")),
        ("quiet webhook, one hour", DeliveryQuery { webhook: quiet.webhook.clone(), ..window }),
    ] {
        let mut items = 0;
        timed(name, async || items = log.deliveries(&query).await.unwrap().items.len()).await;
        println!("    {items} items");
    }
    let day = now_ms() - 24 * 3_600_000;
    let month = now_ms() - 30 * 24 * 3_600_000;
    let ids = &webhooks[..webhooks.len().min(50)];
    timed("hours of 50 webhooks, a day", async || drop(log.hours(ids, day).await)).await;
    timed("hours of a webhook, a month", async || drop(log.hours(&ids[..1], month).await)).await;
    timed("counts of a webhook, a month", async || drop(log.counts(&ids[0], month).await)).await;
    timed("recent events", async || drop(log.recent_events(50).await)).await;
    let (id, nobody) = (delivery(1_000), delivery(u32::MAX - 1));
    timed("an old delivery", async || assert!(log.delivery(id.as_str()).await.unwrap().is_some()))
        .await;
    timed("no delivery", async || assert!(log.delivery(nobody.as_str()).await.unwrap().is_none()))
        .await;
    let recover = async || assert!(log.failed_since(&ids[0], month, None, 100).await.is_ok());
    timed("what failed for a webhook", recover).await;
}

/// The median of some runs.
async fn timed(name: &str, mut work: impl AsyncFnMut()) {
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        work().await;
        times.push(began.elapsed());
    }
    times.sort();
    println!("{name}: {:.1} ms (at most {:.1})", ms(times[2]), ms(times[4]));
}

/// What is written.
#[derive(Clone, Copy)]
struct Shape {
    fan_out: u32,
    /// One of so many fails at first; 0 means none.
    failing: u32,
    /// Over how much time all deliveries are spread, and how many that are.
    hours: u32,
    all: u32,
}

/// Offers deliveries and waits until they are written.
async fn fill(recorder: &Recorder, webhooks: &[WebhookId], first: u32, amount: u32, shape: Shape) {
    let target = recorder.status().written() + recorder.dropped() + u64::from(amount);
    let last = first + amount;
    for first in (first..last).step_by(STEP as usize) {
        let step = STEP.min(last - first);
        make(webhooks, first, step, shape, |attempt| recorder.offer(attempt));
        while recorder.status().waiting_bytes() > BOUNDS.max_waiting_bytes / 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    while recorder.status().written() + recorder.dropped() < target {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Makes attempts, one for each delivery.
fn make(
    webhooks: &[WebhookId],
    first: u32,
    amount: u32,
    shape: Shape,
    mut take: impl FnMut(LoggedAttempt),
) {
    let mut event = Arc::new(an_event(first));
    let began_ms = now_ms() - i64::from(shape.hours) * 3_600_000;
    for n in first..first + amount {
        if n % shape.fan_out == 0 {
            event = Arc::new(an_event(n));
        }
        let passed = i64::from(shape.hours) * 3_600_000 * i64::from(n) / i64::from(shape.all);
        // The first webhook has half of everything where there are many.
        let of = if webhooks.len() > 1_000 && n % 2 == 0 { 0 } else { n };
        let webhook = &webhooks[of as usize % webhooks.len()];
        take(an_attempt(n, webhook, &event, began_ms + passed, shape.failing));
    }
}

fn an_event(n: u32) -> Event {
    let body = format!(
        r#"{{"type":"deployment.succeeded","createdAt":"2024-01-15T10:30:00Z","deployment":{{"id":"dpl_{n}","name":"production","url":"https://my-project.boottify.com","meta":{{"gitCommitSha":"abc123def","gitCommitMessage":"Update homepage","gitBranch":"main"}}}},"project":{{"id":"prj_xyz789","name":"my-project"}}}}"#
    );
    let kind = if n % 5_000 < 2 { "deployment.canceled" } else { "deployment.succeeded" };
    let body = body.replace("deployment.succeeded", kind);
    let id = EventId::try_new(&format!("evt_{n}")).unwrap();
    Event::restore(body.as_bytes(), id).unwrap()
}

fn an_attempt(
    n: u32,
    webhook: &WebhookId,
    event: &Arc<Event>,
    at_ms: i64,
    failing: u32,
) -> LoggedAttempt {
    let fails = failing > 0 && n % failing < 2;
    let next = match (fails, n % 3) {
        (false, _) => LoggedNext::Delivered,
        (true, 0) => LoggedNext::Dead("gave_up".to_owned()),
        (true, _) => LoggedNext::Retry(at_ms + 5_000),
    };
    LoggedAttempt {
        delivery: delivery(n),
        webhook: webhook.clone(),
        event: Arc::clone(event),
        published_ms: at_ms,
        attempt: 1,
        at_ms,
        duration: Duration::from_millis(u64::from(n % 200)),
        status: Some(if fails { 500 } else { 200 }),
        failure: fails.then(|| "http_500".to_owned()),
        detail: fails.then(|| "500 Internal Server Error".to_owned()),
        response: Bytes::from_static(b"{\"ok\":true}"),
        signature: signature(&format!("sha256={}", "ab".repeat(32))),
        standard_signature: signature(&format!("v1,{}=", "c".repeat(43))),
        next,
    }
}

/// Spread like hashes.
fn delivery(n: u32) -> DeliveryId {
    DeliveryId::derive(&EventId::try_new(&format!("evt_{n}")).unwrap(), "whk_bench")
}

fn signature(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn webhooks(amount: u32) -> Vec<WebhookId> {
    (0..amount).map(|n| WebhookId::try_new(&format!("whk_{n:032x}")).unwrap()).collect()
}

/// CPU time of the process: its own and the system's for it.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

fn per(time: Duration, amount: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(amount)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
