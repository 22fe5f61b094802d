//! What happened, told sideways: values given to a function that the service connects.
//!
//! `dispatch` never calls a store. Whoever is told must not wait: what it has no room for it drops,
//! and counts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use delivery::{FailureKind, Signatures};
use event::{DeliveryId, Event, TraceId};
use subscriptions::{WebhookId, WebhookUrl};

/// Is told what happened, on the delivery path; returns at once.
pub type Tell = Arc<dyn Fn(Report) + Send + Sync>;

/// Something that the rest of the service may want to act on or to remember.
#[derive(Clone, Debug)]
pub enum Report {
    /// A receiver answered 410: the webhook is to be disabled, if it still leads there.
    Gone {
        /// Which webhook.
        webhook: WebhookId,
        /// Where the receiver was.
        url: WebhookUrl,
    },
    /// An attempt was made, or a delivery came to its end without one.
    Attempt(AttemptReport),
}

/// One attempt and what follows from it.
#[derive(Clone, Debug)]
pub struct AttemptReport {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its webhook.
    pub webhook: WebhookId,
    /// Its event.
    pub event: Arc<Event>,
    /// When the event was published, ms since the epoch.
    pub published_ms: i64,
    /// The attempt's number, from 1; 0 where none was made.
    pub attempt: u32,
    /// Attempts of this delivery so far, this one included.
    pub attempts: u32,
    /// When it began, ms since the epoch.
    pub at_ms: i64,
    /// How long it took.
    pub duration: Duration,
    /// The status of the response, where there was a whole one.
    pub status: Option<u16>,
    /// The failure kind; `None` where it succeeded, or none was made.
    pub failure: Option<FailureKind>,
    /// A line about the failure.
    pub detail: Option<String>,
    /// The beginning of the response.
    pub response: Bytes,
    /// What proved its origin, where something was sent.
    pub signatures: Option<Signatures>,
    /// The trace that it belongs to, where there is one.
    pub trace: Option<TraceId>,
    /// What follows.
    pub next: Following,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// Nothing: it was delivered.
    Delivered,
    /// Another attempt at this time (ms since the epoch).
    Retry(i64),
    /// It is a dead letter, for this reason.
    Dead(&'static str),
    /// Nothing, although it was not delivered: it was a test, or its webhook was deleted, or disabled
    /// without keeping its events.
    Dropped,
}

impl AttemptReport {
    /// No attempt was made, and none before; the event is taken to be as old as it says.
    pub(crate) fn without_attempt(
        delivery: DeliveryId,
        webhook: WebhookId,
        event: Arc<Event>,
        at_ms: i64,
        next: Following,
    ) -> Self {
        Self {
            delivery,
            webhook,
            published_ms: event.created_at_ms(),
            event,
            attempt: 0,
            attempts: 0,
            at_ms,
            duration: Duration::ZERO,
            status: None,
            failure: None,
            detail: None,
            response: Bytes::new(),
            signatures: None,
            trace: None,
            next,
        }
    }
}
