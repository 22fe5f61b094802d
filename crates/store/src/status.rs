//! How the store is doing, in numbers that can be read at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use crate::options::ReadError;

/// Written by the store, read by whoever exports or answers; no number depends on another one.
#[derive(Debug, Default)]
pub struct Status {
    pub(crate) generation: AtomicU64,
    pub(crate) webhooks: AtomicU64,
    pub(crate) enabled: AtomicU64,
    pub(crate) unopened: AtomicU64,
    pub(crate) read_at_ms: Arc<AtomicI64>,
    pub(crate) errors: AtomicU64,
    pub(crate) loaded: AtomicBool,
    pub(crate) shared: AtomicBool,
    /// What the last reading failed with.
    pub(crate) trouble: ArcSwapOption<ReadError>,
}

impl Status {
    /// Which change of the webhooks is live; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// How many webhooks are live, disabled ones among them.
    #[must_use]
    pub fn webhooks(&self) -> u64 {
        self.webhooks.load(Ordering::Relaxed)
    }

    /// How many of them are enabled.
    #[must_use]
    pub fn enabled(&self) -> u64 {
        self.enabled.load(Ordering::Relaxed)
    }

    /// How many of them cannot be opened, so that nothing is sent to them.
    #[must_use]
    pub fn unopened(&self) -> u64 {
        self.unopened.load(Ordering::Relaxed)
    }

    /// The last time at which the store was known to hold just what is live, in milliseconds since
    /// 1970; 0 before the first. It moves on as long as the store can be read, changed or not.
    #[must_use]
    pub fn read_at_ms(&self) -> i64 {
        self.read_at_ms.load(Ordering::Relaxed)
    }

    /// [`Status::read_at_ms`] for those who keep asking.
    #[must_use]
    pub fn read_at_ms_shared(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.read_at_ms)
    }

    /// How often reading the store or writing the state directory failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Whether there is a snapshot at all, from the store or saved.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Relaxed)
    }

    /// Whether the store cannot be read at present, so that an older snapshot serves (or none).
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.trouble.load().is_some()
    }

    /// Why it cannot.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<ReadError>> {
        self.trouble.load_full()
    }

    /// Whether another process has the state directory, so that this one writes nothing there.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    pub(crate) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }
}
