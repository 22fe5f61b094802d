//! `[retry]`: the service's retry policy, of which each webhook may change parts.

use settings::{Section, Value};
use subscriptions::{LONGEST_DELAY, LONGEST_LIFE, RetryPolicy, RetryValues, SHORTEST_DELAY};

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<RetryPolicy> {
    let delay = |value: &Value<'_>| value.duration(SHORTEST_DELAY..=LONGEST_DELAY);
    let first_delay = section.required("first_delay", "a duration", delay);
    let max_delay = section.required("max_delay", "a duration", delay);
    let retry_after_max = section.required("retry_after_max", "a duration", delay);
    let give_up_after = section.required("give_up_after", "a duration", |value| {
        value.duration(SHORTEST_DELAY..=LONGEST_LIFE)
    });
    let multiplier = section.required("multiplier", "a number", |value| value.float(1.0..=10.0));
    let jitter = section.required("jitter", "a number", |value| value.float(0.0..=0.99));
    let values = RetryValues {
        first_delay: first_delay?,
        multiplier: multiplier?,
        max_delay: max_delay?,
        jitter: jitter?,
        give_up_after: give_up_after?,
        retry_after_max: retry_after_max?,
    };
    // Each number is within its bounds; what is left is how the two delays stand to each other.
    RetryPolicy::try_new(values).map_err(|why| section.conflict("first_delay", why)).ok()
}
