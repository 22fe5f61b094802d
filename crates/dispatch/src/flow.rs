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
//! dropped, which gives the message back.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use broker::{
    Incoming, IncomingEvent, IncomingParked, Intake, Once, Parked, PublishError, Rejected, Session,
};
use delivery::{Attempted, FailureKind, Outcome, Request, Sender};
use event::{Catalog, DeliveryId, Event, EventId, Rejection, TraceContext};
use futures_util::stream::{FuturesUnordered, StreamExt};
use subscriptions::{RetryPolicy, Snapshot, Webhook, WebhookId};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use traces::Span;

use crate::backlog::Backlog;
use crate::clock::now_ms;
use crate::gate::Gate;
use crate::health::Health;
use crate::metrics::{
    DELETED, DISABLED, GAVE_UP, GONE, IN_FLIGHT, MALFORMED, Metrics, TEST, WEBHOOK_IN_FLIGHT,
};
use crate::report::{AttemptReport, Following, Report, Tell};
use crate::retry::{self, Next};
use crate::spans::{self, Handing, Spans, Trace};
use crate::task::{Last, Task};
use crate::throttle::Throttle;

/// How long a delivery waits whose webhook is at its limit, or that met a limit of our own: the
/// shortest delay that the contract knows.
const POSTPONE: Duration = Duration::from_secs(1);

/// How long a delivery waits whose webhook this replica has not heard of yet: changes are live within
/// a second, so one wait is nearly always enough.
const UNKNOWN: Duration = Duration::from_secs(5);

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
    /// The retry policy of a webhook that has none of its own.
    pub retry: RetryPolicy,
    /// Whether receivers are told of the trace.
    pub propagate_trace: bool,
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
    backlog: Backlog,
    metrics: Metrics,
    health: Health,
    tell: Tell,
    spans: Spans,
    rejections: Throttle,
}

impl Flow {
    /// A flow that has taken nothing yet, for at most `max_in_flight` attempts at the same time.
    #[must_use]
    pub fn new(
        rules: Rules,
        max_in_flight: usize,
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
            gate: Gate::default(),
            in_flight: Semaphore::new(max_in_flight),
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

    /// Brings the gauges up to date that are computed and not counted; call it before a scrape.
    pub fn refresh_metrics(&self) {
        let oldest = self.0.backlog.oldest_age_ms(now_ms());
        #[expect(clippy::cast_precision_loss, reason = "an age in ms is far below 2^52")]
        self.0.metrics.backlog_oldest_age.set(oldest as f64 / 1_000.0);
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
        let wanted = |webhook: &&Arc<Webhook>| match &webhook.condition {
            None => true,
            Some(condition) => condition.holds(payload.get_or_init(|| event.payload())),
        };
        let mut matching = snapshot.matching(event.kind(), event.project()).filter(wanted);
        let (mut search, mut found) = (trace.matching(), 0);
        let (mut deliveries, mut all_held) = (FuturesUnordered::new(), true);
        loop {
            // Once one could not be handed over, the message comes again with all of them.
            while all_held
                && deliveries.len() < FAN_OUT
                && let Some(webhook) = matching.next()
            {
                found += 1;
                deliveries.push(self.deliver(Task {
                    rules: &rules,
                    event: &event,
                    delivery: DeliveryId::derive(event.id(), webhook.id.as_str()),
                    webhook,
                    session: &message.session,
                    trace: &trace,
                    published_ms,
                    first_attempt_ms: None,
                    attempts: 0,
                    earlier_attempts: 0,
                    once: None,
                    last: None,
                }));
            }
            // Short of the bound, there are no more of them.
            if deliveries.len() < FAN_OUT {
                spans::matched(search.take(), found);
            }
            match deliveries.next().await {
                Some(held) => all_held &= held.is_ok(),
                None => break,
            }
        }
        if all_held {
            message.settlement.done();
        }
    }

    async fn take_parked(&self, message: IncomingParked) {
        let IncomingParked { parked, settlement, session } = message;
        let now = now_ms();
        let held = if parked.due_ms > now {
            session.park(&parked, now).await
        } else {
            self.go_on(&parked, &session, now).await
        };
        if held.is_ok() {
            settlement.done();
        }
    }

    /// A parked delivery whose delay is over.
    async fn go_on(
        &self,
        parked: &Parked,
        session: &Session,
        now: i64,
    ) -> Result<(), PublishError> {
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
            // Time that was only spent being postponed does not count towards giving up.
            first_attempt_ms: (parked.attempts > 0).then_some(parked.first_attempt_ms),
            attempts: parked.attempts,
            earlier_attempts: parked.earlier_attempts.min(parked.attempts),
            once: parked.once,
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
    ) -> Result<(), PublishError> {
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
            return Ok(());
        }
        let due_ms = now.saturating_add(duration_ms(UNKNOWN));
        session.park(&Parked { parked_ms: now, due_ms, ..parked.clone() }, now).await
    }

