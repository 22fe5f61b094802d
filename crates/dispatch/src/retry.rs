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
