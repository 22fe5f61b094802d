//! What follows where a delivery does not go or does not end well: it waits in the broker, it is a
//! dead letter, or what stood for it is rejected.

use std::time::Duration;

use broker::{IncomingEvent, Once, Parked, PublishError, Rejected, Session};
use delivery::FailureKind;
use event::TraceContext;
use subscriptions::{RetryPolicy, Webhook};

use super::{Parts, duration_ms};
use crate::clock::now_ms;
use crate::gate::Bound;
use crate::metrics::{DISABLED, GAVE_UP, GONE, MALFORMED, TEST};
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
        let attempts = task.attempts.saturating_sub(task.earlier_attempts);
        retry::next(policy(task), attempts, elapsed(task, now), failure)
    }

    /// The gate lets it wait; what was tried already is given up all the same when its time is over,
    /// as if it had been tried again.
    pub(super) async fn hold_back(
        &self,
        task: &Task<'_>,
        bound: Bound,
        wait: Duration,
    ) -> Result<(), PublishError> {
        let now = now_ms();
        let tried = task.attempts > task.earlier_attempts && task.once.is_none();
        let left = tried.then(|| policy(task).give_up_after().saturating_sub(elapsed(task, now)));
        if left.is_some_and(|left| left.is_zero()) {
            let failure = task.last.map_or("", |last| last.kind);
            self.bury_task(task, GAVE_UP, failure).await?;
            (self.tell)(Report::Attempt(task.without_attempt(now, Following::Dead(GAVE_UP))));
            return Ok(());
        }
        self.postpone(task, bound.as_str(), left.map_or(wait, |left| wait.min(left))).await
    }

    /// The webhook is disabled: the delivery is a dead letter until people decide about it.
    pub(super) async fn keep(&self, task: &Task<'_>) -> Result<(), PublishError> {
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
    pub(super) async fn postpone(
        &self,
        task: &Task<'_>,
        why: &'static str,
        wait: Duration,
    ) -> Result<(), PublishError> {
        self.metrics.postponed.with_label_values(&[why]).inc();
        self.park(task, now_ms(), wait, why).await
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
    pub(super) async fn reject_parked(
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

fn policy<'a>(task: &Task<'a>) -> &'a RetryPolicy {
    task.webhook.retry.as_ref().unwrap_or(&task.rules.retry)
}

/// The time since its first attempt began.
fn elapsed(task: &Task<'_>, now: i64) -> Duration {
    let elapsed = now.saturating_sub(task.first_attempt_ms.unwrap_or(now));
    Duration::from_millis(u64::try_from(elapsed).unwrap_or_default())
}
