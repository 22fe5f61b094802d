//! Log lines about what a stranger can cause as often as they like: at most one a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(1);

/// Decides whether to tell of something, and counts what was not told.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    told: Option<Instant>,
    untold: u64,
}

impl Throttle {
    /// How many were not told since the last one that was, where this one is to be told.
    pub(crate) fn tell(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.told.is_some_and(|told| now.duration_since(told) < EVERY) {
            state.untold += 1;
            return None;
        }
        state.told = Some(now);
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_a_second_is_told_and_the_others_are_counted() {
        let throttle = Throttle::default();
        assert_eq!(throttle.tell(), Some(0));
        assert_eq!(throttle.tell(), None);
        assert_eq!(throttle.tell(), None);
        tokio::time::advance(EVERY).await;
        assert_eq!(throttle.tell(), Some(2));
        tokio::time::advance(EVERY).await;
        assert_eq!(throttle.tell(), Some(0));
    }
}
