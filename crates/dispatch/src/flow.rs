//! **The page to read**: the whole way of one message, in order.
//!
//! ```text
//! take ─► parse ─► match ─► for each webhook, together: pass the gate ─► attempt ─► what next?
//!           │                                               │                        │
//!        rejected                                       postponed          done, parked, buried
//! ```
//!
//! When every delivery that a message stands for is done, or held by the broker under a publisher
//! confirm, the message is acknowledged. If one could not be handed over, its settlement is
//! dropped, which gives the message back. What follows from what happened, and in which order, stands
//! in `life.rs`; here it is carried out.

mod follow;
mod place;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use broker::{Incoming, IncomingEvent, IncomingParked, Intake, Parked, PublishError, Session};
use delivery::{Attempted, Outcome, Request, Sender};
use event::{Catalog, DeliveryId, Event, EventId, Rejection};
use futures_util::stream::{FuturesUnordered, StreamExt};
use subscriptions::{RetryPolicy, Secrets, Snapshot, Webhook, WebhookId};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use traces::Span;

use crate::backlog::Backlog;
use crate::clock::now_ms;
use crate::flow::place::{NoPlace, Place};
use crate::gate::{BreakerPolicy, Gate, Sign, Slot, Standings, Turned};
use crate::health::Health;
use crate::life::{self, Discharged, Life, Message};
use crate::metrics::{DELETED, IN_FLIGHT, MALFORMED, Metrics, UNOPENED};
use crate::report::{AttemptReport, Following, Report, Tell};
use crate::spans::{self, Spans};
use crate::task::{Last, Task};
use crate::throttle::Throttle;

/// How long a delivery waits that met a limit of our own: the shortest delay that the contract knows.
const POSTPONE: Duration = Duration::from_secs(1);

/// How long a delivery waits whose webhook this replica has not heard of yet: changes are live within
/// a second, so one wait is nearly always enough.
const UNKNOWN: Duration = Duration::from_secs(5);

/// How long a delivery waits at least and at most whose webhook has no secrets to sign with, before it
/// is looked at again: as long as it has waited already. People have to do something about it; until
/// then millions may wait, and are not to keep the broker busy.
const UNOPENED_WAIT: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(6 * 60 * 60)];

/// The oldest time of publishing that is believed: deliveries are tried for days, not for months.
const OLDEST_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// How much a snapshot must be younger than a delivery before the absence of its webhook counts as
/// deleted: more than a change takes to be live, and than clocks of replicas differ.
const UNKNOWN_MARGIN_MS: i64 = 30_000;

/// The most deliveries of one event that go on at the same time: enough to keep both cores busy with
/// one event, and an event for ten thousand webhooks holds the state of no more than these.
const FAN_OUT: usize = 64;

/// What can be changed while the flow runs: what an event is, and the defaults for each webhook.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The known event types.
    pub catalog: Catalog,
    /// The largest event, in bytes.
    pub max_event_bytes: usize,
    /// Attempts at the same time of one webhook that sets no limit of its own.
    pub webhook_max_in_flight: NonZeroU32,
    /// When webhooks that fail are left alone, and for how long.
    pub breaker: BreakerPolicy,
    /// The retry policy of a webhook that has none of its own.
    pub retry: RetryPolicy,
    /// Whether receivers are told of the trace.
    pub propagate_trace: bool,
}

/// How much goes on at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Attempts, to all webhooks together.
    pub all: usize,
    /// Attempts, to all webhooks of one host.
    pub per_host: NonZeroU32,
    /// Messages of a queue that are unsettled.
    pub prefetch: u16,
}

/// Where the webhooks come from: the present snapshot, and the time (ms since the epoch) as of
/// which the store is known to hold just that.
#[derive(Clone)]
pub struct Feed {
    /// Replaced whole on every change.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Moves on whenever the store was read, changed or not.
    pub read_at_ms: Arc<AtomicI64>,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Flow(Arc<Parts>);

struct Parts {
    rules: ArcSwap<Rules>,
    feed: Feed,
    sender: Sender,
    gate: Gate,
    in_flight: Semaphore,
    max_per_host: NonZeroU32,
    backlog: Backlog,
    metrics: Metrics,
    health: Health,
    tell: Tell,
    spans: Spans,
    rejections: Throttle,
}

impl Flow {
    /// A flow that has taken nothing yet.
    #[must_use]
    pub fn new(
        rules: Rules,
        places: Places,
        feed: Feed,
        sender: Sender,
        metrics: Metrics,
        tell: Tell,
        spans: Spans,
    ) -> Self {
        metrics.know(&rules.catalog);
        Self(Arc::new(Parts {
            rules: ArcSwap::from_pointee(rules),
            feed,
            sender,
            gate: Gate::new(places.all.min(usize::from(places.prefetch))),
            in_flight: Semaphore::new(places.all),
            max_per_host: places.per_host,
            backlog: Backlog::default(),
            metrics,
            health: Health::default(),
            tell,
            spans,
            rejections: Throttle::default(),
        }))
    }

