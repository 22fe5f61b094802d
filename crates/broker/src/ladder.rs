//! The delay ladder: which delay queue a parked delivery waits in next.
//!
//! RabbitMQ expires messages from the head of a queue only, so every queue of the ladder (a
//! *rung*) has one TTL for all: no delivery waits behind a longer one. A delay that is no rung is
//! walked in several hops, longest first, and never ends early: the last rung may overshoot by the
//! slack, a shorter rest is walked on the shortest rung.
//!
//! The contract allows `max(1 s, 5 %)` of lateness. Half of it is spent here on saving hops; the
//! other half is left to the broker. Pure: no clock, no AMQP.

use std::time::Duration;

/// The rungs, shortest first. Steps of about three: any delay up to a day takes at most
/// nine hops, with as few queues as that allows.
pub(crate) const RUNGS: [Rung; 11] = [
    Rung { name: "250ms", ttl: Duration::from_millis(250) },
    Rung { name: "1s", ttl: Duration::from_secs(1) },
    Rung { name: "3s", ttl: Duration::from_secs(3) },
    Rung { name: "10s", ttl: Duration::from_secs(10) },
    Rung { name: "30s", ttl: Duration::from_secs(30) },
    Rung { name: "100s", ttl: Duration::from_secs(100) },
    Rung { name: "300s", ttl: Duration::from_secs(300) },
    Rung { name: "1000s", ttl: Duration::from_secs(1_000) },
    Rung { name: "3000s", ttl: Duration::from_secs(3_000) },
    Rung { name: "10000s", ttl: Duration::from_secs(10_000) },
    Rung { name: "30000s", ttl: Duration::from_secs(30_000) },
];

/// The shortest delay that there is.
pub const SHORTEST_DELAY: Duration = RUNGS[0].ttl;

/// The most hops that a delay of up to 24 h takes (checked by the tests below).
#[cfg(test)]
const MOST_HOPS: usize = 9;

/// One delay queue: the end of its name, and how long every message waits in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rung {
    pub(crate) name: &'static str,
    pub(crate) ttl: Duration,
}

/// The rung on which to wait next, when `remaining` of a delay of `whole` is left.
pub(crate) fn rung(remaining: Duration, whole: Duration) -> Rung {
    let slack = Duration::from_millis(500).max(whole / 40);
    let fits = |rung: &&Rung| rung.ttl >= remaining && rung.ttl - remaining <= slack;
    let below = |rung: &&Rung| rung.ttl <= remaining;
    *RUNGS.iter().find(fits).or_else(|| RUNGS.iter().rev().find(below)).unwrap_or(&RUNGS[0])
}

/// The longest delay, not above this one where there is any, that costs the broker a single hop.
#[must_use]
pub fn one_hop(at_most: Duration) -> Duration {
    let ttls = RUNGS.iter().map(|rung| rung.ttl);
    ttls.rev().find(|ttl| *ttl <= at_most).unwrap_or(SHORTEST_DELAY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Walks a delay over the rungs, each hop later than its TTL by `lag`; gives the whole wait.
    fn walk(delay: Duration, lag: Duration) -> (Duration, usize) {
        let (mut waited, mut hops) = (Duration::ZERO, 0);
        while waited < delay {
            waited += rung(delay - waited, delay).ttl + lag;
            hops += 1;
        }
        (waited, hops)
    }

    #[test]
    fn the_first_rung_for_some_delays() {
        let check = |millis, name| {
            let delay = Duration::from_millis(millis);
            assert_eq!(rung(delay, delay).name, name, "{millis} ms");
        };
        check(1, "250ms");
        check(250, "250ms");
        check(500, "1s");
        check(1_000, "1s");
        check(5_000, "3s");
        check(9_600, "10s");
        check(86_400_000, "30000s");
    }

    #[test]
    fn one_hop_is_walked_in_one() {
        for (millis, expected) in [(0, 250), (999, 250), (1_000, 1_000), (99_999, 30_000)] {
            let delay = one_hop(Duration::from_millis(millis));
            assert_eq!(delay.as_millis(), expected, "{millis} ms");
            assert_eq!(walk(delay, Duration::from_millis(20)).1, 1);
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_never_early_and_hardly_late(
            millis in 1_000_u64..=86_400_000,
            lag in 0_u64..=20,
        ) {
            let delay = Duration::from_millis(millis);
            let (waited, hops) = walk(delay, Duration::from_millis(lag));
            let allowed = Duration::from_secs(1).max(delay / 20);
            prop_assert!(waited >= delay);
            prop_assert!(waited - delay <= allowed, "late by {:?}", waited - delay);
            prop_assert!(hops <= MOST_HOPS, "{hops} hops");
        }
    }
}
