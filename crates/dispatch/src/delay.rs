//! From a retry policy and a number of attempts to a delay: the only place that knows `backoff`.
//!
//! That crate is unmaintained (RUSTSEC-2025-0012); all that is used of it is one step of its
//! exponential backoff with jitter, so that replacing it is a matter of this file.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use subscriptions::{LONGEST_DELAY, RetryPolicy};

/// The delay after the `attempts`-th attempt has failed, spread by the policy's jitter.
pub(crate) fn after(policy: &RetryPolicy, attempts: u32) -> Duration {
    let mut step = ExponentialBackoff {
        current_interval: unspread(policy, attempts),
        randomization_factor: policy.jitter(),
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    // Without a limit on the elapsed time there always is a next delay.
    step.next_backoff().unwrap_or(policy.max_delay()).min(LONGEST_DELAY)
}

/// The same without jitter: `first_delay × multiplier^(attempts − 1)`, at most `max_delay`.
fn unspread(policy: &RetryPolicy, attempts: u32) -> Duration {
    let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
    let longest = policy.max_delay().as_secs_f64();
    let seconds = policy.first_delay().as_secs_f64() * policy.multiplier().powi(exponent);
    Duration::from_secs_f64(seconds.min(longest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_schedule() {
        let policy = RetryPolicy::default();
        let seconds = [1, 2, 3, 4, 7, 8, 9, 40, u32::MAX].map(|n| unspread(&policy, n).as_secs());
        assert_eq!(seconds, [5, 15, 45, 135, 3_645, 10_935, 21_600, 21_600, 21_600]);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_part(attempts in 1_u32..1_000) {
            let policy = RetryPolicy::default();
            let (middle, spread) = (unspread(&policy, attempts), after(&policy, attempts));
            prop_assert!(spread >= middle.mul_f64(0.79) && spread <= middle.mul_f64(1.21));
        }
    }
}
