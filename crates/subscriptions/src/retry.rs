//! How long failed deliveries are tried again: the numbers, checked, and nothing else.
//!
//! What they mean for one attempt is computed elsewhere (`dispatch`). The bounds are those that the
//! broker's delay ladder keeps: from one second to one day per delay.

use std::time::Duration;

use thiserror::Error;

/// The shortest delay that is kept exactly.
pub const SHORTEST_DELAY: Duration = Duration::from_secs(1);
/// The longest single delay.
pub const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time after which a delivery is given up.
pub const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A checked retry policy. Durations are kept in milliseconds: in a snapshot each byte stands there
/// 100,000 times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    first_delay_ms: u32,
    max_delay_ms: u32,
    give_up_after_ms: u32,
    retry_after_max_ms: u32,
    multiplier: f64,
    jitter: f64,
}

/// The numbers of a retry policy, not checked yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryValues {
    /// Delay before the second attempt; 1 s to 24 h.
    pub first_delay: Duration,
    /// Each further delay is the one before times this; 1 to 10.
    pub multiplier: f64,
    /// What no delay exceeds; `first_delay` to 24 h.
    pub max_delay: Duration,
    /// Part by which a delay is spread at random, both ways; from 0 (not at all) to below 1.
    pub jitter: f64,
    /// Time since the first attempt after which there is no further one; 1 s to 30 d.
    pub give_up_after: Duration,
    /// The longest wait that a receiver can ask for by `Retry-After`; 1 s to 24 h.
    pub retry_after_max: Duration,
}

/// Numbers that make no retry policy.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidRetry {
    /// `first_delay` is out of its bounds.
    #[error("first_delay must be from 1s to 24h")]
    FirstDelay,
    /// `multiplier` is out of its bounds, or no number.
    #[error("multiplier must be from 1 to 10")]
    Multiplier,
    /// `max_delay` is out of its bounds.
    #[error("max_delay must be from 1s to 24h")]
    MaxDelay,
    /// The first delay would exceed the longest one.
    #[error("first_delay must not exceed max_delay")]
    Order,
    /// `jitter` is out of its bounds, or no number.
    #[error("jitter must be at least 0 and below 1")]
    Jitter,
    /// `give_up_after` is out of its bounds.
    #[error("give_up_after must be from 1s to 30days")]
    GiveUpAfter,
    /// `retry_after_max` is out of its bounds.
    #[error("retry_after_max must be from 1s to 24h")]
    RetryAfterMax,
}

impl RetryPolicy {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`InvalidRetry`] names the first number that is out of its bounds.
    pub fn try_new(values: RetryValues) -> Result<Self, InvalidRetry> {
        let delays = SHORTEST_DELAY..=LONGEST_DELAY;
        let checks = [
            (delays.contains(&values.first_delay), InvalidRetry::FirstDelay),
            ((1.0..=10.0).contains(&values.multiplier), InvalidRetry::Multiplier),
            (delays.contains(&values.max_delay), InvalidRetry::MaxDelay),
            (values.first_delay <= values.max_delay, InvalidRetry::Order),
            ((0.0..1.0).contains(&values.jitter), InvalidRetry::Jitter),
            (
                (SHORTEST_DELAY..=LONGEST_LIFE).contains(&values.give_up_after),
                InvalidRetry::GiveUpAfter,
            ),
            (delays.contains(&values.retry_after_max), InvalidRetry::RetryAfterMax),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, wrong)) => Err(wrong),
            None => Ok(Self::of(values)),
        }
    }

    fn of(values: RetryValues) -> Self {
        // The longest duration that is accepted, 30 days, is far below 2^32 ms.
        let ms = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Self {
            first_delay_ms: ms(values.first_delay),
            max_delay_ms: ms(values.max_delay),
            give_up_after_ms: ms(values.give_up_after),
            retry_after_max_ms: ms(values.retry_after_max),
            multiplier: values.multiplier,
            jitter: values.jitter,
        }
    }

    /// All numbers at once, for who writes them down or changes some of them.
    #[must_use]
    pub fn values(&self) -> RetryValues {
        RetryValues {
            first_delay: self.first_delay(),
            multiplier: self.multiplier,
            max_delay: self.max_delay(),
            jitter: self.jitter,
            give_up_after: self.give_up_after(),
            retry_after_max: self.retry_after_max(),
        }
    }

    /// Delay before the second attempt.
    #[must_use]
    pub fn first_delay(&self) -> Duration {
        Duration::from_millis(self.first_delay_ms.into())
    }

    /// Factor from one delay to the next.
    #[must_use]
    pub fn multiplier(&self) -> f64 {
        self.multiplier
    }

    /// What no delay exceeds.
    #[must_use]
    pub fn max_delay(&self) -> Duration {
        Duration::from_millis(self.max_delay_ms.into())
    }

    /// Part by which a delay is spread at random, both ways; below 1.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Time since the first attempt after which there is no further one.
    #[must_use]
    pub fn give_up_after(&self) -> Duration {
        Duration::from_millis(self.give_up_after_ms.into())
    }

    /// The longest wait that a receiver can ask for by `Retry-After`.
    #[must_use]
    pub fn retry_after_max(&self) -> Duration {
        Duration::from_millis(self.retry_after_max_ms.into())
    }
}

