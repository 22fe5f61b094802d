//! How many attempts of one webhook may go on at the same time: what its receiver shows it can take.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the increase and decrease
//! algorithms for congestion avoidance", 1989), as TCP does it: the limit doubles with every round
//! of answers until the first sign of overload, then grows by one a round. An attempt that the
//! receiver could not take halves it, one that took far longer than usual takes a tenth off; either
//! at most once a round, for what was begun before the last decrease says nothing about it.
//!
//! A limit only grows while it is used, so that it tells what was tried and not what was never
//! needed.

use std::time::Duration;

use tokio::time::Instant;

use super::Sign;

/// Attempts at the same time of a webhook that nothing is known of.
const START: f64 = 32.0;
/// What is left of the limit after an attempt that the receiver could not take.
const OVERLOADED: f64 = 0.5;
/// What is left of it after one that took too long.
const SLOW: f64 = 0.9;
/// How many times the usual time is too long,
const TOLERANCE: f64 = 3.0;
/// and how much at least above it: below that it is noise of the network and of this machine.
const NOISE: Duration = Duration::from_millis(250);
/// How much of the usual time is the last attempt's.
const WEIGHT: f64 = 1.0 / 32.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Limit {
    limit: f64,
    /// Whether there was no sign of overload yet.
    doubling: bool,
    /// How long attempts usually take, in seconds.
    usual: Option<f64>,
    decreased: Option<Instant>,
}

impl Limit {
    pub(super) fn new() -> Self {
        Self { limit: START, doubling: true, usual: None, decreased: None }
    }

    /// So many attempts at the same time, at least one and at most `most`.
    pub(super) fn allowed(&self, most: u32) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the largest limit that can be configured"
        )]
        let limit = self.limit as u32;
        limit.clamp(1, most.max(1))
    }

    /// How long attempts usually take.
    pub(super) fn usual(&self) -> Option<Duration> {
        self.usual.map(Duration::from_secs_f64)
    }

    /// An attempt ended that was begun at this time, when with it `in_flight` were under way.
    pub(super) fn ended(
        &mut self,
        sign: Sign,
        begun: Instant,
        now: Instant,
        in_flight: u32,
        most: u32,
    ) {
        let took = now.duration_since(begun);
        let slow = self.is_slow(took);
        self.note(took);
        match sign {
            Sign::Overloaded(_) => self.decrease(OVERLOADED, begun, now),
            Sign::Answered | Sign::Refused(_) if slow => self.decrease(SLOW, begun, now),
            Sign::Answered | Sign::Refused(_) if f64::from(in_flight) * 2.0 >= self.limit => {
                let more = if self.doubling { 1.0 } else { 1.0 / self.limit };
                self.limit = (self.limit + more).min(f64::from(most).max(1.0));
            }
            Sign::Answered | Sign::Refused(_) => {}
        }
    }

    /// Begins anew: one attempt at a time, as after a breaker. How long attempts took while they
    /// failed says nothing about those to come.
    pub(super) fn restart(&mut self) {
        *self = Self { limit: 1.0, ..Self::new() };
    }

    fn is_slow(&self, took: Duration) -> bool {
        let Some(usual) = self.usual else { return false };
        took.as_secs_f64() > (usual * TOLERANCE).max(usual + NOISE.as_secs_f64())
    }

    fn note(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        let usual = self.usual.get_or_insert(took);
        *usual += (took - *usual) * WEIGHT;
    }

    fn decrease(&mut self, factor: f64, begun: Instant, now: Instant) {
        if self.decreased.is_some_and(|decreased| begun < decreased) {
            return;
        }
        self.limit = (self.limit * factor).max(1.0);
        self.doubling = false;
        self.decreased = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use delivery::FailureKind;
    use proptest::prelude::*;

    use super::*;

    const OVER: Sign = Sign::Overloaded(FailureKind::Timeout);

    const MOST: u32 = 256;

    /// Rounds of as many attempts as are allowed, each ending so after so long.
    fn rounds(limit: &mut Limit, mut now: Instant, count: usize, sign: Sign, ms: u64) -> Instant {
        for _ in 0..count {
            let (begun, allowed) = (now, limit.allowed(MOST));
            now += Duration::from_millis(ms);
            for left in (1..=allowed).rev() {
                limit.ended(sign, begun, now, left, MOST);
            }
        }
        now
    }

    #[test]
    fn answers_let_it_grow_and_silence_lets_it_shrink_to_one() {
        let (mut limit, now) = (Limit::new(), Instant::now());
        let now = rounds(&mut limit, now, 8, Sign::Answered, 10);
        assert!(limit.allowed(MOST) > 128, "{limit:?}");
        let now = rounds(&mut limit, now, 9, OVER, 15_000);
        assert_eq!(limit.allowed(MOST), 1);
        rounds(&mut limit, now, 3, Sign::Answered, 10);
        assert!((2..8).contains(&limit.allowed(MOST)), "no more than by one a round: {limit:?}");
    }

    #[test]
    fn a_round_of_failures_halves_it_once() {
        let (mut limit, now) = (Limit::new(), Instant::now());
        rounds(&mut limit, now, 1, OVER, 100);
        assert_eq!(limit.allowed(MOST), 16);
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let (mut limit, now) = (Limit::new(), Instant::now());
        for _ in 0..1_000 {
            limit.ended(Sign::Answered, now, now + Duration::from_millis(1), 1, MOST);
        }
        assert_eq!(limit.allowed(MOST), 32);
    }

    #[test]
    fn a_receiver_that_becomes_slow_gets_less_and_then_is_usual() {
        let (mut limit, now) = (Limit::new(), Instant::now());
        let now = rounds(&mut limit, now, 2, Sign::Answered, 20);
        let fast = limit.allowed(MOST);
        let now = rounds(&mut limit, now, 1, Sign::Answered, 2_000);
        let slow = limit.allowed(MOST);
        assert!(slow < fast, "{slow} of {fast}");
        let now = rounds(&mut limit, now, 10, Sign::Answered, 2_000);
        let then = limit.allowed(MOST);
        rounds(&mut limit, now, 10, Sign::Answered, 2_000);
        assert!(limit.allowed(MOST) > then, "what is usual is no sign of overload");
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            ends in prop::collection::vec((any::<bool>(), 0_u64..20_000, 1_u32..40), 0..200),
            most in 1_u32..64,
        ) {
            let (mut limit, mut now) = (Limit::new(), Instant::now());
            for (answered, ms, in_flight) in ends {
                let sign = if answered { Sign::Answered } else { OVER };
                let begun = now;
                now += Duration::from_millis(ms);
                limit.ended(sign, begun, now, in_flight, most);
                prop_assert!((1..=most).contains(&limit.allowed(most)));
            }
        }
    }
}