    /// One delivery: attempt it if it may go now, and hand over what is left to be done.
    async fn deliver(&self, task: Task<'_>) -> Result<(), PublishError> {
        if task.session.is_lost() {
            // An attempt now would only be a repeat of the one that comes with the next session.
            return Err(PublishError::Over);
        }
        if !(task.webhook.enabled || task.once.is_some()) {
            return self.keep(&task).await;
        }
        let limit = task.webhook.max_in_flight.unwrap_or(task.rules.webhook_max_in_flight);
        let Some(slot) = self.gate.pass(&task.webhook.id, limit) else {
            return self.postpone(&task, WEBHOOK_IN_FLIGHT).await;
        };
        let Ok(permit) = self.in_flight.try_acquire() else {
            return self.postpone(&task, IN_FLIGHT).await;
        };
        let started = now_ms();
        let span = task.trace.attempt(&task);
        let made = self.attempt(&task, span.as_ref()).await;
        drop((slot, permit));
        if task.attempts == 0 && !matches!(made.outcome, Outcome::NotSent(_)) {
            self.metrics.first_attempt(started.saturating_sub(task.published_ms));
        }
        match &made.outcome {
            Outcome::Delivered(_) => {
                let now = now_ms();
                let latency_ms = now.saturating_sub(task.published_ms);
                let retried = task.attempts > 0;
                self.metrics.delivered(task.webhook.id.as_str(), latency_ms, retried);
                self.health.succeeded(&task.webhook.id, now);
                self.report_attempt(&task, started, &made, Following::Delivered);
                spans::attempted(span, &made, Following::Delivered, now);
                Ok(())
            }
            Outcome::NotSent(bound) => {
                spans::attempted(span, &made, Following::Retry(started), started);
                self.postpone(&task, bound.as_str()).await
            }
            Outcome::Failed(failure) => {
                let kind = failure.kind.to_string();
                let failed = Task {
                    first_attempt_ms: Some(task.first_attempt_ms.unwrap_or(started)),
                    attempts: task.attempts.saturating_add(1),
                    last: Some(Last { kind: &kind, detail: &failure.detail }),
                    ..task
                };
                let now = now_ms();
                let (next, held) = self.failed(&failed, failure, now).await;
                spans::attempted(span, &made, next, now);
                self.report_attempt(&task, started, &made, next);
                held
            }
        }
    }

    async fn attempt(&self, task: &Task<'_>, span: Option<&Span>) -> Attempted {
        let _in_flight = self.metrics.in_flight();
        let trace = span.map(Span::context).or_else(|| task.trace.context());
        let request = Request {
            webhook: task.webhook,
            event: task.event,
            delivery: &task.delivery,
            attempt: task.attempts.saturating_add(1),
            trace: trace.filter(|_| task.rules.propagate_trace),
        };
        self.sender.attempt(&request).await
    }

    /// Hands over what follows from a failed attempt, and says what that is.
    async fn failed(
        &self,
        task: &Task<'_>,
        failure: &delivery::Failure,
        now: i64,
    ) -> (Following, Result<(), PublishError>) {
        let kind = task.last.map_or("", |last| last.kind);
        match task.once {
            Some(Once::Beside) => {
                self.metrics.outcome(task.webhook.id.as_str(), "failed", kind);
                return (Following::Retry(now), Ok(()));
            }
            Some(Once::Test) => {
                self.metrics.dropped(TEST);
                return (Following::Dropped, Ok(()));
            }
            None => {}
        }
        self.health.failed(&task.webhook.id, now);
        let (next, held) = match self.next(task, now, failure) {
            Next::Retry(delay) => {
                self.metrics.outcome(task.webhook.id.as_str(), "failed", kind);
                tracing::debug!(
                    webhook.id = task.webhook.id.as_str(),
                    event.id = task.event.id().as_str(),
                    attempt = task.attempts,
                    failure = kind,
                    again_in_s = delay.as_secs(),
                    trace_id = task.trace.id().map(display),
                    span_id = task.trace.span_id().map(display),
                    "an attempt failed: {}",
                    failure.detail
                );
                let due = now.saturating_add(duration_ms(delay));
                (Following::Retry(due), self.park(task, now, delay, kind).await)
            }
            Next::GiveUp => (Following::Dead(GAVE_UP), self.bury_task(task, GAVE_UP, kind).await),
            Next::Disable => {
                let Webhook { id, url, .. } = task.webhook;
                (self.tell)(Report::Gone { webhook: id.clone(), url: url.clone() });
                (Following::Dead(GONE), self.bury_task(task, GONE, kind).await)
            }
        };
        // What could not be handed over comes again with its message.
        if held.is_ok() { (next, held) } else { (Following::Retry(now), held) }
    }

