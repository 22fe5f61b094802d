//! How many attempts of one webhook may begin within a time.

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

/// The slowest rate: one attempt in 100 seconds.
const SLOWEST: f64 = 0.01;
/// The fastest rate: more than any bound of the service lets through.
const FASTEST: f64 = 10_000.0;
/// The largest burst.
const LARGEST_BURST: u32 = 10_000;

/// So many attempts a second, after a burst of so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    per_second: f64,
    burst: NonZeroU32,
}

/// Why numbers are no rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RateLimitError {
    /// The rate is too small, too large or no number.
    #[error("attempts per second must be between {SLOWEST} and {FASTEST}")]
    PerSecond,
    /// The burst is too small or too large.
    #[error("the burst must be between 1 and {LARGEST_BURST}")]
    Burst,
}

impl RateLimit {
    /// A rate in attempts per second (0.01 to 10,000) and how many may begin at once (1 to 10,000).
    ///
    /// # Errors
    ///
    /// [`RateLimitError`] says which of the two is out of its bounds.
    pub fn try_new(per_second: f64, burst: u32) -> Result<Self, RateLimitError> {
        if !(SLOWEST..=FASTEST).contains(&per_second) {
            return Err(RateLimitError::PerSecond);
        }
        let burst = NonZeroU32::new(burst).filter(|burst| burst.get() <= LARGEST_BURST);
        Ok(Self { per_second, burst: burst.ok_or(RateLimitError::Burst)? })
    }

    /// The burst where nobody names one: what the rate gives in a second, at least one.
    #[must_use]
    pub fn burst_of(per_second: f64) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is out of bounds is cut to them"
        )]
        let burst = per_second.ceil() as u32;
        burst.clamp(1, LARGEST_BURST)
    }

    /// Attempts per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Attempts at once after a pause.
    #[must_use]
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// The time from one attempt to the next at this rate.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.per_second.recip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let limit = RateLimit::try_new(0.5, 3).unwrap();
        assert_eq!((limit.interval(), limit.burst().get()), (Duration::from_secs(2), 3));
        for rate in [0.0, 0.009, -1.0, 10_001.0, f64::NAN, f64::INFINITY] {
            assert_eq!(RateLimit::try_new(rate, 1), Err(RateLimitError::PerSecond), "{rate}");
        }
        for burst in [0, 10_001] {
            assert_eq!(RateLimit::try_new(1.0, burst), Err(RateLimitError::Burst));
        }
    }
}
