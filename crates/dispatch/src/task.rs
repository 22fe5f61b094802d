//! One delivery on its way, and how it is told to others: to the broker, and to who keeps a log.

use std::sync::Arc;

use broker::{Parked, Session};
use delivery::{Attempted, Outcome};
use event::{DeliveryId, Event};
use subscriptions::Webhook;

use crate::flow::Rules;
use crate::life::Life;
use crate::report::{AttemptReport, Following};
use crate::spans::Trace;

/// An event, a webhook, and what was tried before.
pub(crate) struct Task<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) event: &'a Arc<Event>,
    pub(crate) delivery: DeliveryId,
    pub(crate) webhook: &'a Webhook,
    pub(crate) session: &'a Session,
    pub(crate) trace: &'a Trace,
    pub(crate) published_ms: i64,
    pub(crate) life: Life,
    pub(crate) last: Option<Last<'a>>,
}

/// Why a delivery waits or ends without success.
#[derive(Clone, Copy)]
pub(crate) struct Last<'a> {
    pub(crate) kind: &'a str,
    pub(crate) detail: &'a str,
}

impl Task<'_> {
    /// What another replica needs to go on with this.
    pub(crate) fn parked(&self, now: i64, due_ms: i64) -> Parked {
        let Life { attempts, earlier_attempts, once, first_attempt_ms } = self.life;
        Parked {
            webhook: self.webhook.id.as_str().into(),
            event: self.event.id().as_str().into(),
            kind: self.event.kind().as_str().into(),
            body: self.event.body().clone(),
            attempts,
            earlier_attempts,
            once,
            published_ms: self.published_ms,
            first_attempt_ms: first_attempt_ms.unwrap_or(now),
            parked_ms: now,
            due_ms,
            last_failure: self.last.map(|last| last.kind.into()),
            last_failure_detail: self.last.map(|last| last.detail.into()),
            traceparent: self.trace.context().cloned(),
        }
    }

    /// The attempt that was made after `self.life.attempts` others, begun at `at_ms`.
    pub(crate) fn report(&self, at_ms: i64, made: &Attempted, next: Following) -> AttemptReport {
        let (failure, response) = match &made.outcome {
            Outcome::Delivered(response) => (None, Some(response)),
            Outcome::Failed(failure) => (Some(failure), failure.response.as_ref()),
            Outcome::NotSent(_) => (None, None),
        };
        AttemptReport {
            attempt: self.life.next_attempt(),
            attempts: self.life.next_attempt(),
            duration: made.duration,
            status: response.map(|response| response.status),
            failure: failure.map(|failure| failure.kind),
            detail: failure.map(|failure| failure.detail.clone()),
            response: response.map(|response| response.excerpt.clone()).unwrap_or_default(),
            signatures: made.signatures.clone(),
            ..self.without_attempt(at_ms, next)
        }
    }

    /// It came to its end, or goes on, without an attempt.
    pub(crate) fn without_attempt(&self, at_ms: i64, next: Following) -> AttemptReport {
        let (webhook, event) = (self.webhook.id.clone(), Arc::clone(self.event));
        AttemptReport {
            published_ms: self.published_ms,
            attempts: self.life.attempts,
            trace: self.trace.id(),
            ..AttemptReport::without_attempt(self.delivery, webhook, event, at_ms, next)
        }
    }
}
