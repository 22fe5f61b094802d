//! What follows where a delivery does not go or does not end well: it waits in the broker, it is a
//! dead letter, or what stood for it is rejected.

use std::time::Duration;

use broker::{Held, IncomingEvent, Once, Parked, PublishError, Rejected, SHORTEST_DELAY, Session};
use delivery::FailureKind;
use event::TraceContext;
use subscriptions::{RetryPolicy, Webhook};

use super::{POSTPONE, Parts, duration_ms};
use crate::clock::now_ms;
use crate::gate::Bound;
use crate::life::{self, Discharged, Dying, Life, Owed, Stage, Waiting};
use crate::metrics::{DISABLED, MALFORMED, TEST};
use crate::report::{Following, Report};
use crate::retry::{self, Next};
use crate::spans::{self, Handing, Trace};
use crate::task::Task;

impl Parts {
    /// Hands over what follows from a failed attempt, and says what that is.
    pub(super) async fn failed(
        &self,
        task: &Task<'_>,
        failure: &delivery::Failure,
        now: i64,
    ) -> (Following, Result<Discharged, PublishError>) {
        let kind = task.last.map_or("", |last| last.kind);
        if task.life.once.is_none() {
            self.health.failed(&task.webhook.id, now);
        }
        let next = self.next(task, now, failure);
        let (following, ended) = match task.life.failed(next) {
            Owed::Nothing(nothing) => (self.failed_once(task, kind, now), Ok(nothing)),
            Owed::Wait(waiting) => {
                let delay = next.delay();
                self.metrics.outcome(task.webhook.id.as_str(), "failed", kind);
                tracing::debug!(
                    webhook.id = task.webhook.id.as_str(),
                    event.id = task.event.id().as_str(),
                    attempt = task.life.attempts,
                    failure = kind,
                    again_in_s = delay.as_secs(),
                    trace_id = task.trace.id().map(display),
                    span_id = task.trace.span_id().map(display),
                    "an attempt failed: {}",
                    failure.detail
                );
                let due = now.saturating_add(duration_ms(delay));
                (Following::Retry(due), self.park(task, waiting, now, delay, kind).await)
            }
            Owed::Dead(dying) => {
                if next == Next::Disable {
                    let Webhook { id, url, .. } = task.webhook;
                    (self.tell)(Report::Gone { webhook: id.clone(), url: url.clone() });
                }
                let following = Following::Dead(dying.reason());
                (following, self.bury_task(task, dying, kind).await)
            }
        };
        // What could not be handed over comes again with its message.
        if ended.is_ok() { (following, ended) } else { (Following::Retry(now), ended) }
    }

    /// What follows from the failure of what is attempted once.
    fn failed_once(&self, task: &Task<'_>, kind: &str, now: i64) -> Following {
        match task.life.once {
            Some(Once::Test) => {
                self.metrics.dropped(TEST);
                Following::Dropped
            }
            Some(Once::Beside) | None => {
                self.metrics.outcome(task.webhook.id.as_str(), "failed", kind);
                Following::Retry(now)
            }
        }
    }

    fn next(&self, task: &Task<'_>, now: i64, failure: &delivery::Failure) -> Next {
        let attempts = task.life.attempts_of_schedule();
        retry::next(policy(task), attempts, elapsed(task, now), failure)
    }

    /// The gate lets it wait, no longer than it is tried at all.
    pub(super) async fn hold_back(
        &self,
        task: &Task<'_>,
        bound: Bound,
        wait: Duration,
    ) -> Result<Discharged, PublishError> {
        let wait = wait.max(SHORTEST_DELAY);
        let tried = task.life.stage() == Stage::Retried;
        let left = || policy(task).give_up_after().saturating_sub(elapsed(task, now_ms()));
        let left = tried.then(left);
        let owed = task.life.held_back(left.is_some_and(|left| left.is_zero()));
        let wait = left.map_or(wait, |left| wait.min(left));
        let failure = task.last.map_or("", |last| last.kind);
        self.without_attempt(task, owed, (bound.as_str(), wait), failure).await
    }

    /// The webhook is disabled: the delivery is a dead letter until people decide about it.
    pub(super) async fn keep(&self, task: &Task<'_>) -> Result<Discharged, PublishError> {
        let owed = task.life.disabled(task.webhook.keep_while_disabled);
        self.without_attempt(task, owed, (DISABLED, POSTPONE), "the webhook is disabled").await
    }

