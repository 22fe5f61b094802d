//! What slow receivers may hold together, so that some places are always left for the others.
//!
//! What a slow receiver holds it holds for long, and an event's message is unsettled as long as one
//! of its attempts is under way: slow receivers could use up all places, and the prefetch, too. So
//! they hold half of them at most (Nygard, "Release It!", 2007, "Bulkheads").
//!
//! Not here: who is slow.

use std::time::Duration;

use tokio::time::Instant;

/// How often, while half of all places are taken, it is looked who has become slow.
const LOOK: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(super) struct Bulkhead {
    places: u32,
    in_flight: u32,
    /// Of those, the attempts of webhooks that are taken for slow.
    slow: u32,
    looked: Option<Instant>,
}

impl Bulkhead {
    pub(super) fn new(places: usize) -> Self {
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        Self { places, in_flight: 0, slow: 0, looked: None }
    }

    /// Whether half of all places are taken.
    pub(super) fn is_pressed(&self) -> bool {
        self.in_flight >= self.places / 2
    }

    /// Whether it is time to look who has become slow.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.is_pressed()
            && self.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK);
        if due {
            self.looked = Some(now);
        }
        due
    }

    /// The places that slow webhooks may take yet.
    pub(super) fn room(&self) -> u32 {
        (self.places / 2).saturating_sub(self.slow)
    }

    /// An attempt begins, of a webhook that is slow or not.
    pub(super) fn begin(&mut self, slow: bool) {
        self.in_flight += 1;
        self.slow += u32::from(slow);
    }

    pub(super) fn ended(&mut self, slow: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.slow = self.slow.saturating_sub(u32::from(slow));
    }

    /// A webhook with so many attempts under way has become slow, or is so no more.
    pub(super) fn turned(&mut self, slow: bool, in_flight: u32) {
        self.slow = if slow {
            self.slow.saturating_add(in_flight)
        } else {
            self.slow.saturating_sub(in_flight)
        };
    }

    /// Attempts under way, and those of slow webhooks.
    #[cfg(test)]
    pub(super) fn held(&self) -> (u32, u32) {
        (self.in_flight, self.slow)
    }
}
