//! A dead letter as its headers tell of it, and which of them are meant.
//!
//! Anybody with the right to publish may have written what lies in the dead queue: what is no
//! delivery of ours is shown as [`MALFORMED`], with whatever can be read of it.

use std::collections::BTreeSet;

use event::{DeliveryId, EventId};
use lapin::BasicProperties;

use crate::envelope::Dead;

/// The reason that is told of a message in the dead queue that is no delivery.
pub const MALFORMED: &str = "malformed";

/// The longest text of a letter that is kept while it is listed, in bytes: many are held at a time.
const TEXT_MAX: usize = 256;

/// A delivery that was given up, as the dead queue holds it; its body stays there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The delivery's id.
    pub delivery: String,
    /// The webhook that it was for.
    pub webhook: String,
    /// The event's id.
    pub event: String,
    /// The event's type.
    pub kind: String,
    /// Why it was given up: `gave_up`, `gone`, `disabled`; [`MALFORMED`] of what is no delivery,
    /// which can be dropped and not be sent again.
    pub reason: String,
    /// Attempts made.
    pub attempts: u32,
    /// When the event was published, ms since 1970.
    pub published_ms: i64,
    /// When it was given up, ms since 1970.
    pub dead_ms: i64,
    /// The failure kind of the last attempt.
    pub last_failure: Option<String>,
    /// A line about it.
    pub last_failure_detail: Option<String>,
}

/// Which dead letters are meant: those that fit every part that is given.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// Of this webhook.
    pub webhook: Option<String>,
    /// Of this event type.
    pub kind: Option<String>,
    /// Given up for this reason.
    pub reason: Option<String>,
    /// Given up at or after this time, ms since 1970.
    pub since_ms: Option<i64>,
    /// Given up before this time, ms since 1970.
    pub until_ms: Option<i64>,
    /// These deliveries.
    pub deliveries: Option<BTreeSet<String>>,
}

impl DeadLetter {
    /// Reads what can be read.
    pub(crate) fn read(properties: &BasicProperties, body: &[u8]) -> Self {
        let dead = Dead::read(properties).ok();
        let letter = dead.as_ref().and_then(Self::of);
        letter.unwrap_or_else(|| Self::malformed(properties, body))
    }

    /// Whether it is a delivery that can be sent again.
    pub(crate) fn is_delivery(&self) -> bool {
        self.reason != MALFORMED
    }

    fn of(dead: &Dead) -> Option<Self> {
        let parked = &dead.parked;
        let event = EventId::try_new(&parked.event).ok()?;
        Some(Self {
            delivery: DeliveryId::derive(&event, &parked.webhook).to_string(),
            webhook: short(&parked.webhook),
            event: short(&parked.event),
            kind: short(&parked.kind),
            reason: short(&dead.reason),
            attempts: parked.attempts,
            published_ms: parked.published_ms,
            dead_ms: dead.at_ms,
            last_failure: parked.last_failure.as_deref().map(short),
            last_failure_detail: parked.last_failure_detail.as_deref().map(short),
        })
    }

    /// Its id is made of what it holds, so that it can be named to be dropped.
    fn malformed(properties: &BasicProperties, body: &[u8]) -> Self {
        let event = properties.message_id().as_ref().map(|id| short(id.as_str()));
        let of_body = EventId::of_body(body);
        let named = event.as_deref().and_then(|id| EventId::try_new(id).ok()).unwrap_or(of_body);
        Self {
            delivery: DeliveryId::derive(&named, MALFORMED).to_string(),
            webhook: String::new(),
            event: event.unwrap_or_default(),
            kind: properties.kind().as_ref().map(|kind| short(kind.as_str())).unwrap_or_default(),
            reason: MALFORMED.to_owned(),
            attempts: 0,
            published_ms: 0,
            dead_ms: 0,
            last_failure: None,
            last_failure_detail: None,
        }
    }
}

impl DeadFilter {
    /// Whether this letter is meant.
    #[must_use]
    pub fn fits(&self, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, text: &String| wanted.as_ref().is_none_or(|w| w == text);
        is(&self.webhook, &letter.webhook)
            && is(&self.kind, &letter.kind)
            && is(&self.reason, &letter.reason)
            && self.since_ms.is_none_or(|since| letter.dead_ms >= since)
            && self.until_ms.is_none_or(|until| letter.dead_ms < until)
            && self.deliveries.as_ref().is_none_or(|ids| ids.contains(&letter.delivery))
    }
}

fn short(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_MAX)].to_owned()
}
