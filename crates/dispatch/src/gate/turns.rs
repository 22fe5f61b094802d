//! When what cannot go now comes back: each at its own turn, and not all together every second.
//!
//! Turns are given out like numbers at a counter, one behind the other at the pace at which the
//! receiver takes deliveries (virtual scheduling, as in ITU-T I.371's generic cell rate algorithm).
//! So a delivery that waits circles through the broker about once, whatever waits before it. How far
//! away a turn may be grows with the time for which deliveries have been waiting: so however long
//! that goes on, about as many circle in a second as new ones come, and thousands that wait cost no
//! more than hundreds. The price is that a receiver that was away for long is caught up with within
//! as long again.

use std::time::Duration;

use tokio::time::Instant;

/// How far away the turn of something new may be,
const HORIZON: Duration = Duration::from_secs(60);
/// and of anything at all.
const FARTHEST: Duration = Duration::from_secs(3 * 60 * 60);
/// What part of the time that it has waited something may have to wait once more.
const PART: u32 = 4;
/// The pace where nothing is known of the receiver.
const UNKNOWN: Duration = Duration::from_millis(50);

/// The turns of one webhook.
#[derive(Debug, Default)]
pub(super) struct Turns {
    next: Option<Instant>,
    /// Since when there was always one to come.
    since: Option<Instant>,
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
        if self.is_empty(now) {
            self.since = None;
        }
        let since = *self.since.get_or_insert(now);
        let horizon = earliest + horizon(now.duration_since(since), age);
        let mut turn = self.next.map_or(earliest, |next| next.max(earliest));
        if turn > horizon {
            // A new round of turns, among those of the round before.
            turn = earliest + horizon.duration_since(earliest) / 2;
        }
        self.next = Some(turn + pace.unwrap_or(UNKNOWN));
        turn.duration_since(now)
    }

    /// The receiver takes deliveries again: turns begin now.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Whether no turn is given out that is still to come.
    pub(super) fn is_empty(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }
}

fn horizon(waiting: Duration, age: Duration) -> Duration {
    waiting.max(age / PART).clamp(HORIZON, FARTHEST)
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
        assert_eq!(turns.take(now, now, Some(pace), Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn turns_begin_when_a_probe_may_go() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let from = now + Duration::from_secs(30);
        let pace = Some(Duration::from_secs(1));
        assert_eq!(turns.take(now, from, pace, Duration::ZERO).as_secs(), 30);
        assert_eq!(turns.take(now, from, pace, Duration::ZERO).as_secs(), 31);
    }

    /// As in a broker: what waits asks again at its turn, and new ones come all the time.
    #[test]
    fn a_long_outage_costs_no_more_than_twice_what_comes_anew() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        let pace = Some(Duration::from_secs(6));
        let mut due = std::collections::BTreeMap::<u64, Vec<u64>>::new();
        let (mut asked, hours) = (0_u64, 2 * 3_600);
        for second in 0..hours {
            let now = start + Duration::from_secs(second);
            let back = due.remove(&second).unwrap_or_default();
            if second >= hours - 600 {
                asked += back.len() as u64;
            }
            // Five new ones a second.
            for born in back.into_iter().chain([second; 5]) {
                let wait = turns.take(now, now, pace, Duration::from_secs(second - born));
                due.entry(second + wait.as_secs().max(1)).or_default().push(born);
            }
        }
        assert!(asked < 2 * 5 * 600, "{asked} came back within ten minutes");
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
            prop_assert!(wait <= horizon(Duration::ZERO, age) && wait <= FARTHEST);
        }
    }
}
