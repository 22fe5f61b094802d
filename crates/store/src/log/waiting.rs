//! What waits for the writer, packed as it will be written: the delivery path has its own memory
//! back at once, and what waits lies side by side.
//!
//! ```text
//! attempts ─► place of the trace ───┐
//!        └──► events ─► place ──────┴─► bytes
//! ```

use std::collections::HashMap;
use std::ops::Range;

use event::EventType;
use subscriptions::WebhookId;

use crate::log::entry::{LoggedAttempt, LoggedNext};
use crate::log::id::{BuildQuick, Id};
use crate::log::packed::{pack_event, pack_trace};

/// Bytes of room that are kept for what comes next.
const KEPT: usize = 16 * 1024 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    attempts: Vec<WaitingAttempt>,
    events: Vec<WaitingEvent>,
    /// Places of events, by their hashes.
    known: HashMap<u64, usize, BuildQuick>,
    bytes: Vec<u8>,
}

/// An attempt that waits.
#[derive(Debug)]
pub(super) struct WaitingAttempt {
    pub(super) id: Id,
    pub(super) webhook: WebhookId,
    pub(super) attempt: u32,
    pub(super) at_ms: i64,
    pub(super) duration_ms: i64,
    pub(super) status: Option<u16>,
    pub(super) failure: Option<String>,
    pub(super) next: LoggedNext,
    /// The memory that it takes, with its event where that was not there before.
    cost: usize,
    event: usize,
    trace: Range<usize>,
}

/// An event of attempts that wait.
#[derive(Debug)]
pub(super) struct WaitingEvent {
    /// Of its id; nobody outside can make two ids share one.
    pub(super) hash: u64,
    pub(super) kind: EventType,
    packed: Range<usize>,
}

impl WaitingAttempt {
    /// The memory that is free again once it is written.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }
}

impl Waiting {
    /// Packs an attempt of a delivery, whose event's id has this hash; what that costs in memory.
    /// `None`, and nothing is packed, where it costs more than `room`.
    pub(super) fn push(
        &mut self,
        new: LoggedAttempt,
        id: Id,
        hash: u64,
        room: usize,
    ) -> Option<usize> {
        let known = self.known.get(&hash).copied();
        let cost = if known.is_some() { new.bytes() } else { new.bytes() + new.event_bytes() };
        if cost > room {
            return None;
        }
        let event = known.unwrap_or_else(|| {
            let packed = self.pack(|bytes| pack_event(bytes, &new.event, new.published_ms));
            let place = self.events.len();
            self.events.push(WaitingEvent { hash, kind: new.event.kind().clone(), packed });
            self.known.insert(hash, place);
            place
        });
        let trace = self.pack(|bytes| {
            pack_trace(
                bytes,
                new.signature.to_str().unwrap_or_default(),
                new.standard_signature.to_str().unwrap_or_default(),
                new.detail.as_deref(),
                &new.response,
            );
        });
        self.attempts.push(WaitingAttempt {
            id,
            webhook: new.webhook,
            attempt: new.attempt,
            at_ms: new.at_ms,
            duration_ms: i64::try_from(new.duration.as_millis()).unwrap_or(i64::MAX),
            status: new.status,
            failure: new.failure,
            next: new.next,
            cost,
            event,
            trace,
        });
        Some(cost)
    }

    /// In the order in which they came.
    pub(super) fn attempts(&self) -> &[WaitingAttempt] {
        &self.attempts
    }

    /// The event of an attempt of these.
    pub(super) fn event(&self, of: &WaitingAttempt) -> &WaitingEvent {
        &self.events[of.event]
    }

    /// An event of these as it is written.
    pub(super) fn packed(&self, event: &WaitingEvent) -> &[u8] {
        &self.bytes[event.packed.clone()]
    }

    /// What is kept of an attempt of these as it is written.
    pub(super) fn trace(&self, of: &WaitingAttempt) -> &[u8] {
        &self.bytes[of.trace.clone()]
    }

    /// Forgets all and keeps the room, unless that is much.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT {
            *self = Self::default();
            return;
        }
        self.attempts.clear();
        self.events.clear();
        self.known.clear();
        self.bytes.clear();
    }

    fn pack(&mut self, pack: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let begin = self.bytes.len();
        pack(&mut self.bytes);
        begin..self.bytes.len()
    }
}
