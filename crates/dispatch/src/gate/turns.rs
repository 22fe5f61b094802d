//! When what cannot go now comes back: each at its own turn, and not all together every second.
//!
//! Turns are given out like numbers at a counter, one behind the other at the pace at which the
//! receiver takes deliveries (virtual scheduling, as in ITU-T I.371's generic cell rate algorithm).
//! So a delivery that waits circles through the broker about once, whatever waits before it. How far
//! away a turn may be grows with the time that the delivery has waited already: a receiver that was
//! away for long is caught up with a little later, and thousands that wait for it cost little.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest wait: the broker's shortest delay.
const SHORTEST: Duration = Duration::from_millis(250);
/// How far away the turn of something new may be,
const HORIZON: Duration = Duration::from_secs(60);
/// and of anything at all.
const FARTHEST: Duration = Duration::from_secs(60 * 60);
/// What part of the time that it has waited something may have to wait once more.
const PART: u32 = 4;
/// The pace where nothing is known of the receiver.
const UNKNOWN: Duration = Duration::from_millis(50);

/// The turns of one webhook.
#[derive(Debug, Default)]
pub(super) struct Turns {
    next: Option<Instant>,
}

impl Turns {
    /// The wait until a turn of its own, for something that has waited for `age` already, where
    /// turns begin at `from` at the earliest and the receiver takes one every `pace`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        from: Instant,
        pace: Option<Duration>,
        age: Duration,
    ) -> Duration {
        let earliest = from.max(now);
        let horizon = earliest + horizon(age);
        let mut turn = self.next.map_or(earliest, |next| next.max(earliest));
        if turn > horizon {
            // A new round of turns, among those of the round before.
            turn = earliest + horizon.duration_since(earliest) / 2;
        }
        self.next = Some(turn + pace.unwrap_or(UNKNOWN));
        turn.duration_since(now).max(SHORTEST)
    }

    /// The receiver takes deliveries again: turns begin now.
    pub(super) fn restart(&mut self) {
        self.next = None;
    }

    /// Whether no turn is given out that is still to come.
    pub(super) fn is_empty(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }
}

fn horizon(age: Duration) -> Duration {
    (age / PART).clamp(HORIZON, FARTHEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn turns_come_at_the_pace_of_the_receiver() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let pace = Duration::from_secs(2);
        let waits: Vec<u64> =
            (0..5).map(|_| turns.take(now, now, Some(pace), Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [0, 2, 4, 6, 8]);
        assert!(!turns.is_empty(now));
        assert!(turns.is_empty(now + Duration::from_secs(10)));
        turns.restart();
        assert_eq!(turns.take(now, now, Some(pace), Duration::ZERO), SHORTEST);
    }

    #[test]
    fn turns_begin_when_a_probe_may_go() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let from = now + Duration::from_secs(30);
        let pace = Some(Duration::from_secs(1));
        assert_eq!(turns.take(now, from, pace, Duration::ZERO).as_secs(), 30);
        assert_eq!(turns.take(now, from, pace, Duration::ZERO).as_secs(), 31);
    }

    proptest! {
        /// A delivery of a receiver that takes nothing circles a bounded number of times an hour.
        #[test]
        fn waits_are_bounded_and_grow_with_age(
            pace_ms in 1_u64..20_000,
            before in 0_usize..5_000,
            age in 0_u64..86_400,
        ) {
            let (mut turns, now) = (Turns::default(), Instant::now());
            let (pace, age) = (Some(Duration::from_millis(pace_ms)), Duration::from_secs(age));
            for _ in 0..before {
                turns.take(now, now, pace, Duration::ZERO);
            }
            let wait = turns.take(now, now, pace, age);
            prop_assert!(wait >= SHORTEST);
            prop_assert!(wait <= horizon(age) && wait <= FARTHEST);
        }
    }
}
