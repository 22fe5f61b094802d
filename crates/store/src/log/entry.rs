//! What the delivery path says about an attempt, and how much room that takes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::{DeliveryId, Event};
use http::HeaderValue;
use subscriptions::WebhookId;

use crate::log::waiting::{WaitingAttempt, WaitingEvent};

/// An event as the log keeps it, once for all of its deliveries.
#[derive(Clone, Debug)]
pub struct LoggedEvent {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its project, if it has one.
    pub project: Option<String>,
    /// When it was published, ms since 1970.
    pub published_ms: i64,
    /// Its canonical body.
    pub body: Bytes,
}

/// One attempt, as it was made.
#[derive(Clone, Debug)]
pub struct LoggedAttempt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The webhook.
    pub webhook: WebhookId,
    /// The event, shared with whoever delivers it.
    pub event: Arc<Event>,
    /// When it was published, ms since 1970.
    pub published_ms: i64,
    /// The number of the attempt, from 1; 0 where the delivery died without one.
    pub attempt: u32,
    /// When it began, ms since 1970.
    pub at_ms: i64,
    /// How long it took.
    pub duration: Duration,
    /// The status of the response, where there was one.
    pub status: Option<u16>,
    /// The failure kind; `None` where it succeeded.
    pub failure: Option<String>,
    /// A line about the failure.
    pub detail: Option<String>,
    /// The beginning of the response, at most 4 KiB.
    pub response: Bytes,
    /// The value of `x-boottify-signature`.
    pub signature: HeaderValue,
    /// The value of `webhook-signature`.
    pub standard_signature: HeaderValue,
    /// What follows from it.
    pub next: LoggedNext,
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedNext {
    /// It was delivered.
    Delivered,
    /// It is tried again, at this time (ms since 1970).
    Retry(i64),
    /// It is a dead letter, for this reason (`gave_up`, `gone`, `disabled`).
    Dead(String),
    /// Nothing, although it failed: it was a test, attempted once.
    Dropped,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It waits for its next attempt (or was sent again and waits for the first of them).
    Waiting,
    /// A receiver took it.
    Delivered,
    /// It was given up and is among the dead letters.
    Dead,
    /// It was given up, and somebody dropped it from the dead letters; or it was a test that failed.
    Dropped,
}

impl DeliveryState {
    /// All of them, each at the place of its [`DeliveryState::number`].
    pub(super) const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Dead, Self::Dropped];

    /// As the tables hold it.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
            Self::Dropped => 3,
        }
    }

    pub(super) fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }
}

impl LoggedAttempt {
    /// The memory that it takes while it waits, about, without its event.
    pub(super) fn bytes(&self) -> usize {
        let signatures = self.signature.len() + self.standard_signature.len();
        let detail = self.detail.as_ref().map_or(0, String::len);
        size_of::<WaitingAttempt>() + signatures + detail + self.response.len()
    }

    /// The memory that its event takes while it waits, about.
    pub(super) fn event_bytes(&self) -> usize {
        let Self { event, .. } = self;
        let project = event.project().map_or(0, |project| project.as_str().len());
        size_of::<WaitingEvent>() + event.id().as_str().len() + project + event.body().len()
    }
}

impl LoggedNext {
    pub(super) fn state(&self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Delivered,
            Self::Retry(_) => DeliveryState::Waiting,
            Self::Dead(_) => DeliveryState::Dead,
            Self::Dropped => DeliveryState::Dropped,
        }
    }
}