    /// Replaces the rules; messages that are on their way keep those they began with.
    pub fn set_rules(&self, rules: Rules) {
        self.0.metrics.know(&rules.catalog);
        self.0.rules.store(Arc::new(rules));
    }

    /// Takes every message of `intake` until it is closed, then waits for what is in flight.
    ///
    /// Each message is a task of its own; how many there are is bounded by the prefetch. A task
    /// that is dropped, or panics, gives its message back.
    pub async fn run(&self, mut intake: Intake) {
        let tasks = TaskTracker::new();
        while let Some(incoming) = intake.next().await {
            let flow = self.clone();
            tasks.spawn(async move { flow.take(incoming).await });
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Since when which webhooks fail.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health.clone()
    }

    /// What the receivers of webhooks have shown they take.
    #[must_use]
    pub fn standings(&self) -> Standings {
        self.0.gate.standings()
    }

    /// Brings the gauges up to date that are computed and not counted; call it before a scrape.
    pub fn refresh_metrics(&self) {
        let oldest = self.0.backlog.oldest_age_ms(now_ms());
        #[expect(clippy::cast_precision_loss, reason = "an age in ms is far below 2^52")]
        self.0.metrics.backlog_oldest_age.set(oldest as f64 / 1_000.0);
        self.0.metrics.breakers.are_open(&self.0.gate.standings().open());
    }

    async fn take(&self, incoming: Incoming) {
        let parts = &*self.0;
        let _unsettled = parts.metrics.unsettled();
        match incoming {
            Incoming::Event(message) => parts.take_event(message).await,
            // Boxed: most messages are events, and each has room for the larger of the two.
            Incoming::Parked(message) => Box::pin(parts.take_parked(message)).await,
            Incoming::Malformed(malformed, message) => {
                let trace = parts.spans.event(message.trace());
                parts.reject(message, trace, MALFORMED, &malformed.to_string()).await;
            }
        }
    }
}

impl Parts {
    async fn take_event(&self, message: IncomingEvent) {
        let rules = self.rules.load_full();
        let (catalog, limit) = (&rules.catalog, rules.max_event_bytes);
        let mut trace = self.spans.event(message.trace());
        let parsed = Event::parse(&message.body, message.message_id(), catalog, limit);
        let event = match parsed {
            Ok(event) => Arc::new(event),
            Err(Rejection { reason, detail }) => {
                return self.reject(message, trace, reason.as_str(), &detail).await;
            }
        };
        self.metrics.events_consumed.with_label_values(&[event.kind().as_str()]).inc();
        trace.is_of(&event);
        let published_ms = published_ms(&message, &event, now_ms());

        let snapshot = self.feed.snapshot.load_full();
        let payload = OnceLock::new();
        let wanted = |webhook: &&Arc<Webhook>| {
            webhook.condition_holds(|| payload.get_or_init(|| event.payload()))
        };
        let mut matching = snapshot.matching(event.kind(), event.project()).filter(wanted);
        let (mut search, mut found) = (trace.matching(), 0);
        let (mut deliveries, mut owing) =
            (FuturesUnordered::new(), Message::new(message.settlement));
        loop {
            // Once one could not be handed over, the message comes again with all of them.
            while !owing.comes_again()
                && deliveries.len() < FAN_OUT
                && let Some(webhook) = matching.next()
            {
                found += 1;
                owing.owes_one();
                deliveries.push(self.deliver(Task {
                    rules: &rules,
                    event: &event,
                    delivery: DeliveryId::derive(event.id(), webhook.id.as_str()),
                    webhook,
                    session: &message.session,
                    trace: &trace,
                    published_ms,
                    life: Life::NEW,
                    last: None,
                }));
            }
            // Short of the bound, there are no more of them.
            if deliveries.len() < FAN_OUT {
                spans::matched(search.take(), found);
            }
            match deliveries.next().await {
                Some(ended) => owing.ended(ended),
                None => break,
            }
        }
        owing.settle();
    }

