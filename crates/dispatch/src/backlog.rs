//! How old the oldest delivery is that this replica parked and that still waits.
//!
//! The broker does not tell without consuming. But every waiting delivery was last parked by
//! exactly one replica, which knows when it is due: it keeps, for each minute of due time, the
//! earliest first attempt. A minute that has passed is forgotten; what came back and failed again
//! has been entered anew. The maximum over all replicas is the true age, except for what was parked
//! by a process that has ended since. Bounded by the longest delay: a day of minutes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

const MINUTE_MS: i64 = 60_000;

/// Minutes of the longest delay, a day, and one begun at either end.
const MINUTES_MAX: usize = 24 * 60 + 2;

/// Earliest first attempt, by minute of the due time.
#[derive(Default)]
pub(crate) struct Backlog(Mutex<BTreeMap<i64, i64>>);

impl Backlog {
    /// A delivery first attempted at `first_ms` waits until `due_ms`.
    pub(crate) fn parked(&self, first_ms: i64, due_ms: i64) {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.len() >= MINUTES_MAX {
            // Nobody asked for the age in more than a day.
            minutes.pop_first();
        }
        let earliest = minutes.entry(due_ms / MINUTE_MS).or_insert(first_ms);
        *earliest = first_ms.min(*earliest);
    }

    /// Milliseconds since the first attempt of the oldest waiting delivery; 0 if none waits.
    pub(crate) fn oldest_age_ms(&self, now_ms: i64) -> i64 {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *minutes = minutes.split_off(&(now_ms / MINUTE_MS));
        minutes.values().min().map_or(0, |first_ms| (now_ms - first_ms).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_still_waits() {
        let backlog = Backlog::default();
        assert_eq!(backlog.oldest_age_ms(0), 0);
        backlog.parked(1_000, 2 * MINUTE_MS);
        backlog.parked(5_000, 2 * MINUTE_MS + 1);
        backlog.parked(9_000, 9 * MINUTE_MS);
        assert_eq!(backlog.oldest_age_ms(10_000), 9_000);
        assert_eq!(backlog.oldest_age_ms(3 * MINUTE_MS), 3 * MINUTE_MS - 9_000);
        assert_eq!(backlog.oldest_age_ms(10 * MINUTE_MS), 0);
    }
}
