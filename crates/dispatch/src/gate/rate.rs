//! How many attempts of one webhook begin within a time: the generic cell rate algorithm (ITU-T
//! I.371, annex A), which needs one time and no timer.

use subscriptions::RateLimit;
use tokio::time::Instant;

/// When the next attempt is due if attempts come at the very rate; `None` before the first.
#[derive(Debug, Default)]
pub(super) struct Rate(Option<Instant>);

impl Rate {
    /// Counts an attempt that begins now.
    ///
    /// # Errors
    ///
    /// When the next one may begin, where this one may not; nothing is counted then.
    pub(super) fn take(&mut self, now: Instant, limit: RateLimit) -> Result<(), Instant> {
        let interval = limit.interval();
        let ahead = interval * limit.burst().get().saturating_sub(1);
        let due = self.0.map_or(now, |due| due.max(now));
        if due.duration_since(now) > ahead {
            return Err(due - ahead);
        }
        self.0 = Some(due + interval);
        Ok(())
    }

    /// Whether it is as if there had been no attempt at all.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.0.is_none_or(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn wait(rate: &mut Rate, now: Instant, limit: RateLimit) -> Duration {
        rate.take(now, limit).map_or_else(|at| at - now, |()| Duration::ZERO)
    }

    #[test]
    fn a_burst_goes_and_then_the_rate_holds() {
        let limit = RateLimit::try_new(10.0, 3).unwrap();
        let (mut rate, now) = (Rate::default(), Instant::now());
        let waits: Vec<u128> = (0..5).map(|_| wait(&mut rate, now, limit).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 100]);
        let later = now + Duration::from_millis(100);
        assert_eq!(wait(&mut rate, later, limit), Duration::ZERO);
        assert_eq!(wait(&mut rate, later, limit).as_millis(), 100);
        assert!(!rate.is_rested(later));
        assert!(rate.is_rested(later + Duration::from_secs(1)));
    }

    proptest! {
        /// In any time no more begin than the burst and what the rate gives.
        #[test]
        fn no_more_than_the_rate_and_a_burst(
            per_second in 1_u32..500,
            burst in 1_u32..50,
            steps in prop::collection::vec(0_u64..50, 1..300),
        ) {
            let limit = RateLimit::try_new(f64::from(per_second), burst).unwrap();
            let (mut rate, begin) = (Rate::default(), Instant::now());
            let (mut now, mut gone) = (begin, 0_u32);
            for step in steps {
                now += Duration::from_millis(step);
                gone += u32::from(rate.take(now, limit).is_ok());
                let most = f64::from(burst) + (now - begin).as_secs_f64() * f64::from(per_second);
                prop_assert!(f64::from(gone) <= most + 1e-3, "{gone} of {most}");
            }
        }
    }
}