    async fn take_parked(&self, message: IncomingParked) {
        let IncomingParked { parked, settlement, session } = message;
        let now = now_ms();
        let ended = if parked.due_ms > now {
            self.put_back(&parked, &session, now).await
        } else {
            self.go_on(&parked, &session, now).await
        };
        life::settle_one(settlement, ended);
    }

    /// A parked delivery whose delay is over.
    async fn go_on(
        &self,
        parked: &Parked,
        session: &Session,
        now: i64,
    ) -> Result<Discharged, PublishError> {
        let snapshot = self.feed.snapshot.load_full();
        let webhook = WebhookId::try_new(&parked.webhook).ok().and_then(|id| snapshot.get(&id));
        let Some(webhook) = webhook else {
            return self.unknown_webhook(parked, session, now).await;
        };
        let event = match restored(parked) {
            Ok(event) => Arc::new(event),
            Err(detail) => return self.reject_parked(parked, session, now, &detail).await,
        };
        let mut trace = self.spans.parked(parked);
        trace.is_of(&event);
        self.deliver(Task {
            rules: &self.rules.load_full(),
            event: &event,
            delivery: DeliveryId::derive(event.id(), webhook.id.as_str()),
            webhook,
            session,
            trace: &trace,
            published_ms: Some(parked.published_ms)
                .filter(|ms| is_believable(*ms, now))
                .unwrap_or(now),
            life: Life::of(parked),
            last: parked.last_failure.as_deref().map(|kind| Last {
                kind,
                detail: parked.last_failure_detail.as_deref().unwrap_or_default(),
            }),
        })
        .await
    }

    /// A webhook that is not in the snapshot is either gone, and nothing is left to be done, or so
    /// new that only another replica knows it yet.
    async fn unknown_webhook(
        &self,
        parked: &Parked,
        session: &Session,
        now: i64,
    ) -> Result<Discharged, PublishError> {
        let read_at = self.feed.read_at_ms.load(Ordering::Relaxed);
        if read_at > parked.first_attempt_ms.saturating_add(UNKNOWN_MARGIN_MS) {
            self.metrics.dropped(DELETED);
            // Whoever looks at it later is to see that it waits no more.
            if let (Ok(webhook), Ok(event)) =
                (WebhookId::try_new(&parked.webhook), restored(parked))
            {
                let id = DeliveryId::derive(event.id(), webhook.as_str());
                let (event, next) = (Arc::new(event), Following::Dropped);
                let report = AttemptReport {
                    published_ms: parked.published_ms,
                    attempts: parked.attempts,
                    ..AttemptReport::without_attempt(id, webhook, event, now, next)
                };
                (self.tell)(Report::Attempt(report));
            }
            return Ok(Life::of(parked).deleted());
        }
        let due_ms = now.saturating_add(duration_ms(UNKNOWN));
        self.put_back(&Parked { parked_ms: now, due_ms, ..parked.clone() }, session, now).await
    }

