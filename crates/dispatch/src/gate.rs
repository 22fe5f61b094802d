//! May this webhook have one more attempt now?
//!
//! Counts the attempts in flight per webhook. A webhook at its limit gets `None`, and the delivery
//! waits in the broker; so one slow receiver cannot fill the prefetch window. An entry exists only
//! while something is in flight: memory is bounded by what is in flight, and a webhook that is
//! deleted leaves nothing behind.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use subscriptions::WebhookId;

/// Attempts in flight, by webhook.
#[derive(Default)]
pub(crate) struct Gate {
    in_flight: Mutex<HashMap<WebhookId, u32>>,
}

/// One attempt's place; given up when dropped.
pub(crate) struct Slot<'a> {
    gate: &'a Gate,
    webhook: &'a WebhookId,
}

impl Gate {
    /// A place for one more attempt, unless `limit` are in flight already.
    pub(crate) fn pass<'a>(
        &'a self,
        webhook: &'a WebhookId,
        limit: NonZeroU32,
    ) -> Option<Slot<'a>> {
        let mut in_flight = self.lock();
        match in_flight.get_mut(webhook) {
            Some(count) if *count >= limit.get() => return None,
            Some(count) => *count += 1,
            None => {
                in_flight.insert(webhook.clone(), 1);
            }
        }
        Some(Slot { gate: self, webhook })
    }

    /// The counts are whole after every statement, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, u32>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.gate.lock();
        if let Some(count) = in_flight.get_mut(self.webhook) {
            *count -= 1;
            if *count == 0 {
                in_flight.remove(self.webhook);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_webhook_is_refused_and_others_are_not() {
        let gate = Gate::default();
        let two = NonZeroU32::new(2).unwrap();
        let [busy, other] = ["whk_busy", "whk_other"].map(|id| WebhookId::try_new(id).unwrap());
        let first = gate.pass(&busy, two);
        let second = gate.pass(&busy, two);
        assert!(first.is_some() && second.is_some());
        assert!(gate.pass(&busy, two).is_none());
        assert!(gate.pass(&other, two).is_some());
        drop(first);
        assert!(gate.pass(&busy, two).is_some());
        drop(second);
        assert!(gate.lock().is_empty());
    }
}
