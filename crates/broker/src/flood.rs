//! Messages that are larger than any event: how many bytes of them are held.
//!
//! The prefetch counts messages, not bytes, and a broker takes messages of 16 MiB and more. What it
//! has begun to hand out cannot be refused but by ending the connection. A message is held from when
//! it is taken until it is settled: its [`Weight`] travels with its settlement.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Config;
use crate::session::SessionError;

/// How much canonical bodies may be longer than what was published: numbers are written out
/// (`1e20`), and the limit may have been higher when they were parked.
const PARKED_GROWTH: usize = 8;

/// Large messages that one session holds; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Flood {
    max_event_bytes: Arc<AtomicUsize>,
    most: usize,
    held: Arc<AtomicUsize>,
}

/// The bytes of one large message, until it is dropped.
#[derive(Debug)]
pub(crate) struct Weight {
    bytes: usize,
    held: Arc<AtomicUsize>,
}

impl Flood {
    pub(crate) fn new(config: &Config) -> Self {
        let max_event_bytes = Arc::clone(&config.max_event_bytes);
        Self { max_event_bytes, most: config.max_large_bytes, held: Arc::default() }
    }

    /// The weight of an event of so many bytes, where it is large.
    pub(crate) fn weigh_event(&self, bytes: usize) -> Option<Weight> {
        self.weigh(bytes, self.max_event_bytes.load(Ordering::Relaxed))
    }

    /// The weight of a parked delivery of so many bytes, where it is large.
    pub(crate) fn weigh_parked(&self, bytes: usize) -> Option<Weight> {
        let limit = self.max_event_bytes.load(Ordering::Relaxed);
        self.weigh(bytes, limit.saturating_mul(PARKED_GROWTH))
    }

    fn weigh(&self, bytes: usize, limit: usize) -> Option<Weight> {
        (bytes > limit).then(|| {
            self.held.fetch_add(bytes, Ordering::Relaxed);
            Weight { bytes, held: Arc::clone(&self.held) }
        })
    }

    /// Whether no large message is held.
    pub(crate) fn is_calm(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0
    }

    /// Whether the session can go on with what it holds.
    ///
    /// # Errors
    ///
    /// [`SessionError::Flood`] where that is too much.
    pub(crate) fn check(&self) -> Result<(), SessionError> {
        if self.held.load(Ordering::Relaxed) > self.most {
            return Err(SessionError::Flood { most: self.most });
        }
        Ok(())
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_messages_add_up_until_they_are_settled() {
        let max_event_bytes = Arc::new(AtomicUsize::new(10));
        let flood = Flood { max_event_bytes, most: 100, held: Arc::default() };
        assert!(flood.weigh_event(10).is_none() && flood.weigh_parked(80).is_none());
        assert!(flood.is_calm(), "events are no flood");
        let first = flood.weigh_event(60);
        flood.check().unwrap();
        let second = flood.weigh_parked(90);
        assert!(flood.check().is_err());
        drop(first);
        flood.check().unwrap();
        assert!(!flood.is_calm());
        drop(second);
        assert!(flood.is_calm());
    }

    #[test]
    fn a_higher_limit_counts_at_once() {
        let max_event_bytes = Arc::new(AtomicUsize::new(10));
        let limit = Arc::clone(&max_event_bytes);
        let flood = Flood { max_event_bytes, most: 100, held: Arc::default() };
        assert!(flood.weigh_event(11).is_some());
        limit.store(20, Ordering::Relaxed);
        assert!(flood.weigh_event(11).is_none());
    }
}