    /// One delivery: attempt it if it may go now, and hand over what is left to be done.
    async fn deliver(&self, task: Task<'_>) -> Result<Discharged, PublishError> {
        if task.session.is_lost() {
            // An attempt now would only be a repeat of the one that comes with the next session.
            return Err(PublishError::Over);
        }
        if !(task.webhook.enabled || task.life.once.is_some()) {
            return self.keep(&task).await;
        }
        let Ok(secrets) = &task.webhook.secrets else {
            // Nobody but people can say whether it will be: until then it is not given up either.
            let [least, most] = UNOPENED_WAIT;
            let wait = age(task.published_ms).clamp(least, most);
            return self.postpone(&task, task.life.put_off(), UNOPENED, wait).await;
        };
        let place = match self.place(&task) {
            // Boxed: most deliveries go at once, and each has room for the larger of the two.
            Err(why) => Box::pin(self.wait_for_place(&task, why)).await,
            place => place,
        };
        let Place { slot, permit } = match place {
            Ok(place) => place,
            Err(_) if task.session.is_lost() => return Err(PublishError::Over),
            Err(NoPlace::Full) => {
                return self.postpone(&task, task.life.put_off(), IN_FLIGHT, POSTPONE).await;
            }
            Err(NoPlace::Held(bound, wait)) => return self.hold_back(&task, bound, wait).await,
        };
        let started = now_ms();
        let span = task.trace.attempt(&task);
        let made = self.attempt(&task, secrets, span.as_ref()).await;
        drop(permit);
        self.ended(&task, slot, &made.outcome);
        if task.life.attempts == 0 && !matches!(made.outcome, Outcome::NotSent(_)) {
            self.metrics.first_attempt(started.saturating_sub(task.published_ms));
        }
        match &made.outcome {
            Outcome::Delivered(_) => {
                let now = now_ms();
                let latency_ms = now.saturating_sub(task.published_ms);
                let retried = task.life.attempts > 0;
                self.metrics.delivered(task.webhook.id.as_str(), latency_ms, retried);
                self.health.succeeded(&task.webhook.id, now);
                self.report_attempt(&task, started, &made, Following::Delivered);
                spans::attempted(span, &made, Following::Delivered, now);
                Ok(task.life.delivered())
            }
            Outcome::NotSent(bound) => {
                spans::attempted(span, &made, Following::Retry(started), started);
                self.postpone(&task, task.life.put_off(), bound.as_str(), POSTPONE).await
            }
            Outcome::Failed(failure) => {
                let kind = failure.kind.to_string();
                let failed = Task {
                    life: task.life.tried(started),
                    last: Some(Last { kind: &kind, detail: &failure.detail }),
                    ..task
                };
                let now = now_ms();
                let (next, ended) = self.failed(&failed, failure, now).await;
                spans::attempted(span, &made, next, now);
                self.report_attempt(&task, started, &made, next);
                ended
            }
        }
    }

    /// What the attempt showed of its receiver.
    fn ended(&self, task: &Task<'_>, slot: Slot<'_>, outcome: &Outcome) {
        let Some(sign) = Sign::of(outcome) else { return };
        let webhook = task.webhook.id.as_str();
        match slot.ended(sign) {
            Turned::Stayed => {}
            Turned::Opened => {
                self.metrics.breakers.opened.inc();
                let failures = task.rules.breaker.failures.get();
                tracing::warn!(
                    webhook.id = webhook,
                    failures,
                    failure = sign.failure().map(display),
                    "a webhook is left alone but for single probes: its last attempts all failed"
                );
            }
            Turned::Closed => {
                tracing::info!(
                    webhook.id = webhook,
                    "a webhook is delivered to again: it answered"
                );
            }
        }
    }

    async fn attempt(&self, task: &Task<'_>, secrets: &Secrets, span: Option<&Span>) -> Attempted {
        let _in_flight = self.metrics.in_flight();
        let trace = span.map(Span::context).or_else(|| task.trace.context());
        let request = Request {
            webhook: task.webhook,
            secrets,
            event: task.event,
            delivery: &task.delivery,
            attempt: task.life.next_attempt(),
            trace: trace.filter(|_| task.rules.propagate_trace),
        };
        self.sender.attempt(&request).await
    }

    fn report_attempt(&self, task: &Task<'_>, at_ms: i64, made: &Attempted, next: Following) {
        (self.tell)(Report::Attempt(task.report(at_ms, made, next)));
    }
}

/// The event of a delivery that was parked.
fn restored(parked: &Parked) -> Result<Event, String> {
    let id = EventId::try_new(&parked.event).map_err(|error| error.to_string())?;
    Event::restore(&parked.body, id).map_err(|rejection| rejection.detail)
}

/// When the event was published, as far as it tells that believably.
fn published_ms(message: &IncomingEvent, event: &Event, now: i64) -> i64 {
    let told = [message.published_ms(), Some(event.created_at_ms())];
    told.into_iter().flatten().find(|ms| is_believable(*ms, now)).unwrap_or(now)
}

fn is_believable(ms: i64, now: i64) -> bool {
    (now.saturating_sub(OLDEST_MS)..=now).contains(&ms)
}

/// How long ago that was.
fn age(published_ms: i64) -> Duration {
    Duration::from_millis(now_ms().saturating_sub(published_ms).max(0).unsigned_abs())
}

fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
