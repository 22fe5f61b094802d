//! The wall clock, read in one place.
//!
//! Due times outlive the process and are read by other replicas, so they are wall-clock times.
//! A clock that differs between replicas shifts a retry by that much and nothing else.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; 0 on a clock that stands before it.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
