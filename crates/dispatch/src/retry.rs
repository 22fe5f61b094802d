//! What follows from a failed attempt: a pure decision.
//!
//! The policy and the failure go in, one of four words comes out. Here stands what the contract
//! says of `Retry-After`, of 410 and of giving up.

use std::time::Duration;

use delivery::{Failure, FailureKind};
use subscriptions::RetryPolicy;

use crate::delay;

/// HTTP 410 Gone: the receiver says that there is nobody here any more.
const GONE: u16 = 410;

/// What comes after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt after this delay.
    Retry(Duration),
    /// No further attempt: the next one would come after the policy's end.
    GiveUp,
    /// No further attempt, and no further delivery to this webhook.
    Disable,
}

impl Next {
    /// How long to wait for the next attempt; nothing where there is none.
    pub(crate) fn delay(self) -> Duration {
        match self {
            Self::Retry(delay) => delay,
            Self::GiveUp | Self::Disable => Duration::ZERO,
        }
    }
}

/// Decides after the `attempts`-th attempt has failed, `elapsed` after the first one began.
pub(crate) fn next(
    policy: &RetryPolicy,
    attempts: u32,
    elapsed: Duration,
    failure: &Failure,
) -> Next {
    if failure.kind == FailureKind::Http(GONE) {
        return Next::Disable;
    }
    let asked = failure.retry_after.unwrap_or_default().min(policy.retry_after_max());
    let delay = delay::after(policy, attempts).max(asked);
    if elapsed + delay > policy.give_up_after() { Next::GiveUp } else { Next::Retry(delay) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use subscriptions::RetryValues;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One second, then ten, then ten; given up after a minute; no jitter.
    fn policy() -> RetryPolicy {
        RetryPolicy::try_new(RetryValues {
            first_delay: SECOND,
            multiplier: 10.0,
            max_delay: 10 * SECOND,
            jitter: 0.0,
            give_up_after: 60 * SECOND,
            retry_after_max: 30 * SECOND,
        })
        .unwrap()
    }

    fn failure(kind: FailureKind, retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure { kind, detail: String::new(), retry_after, response: None }
    }

    #[test]
    fn what_follows_from_a_failure() {
        let check = |attempts, elapsed, kind, asked, expected| {
            let next = next(&policy(), attempts, elapsed * SECOND, &failure(kind, asked));
            assert_eq!(next, expected, "{attempts} {elapsed} {kind} {asked:?}");
        };
        use FailureKind::{Connect, Http, Timeout};
        check(1, 0, Timeout, None, Next::Retry(SECOND));
        check(2, 1, Connect, None, Next::Retry(10 * SECOND));
        check(9, 50, Http(500), None, Next::Retry(10 * SECOND));
        check(9, 51, Http(500), None, Next::GiveUp);
        check(1, 0, Http(410), None, Next::Disable);
        check(1, 0, Http(429), Some(0), Next::Retry(SECOND));
        check(1, 0, Http(429), Some(20), Next::Retry(20 * SECOND));
        check(1, 0, Http(503), Some(1_000_000), Next::Retry(30 * SECOND));
        check(1, 45, Http(503), Some(20), Next::GiveUp);
    }

    proptest! {
        /// Whatever a receiver answers, the next attempt is within the policy, or there is none.
        #[test]
        fn no_attempt_comes_after_the_end(
            attempts in 1_u32..100,
            elapsed in 0_u64..200,
            asked in prop::option::of(any::<u64>()),
        ) {
            let elapsed = Duration::from_secs(elapsed);
            match next(&policy(), attempts, elapsed, &failure(FailureKind::Http(503), asked)) {
                Next::Retry(delay) => {
                    prop_assert!(delay >= SECOND && delay <= 30 * SECOND);
                    prop_assert!(elapsed + delay <= policy().give_up_after());
                }
                Next::GiveUp => prop_assert!(elapsed + 30 * SECOND > policy().give_up_after()),
                Next::Disable => prop_assert!(false, "503 disables nothing"),
            }
        }
    }
}