    /// Does what is owed where no attempt was made, and tells of it where that is the end. Where it
    /// is to wait, that is for this long.
    async fn without_attempt(
        &self,
        task: &Task<'_>,
        owed: Owed,
        (why, wait): (&'static str, Duration),
        failure: &str,
    ) -> Result<Discharged, PublishError> {
        let (following, discharged) = match owed {
            Owed::Wait(waiting) => return self.postpone(task, waiting, why, wait).await,
            Owed::Nothing(nothing) => {
                self.metrics.dropped(why);
                (Following::Dropped, nothing)
            }
            Owed::Dead(dying) => {
                let following = Following::Dead(dying.reason());
                (following, self.bury_task(task, dying, failure).await?)
            }
        };
        (self.tell)(Report::Attempt(task.without_attempt(now_ms(), following)));
        Ok(discharged)
    }

    async fn bury_task(
        &self,
        task: &Task<'_>,
        dying: Dying,
        failure: &str,
    ) -> Result<Discharged, PublishError> {
        let now = now_ms();
        let reason = dying.reason();
        let mut parked = task.parked(now, now);
        let span = task.trace.hand_over(&mut parked, Handing::Buried(reason));
        let held = self.bury(&parked, task.session, reason, failure).await;
        spans::handed_over(span, &held);
        Ok(dying.confirmed(&held?))
    }

    /// Waits in the broker without counting as an attempt.
    pub(super) async fn postpone(
        &self,
        task: &Task<'_>,
        waiting: Waiting,
        why: &'static str,
        wait: Duration,
    ) -> Result<Discharged, PublishError> {
        self.metrics.postponed.with_label_values(&[why]).inc();
        self.park(task, waiting, now_ms(), wait, why).await
    }

    async fn park(
        &self,
        task: &Task<'_>,
        waiting: Waiting,
        now: i64,
        delay: Duration,
        why: &str,
    ) -> Result<Discharged, PublishError> {
        let mut parked = task.parked(now, now.saturating_add(duration_ms(delay)));
        let span = task.trace.hand_over(&mut parked, Handing::Parked(why));
        let held = task.session.park(&parked, now).await;
        spans::handed_over(span, &held);
        let discharged = waiting.confirmed(&held?);
        self.backlog.parked(parked.first_attempt_ms, parked.due_ms);
        Ok(discharged)
    }

    /// Has a delivery that came back wait on, as it is.
    pub(super) async fn put_back(
        &self,
        parked: &Parked,
        session: &Session,
        now: i64,
    ) -> Result<Discharged, PublishError> {
        let waiting = Life::of(parked).put_off();
        Ok(waiting.confirmed(&session.park(parked, now).await?))
    }

    async fn bury(
        &self,
        parked: &Parked,
        session: &Session,
        reason: &'static str,
        failure: &str,
    ) -> Result<Held, PublishError> {
        let held = session.bury(parked, reason, now_ms()).await?;
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
        Ok(held)
    }

    /// It has our headers, but its body is no event: somebody else wrote it.
    pub(super) async fn reject_parked(
        &self,
        parked: &Parked,
        session: &Session,
        now: i64,
        detail: &str,
    ) -> Result<Discharged, PublishError> {
        let reason = MALFORMED;
        let rejected = Rejected { reason, detail, at_ms: now };
        let held = session.reject_parked(parked, rejected).await?;
        self.rejected(reason, &parked.event, detail, parked.traceparent.as_ref());
        Ok(life::no_event().confirmed(&held))
    }

    pub(super) async fn reject(
        &self,
        message: IncomingEvent,
        mut trace: Trace,
        reason: &str,
        detail: &str,
    ) {
        trace.is_rejected(reason, detail);
        let message_id = message.message_id().map(str::to_owned);
        let IncomingEvent { body, properties, settlement, session } = message;
        let rejected = Rejected { reason, detail, at_ms: now_ms() };
        let held = session.reject(&body, &properties, rejected).await;
        if held.is_ok() {
            let id = message_id.as_deref().unwrap_or_default();
            self.rejected(reason, id, detail, trace.context());
        }
        life::settle_one(settlement, held.map(|held| life::no_event().confirmed(&held)));
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

fn policy<'a>(task: &Task<'a>) -> &'a RetryPolicy {
    task.webhook.retry.as_ref().unwrap_or(&task.rules.retry)
}

/// The time since its first attempt began.
fn elapsed(task: &Task<'_>, now: i64) -> Duration {
    let elapsed = now.saturating_sub(task.life.first_attempt_ms.unwrap_or(now));
    Duration::from_millis(u64::try_from(elapsed).unwrap_or_default())
}