    fn next(&self, task: &Task<'_>, now: i64, failure: &delivery::Failure) -> Next {
        let policy = task.webhook.retry.as_ref().unwrap_or(&task.rules.retry);
        let elapsed = now.saturating_sub(task.first_attempt_ms.unwrap_or(now));
        let elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or_default());
        let attempts = task.attempts.saturating_sub(task.earlier_attempts);
        retry::next(policy, attempts, elapsed, failure)
    }

    /// The webhook is disabled: the delivery is a dead letter until people decide about it.
    async fn keep(&self, task: &Task<'_>) -> Result<(), PublishError> {
        // What was tried before is a failure that people may want to send again, whatever is kept.
        if !task.webhook.keep_while_disabled && task.attempts == 0 {
            self.metrics.dropped(DISABLED);
            (self.tell)(Report::Attempt(task.without_attempt(now_ms(), Following::Dropped)));
            return Ok(());
        }
        self.bury_task(task, DISABLED, "the webhook is disabled").await?;
        (self.tell)(Report::Attempt(task.without_attempt(now_ms(), Following::Dead(DISABLED))));
        Ok(())
    }

    fn report_attempt(&self, task: &Task<'_>, at_ms: i64, made: &Attempted, next: Following) {
        (self.tell)(Report::Attempt(task.report(at_ms, made, next)));
    }

    async fn bury_task(
        &self,
        task: &Task<'_>,
        reason: &'static str,
        failure: &str,
    ) -> Result<(), PublishError> {
        let now = now_ms();
        let mut parked = task.parked(now, now);
        let span = task.trace.hand_over(&mut parked, Handing::Buried(reason));
        let held = self.bury(&parked, task.session, reason, failure).await;
        spans::handed_over(span, &held);
        held
    }

    /// Waits in the broker without counting as an attempt.
    async fn postpone(&self, task: &Task<'_>, why: &'static str) -> Result<(), PublishError> {
        self.metrics.postponed.with_label_values(&[why]).inc();
        self.park(task, now_ms(), POSTPONE, why).await
    }

    async fn park(
        &self,
        task: &Task<'_>,
        now: i64,
        delay: Duration,
        why: &str,
    ) -> Result<(), PublishError> {
        let mut parked = task.parked(now, now.saturating_add(duration_ms(delay)));
        let span = task.trace.hand_over(&mut parked, Handing::Parked(why));
        let held = task.session.park(&parked, now).await;
        spans::handed_over(span, &held);
        held?;
        self.backlog.parked(parked.first_attempt_ms, parked.due_ms);
        Ok(())
    }

    async fn bury(
        &self,
        parked: &Parked,
        session: &Session,
        reason: &'static str,
        failure: &str,
    ) -> Result<(), PublishError> {
        session.bury(parked, reason, now_ms()).await?;
        // What came back from the broker may have been written by anybody.
        let kind = parked.last_failure.as_deref().and_then(FailureKind::parse);
        let kind = kind.map_or(reason.to_owned(), |kind| kind.to_string());
        self.metrics.outcome(&parked.webhook, "dead", &kind);
        // Those of a disabled webhook are as many as its events; that it is disabled was told.
        if reason != DISABLED {
            let trace = parked.traceparent.as_ref();
            tracing::warn!(
                webhook.id = &*parked.webhook,
                event.id = &*parked.event,
                attempts = parked.attempts,
                reason,
                trace_id = trace.map(|trace| display(trace.trace())),
                span_id = trace.map(|trace| display(trace.span())),
                "a delivery is dead: {failure}"
            );
        }
        Ok(())
    }

    /// It has our headers, but its body is no event: somebody else wrote it.
    async fn reject_parked(
        &self,
        parked: &Parked,
        session: &Session,
        now: i64,
        detail: &str,
    ) -> Result<(), PublishError> {
        let reason = MALFORMED;
        session.reject_parked(parked, Rejected { reason, detail, at_ms: now }).await?;
        self.rejected(reason, &parked.event, detail, parked.traceparent.as_ref());
        Ok(())
    }

    async fn reject(&self, message: IncomingEvent, mut trace: Trace, reason: &str, detail: &str) {
        trace.is_rejected(reason, detail);
        let message_id = message.message_id().map(str::to_owned);
        let IncomingEvent { body, properties, settlement, session } = message;
        let rejected = Rejected { reason, detail, at_ms: now_ms() };
        if session.reject(&body, &properties, rejected).await.is_ok() {
            let id = message_id.as_deref().unwrap_or_default();
            self.rejected(reason, id, detail, trace.context());
            settlement.done();
        }
    }

    fn rejected(&self, reason: &str, event: &str, detail: &str, trace: Option<&TraceContext>) {
        self.metrics.events_rejected.with_label_values(&[reason]).inc();
        if let Some(untold) = self.rejections.tell() {
            tracing::warn!(
                event.id = event,
                reason,
                untold,
                trace_id = trace.map(|trace| display(trace.trace())),
                span_id = trace.map(|trace| display(trace.span())),
                "a message was rejected: {detail}"
            );
        }
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

fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