impl Default for RetryPolicy {
    /// The service's default: 5 s first, threefold up to 6 h, 20 % jitter, three days in all.
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self::of(RetryValues {
            first_delay: Duration::from_secs(5),
            multiplier: 3.0,
            max_delay: Duration::from_secs(6 * HOUR),
            jitter: 0.2,
            give_up_after: Duration::from_secs(72 * HOUR),
            retry_after_max: Duration::from_secs(6 * HOUR),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut RetryValues), expected: Option<InvalidRetry>) {
        let mut values = RetryPolicy::default().values();
        change(&mut values);
        assert_eq!(RetryPolicy::try_new(values).err(), expected, "{values:?}");
    }

    #[test]
    fn every_number_has_its_bounds() {
        let s = Duration::from_secs;
        let ms = Duration::from_millis;
        check(|_| (), None);
        check(|v| v.first_delay = s(1), None);
        check(|v| v.first_delay = ms(999), Some(InvalidRetry::FirstDelay));
        check(|v| (v.first_delay, v.max_delay) = (LONGEST_DELAY, LONGEST_DELAY), None);
        check(|v| v.max_delay = LONGEST_DELAY + ms(1), Some(InvalidRetry::MaxDelay));
        check(|v| v.max_delay = s(4), Some(InvalidRetry::Order));
        check(|v| v.multiplier = 1.0, None);
        check(|v| v.multiplier = 10.0, None);
        check(|v| v.multiplier = 0.99, Some(InvalidRetry::Multiplier));
        check(|v| v.multiplier = f64::NAN, Some(InvalidRetry::Multiplier));
        check(|v| v.multiplier = f64::INFINITY, Some(InvalidRetry::Multiplier));
        check(|v| v.jitter = 0.0, None);
        check(|v| v.jitter = 0.99, None);
        check(|v| v.jitter = 1.0, Some(InvalidRetry::Jitter));
        check(|v| v.jitter = -0.1, Some(InvalidRetry::Jitter));
        check(|v| v.jitter = f64::NAN, Some(InvalidRetry::Jitter));
        check(|v| v.give_up_after = LONGEST_LIFE, None);
        check(|v| v.give_up_after = s(0), Some(InvalidRetry::GiveUpAfter));
        check(|v| v.give_up_after = LONGEST_LIFE + s(1), Some(InvalidRetry::GiveUpAfter));
        check(|v| v.retry_after_max = s(0), Some(InvalidRetry::RetryAfterMax));
    }

    #[test]
    fn the_default_is_one_of_them() {
        let default = RetryPolicy::default();
        assert_eq!(RetryPolicy::try_new(default.values()), Ok(default));
    }
}
