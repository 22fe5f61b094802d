//! Since when a webhook fails and nothing else.
//!
//! A webhook is *failing* from the first failed attempt after its last success on. That is an
//! estimate of this replica: the service carries it to where all replicas look, and back. A healthy
//! webhook costs one atomic load per delivery.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subscriptions::WebhookId;

/// The failing webhooks, as far as this replica knows. Cheap to clone; bounded by the number of
/// webhooks, for only their attempts are noted and [`Health::known`] replaces all of them.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// How many are failing, so that who succeeds need not lock to learn that none is.
    failing: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when, ms since the epoch.
    failing: HashMap<WebhookId, i64>,
    /// What changed since the last [`Health::take`].
    changed: HashMap<WebhookId, Change>,
}

/// What became of a webhook: a success, and then failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// When it succeeded last, after it had failed; ms since the epoch.
    pub succeeded_ms: Option<i64>,
    /// The first and the last failure after that, ms since the epoch.
    pub failed_ms: Option<(i64, i64)>,
}

impl Health {
    /// What changed since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<(WebhookId, Change)> {
        self.state().changed.drain().collect()
    }

    /// Takes changes back that could not be carried on; newer ones stand above them.
    pub fn put_back(&self, changes: Vec<(WebhookId, Change)>) {
        let mut state = self.state();
        for (webhook, older) in changes {
            let newer = state.changed.entry(webhook).or_default();
            *newer = older.then(*newer);
        }
    }

    /// What all replicas together know: these webhooks are failing, since then. What this replica
    /// learned after its last [`Health::take`] stands above it.
    pub fn known(&self, failing: impl IntoIterator<Item = (WebhookId, i64)>) {
        let mut state = self.state();
        let mut all: HashMap<WebhookId, i64> = failing.into_iter().collect();
        for (webhook, change) in &state.changed {
            if change.succeeded_ms.is_some() {
                all.remove(webhook);
            }
            if let Some((since, _)) = change.failed_ms {
                all.entry(webhook.clone()).or_insert(since);
            }
        }
        state.failing = all;
        self.0.failing.store(state.failing.len(), Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, webhook: &WebhookId, at_ms: i64) {
        let mut state = self.state();
        let since = *state.failing.entry(webhook.clone()).or_insert(at_ms);
        let change = state.changed.entry(webhook.clone()).or_default();
        let first = change.failed_ms.map_or(since, |(first, _)| first);
        change.failed_ms = Some((first, at_ms));
        self.0.failing.store(state.failing.len(), Ordering::Relaxed);
    }

    pub(crate) fn succeeded(&self, webhook: &WebhookId, at_ms: i64) {
        if self.0.failing.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut state = self.state();
        if state.failing.remove(webhook).is_some() {
            let change = Change { succeeded_ms: Some(at_ms), failed_ms: None };
            state.changed.insert(webhook.clone(), change);
            self.0.failing.store(state.failing.len(), Ordering::Relaxed);
        }
    }

    /// Whole after every statement, so a panic elsewhere spoils nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    /// This change, and one that came after it.
    fn then(self, newer: Self) -> Self {
        if newer.succeeded_ms.is_some() {
            return newer;
        }
        let failed_ms = match (self.failed_ms, newer.failed_ms) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (older, newer) => newer.or(older),
        };
        Self { succeeded_ms: self.succeeded_ms, failed_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> WebhookId {
        WebhookId::try_new(&format!("whk_{name}")).unwrap()
    }

    fn change(succeeded_ms: Option<i64>, failed_ms: Option<(i64, i64)>) -> Change {
        Change { succeeded_ms, failed_ms }
    }

    #[test]
    fn what_happened_is_told_once_and_in_order() {
        let health = Health::default();
        health.succeeded(&id("a"), 1);
        assert!(health.take().is_empty(), "a healthy webhook is none of our business");
        health.failed(&id("a"), 2);
        health.failed(&id("a"), 3);
        assert_eq!(health.take(), [(id("a"), change(None, Some((2, 3))))]);
        // It goes on failing since then.
        health.failed(&id("a"), 4);
        health.succeeded(&id("b"), 5);
        assert_eq!(health.take(), [(id("a"), change(None, Some((2, 4))))]);
        // A success between two failures is not forgotten.
        health.succeeded(&id("a"), 6);
        health.failed(&id("a"), 7);
        assert_eq!(health.take(), [(id("a"), change(Some(6), Some((7, 7))))]);
        health.succeeded(&id("a"), 8);
        assert_eq!(health.take(), [(id("a"), change(Some(8), None))]);
    }

    #[test]
    fn what_others_know_counts_until_something_newer_is_known_here() {
        let health = Health::default();
        health.failed(&id("mine"), 5);
        health.known([(id("theirs"), 1)]);
        health.succeeded(&id("theirs"), 6);
        assert_eq!(health.take().len(), 2);
        health.known([(id("theirs"), 1), (id("mine"), 5)]);
        health.failed(&id("theirs"), 7);
        assert_eq!(health.take(), [(id("theirs"), change(None, Some((1, 7))))]);
        // A success of this moment is not undone by what was known a moment before.
        health.succeeded(&id("mine"), 8);
        health.known([(id("mine"), 5)]);
        health.failed(&id("mine"), 9);
        assert_eq!(health.take(), [(id("mine"), change(Some(8), Some((9, 9))))]);
    }

    #[test]
    fn what_could_not_be_carried_on_stands_below_what_came_after() {
        let health = Health::default();
        health.failed(&id("a"), 1);
        let taken = health.take();
        health.failed(&id("a"), 2);
        health.put_back(taken.clone());
        assert_eq!(health.take(), [(id("a"), change(None, Some((1, 2))))]);
        health.succeeded(&id("a"), 3);
        health.put_back(taken);
        assert_eq!(health.take(), [(id("a"), change(Some(3), None))]);
    }
}
