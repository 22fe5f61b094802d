//! `[dead]`: how much of the dead letters is kept.

use std::time::Duration;

use broker::Retention;
use settings::Section;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const GIB: u64 = 1024 * 1024 * 1024;

/// How much of the dead letters is kept, and how it is seen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) retention: Retention,
    /// Dead letters that are listed or counted in one go at most.
    pub(crate) max_walk: usize,
    /// How often what is beyond the retention is dropped.
    pub(crate) check_every: Duration,
}

impl Dead {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let max_age = section
            .required("max_age", "a duration", |value| value.duration(60 * SECOND..=3_650 * DAY));
        let max_bytes =
            section.required("max_bytes", "a size", |value| value.size(1024 * 1024..=1024 * GIB));
        let max_count =
            section.required("max_count", "a number", |value| value.integer(1..=100_000_000));
        let max_walk = section.required("max_walk", "a number", |value| value.integer(1..=500_000));
        let check_every =
            section.required("check_every", "a duration", |value| value.duration(SECOND..=DAY));
        Some(Self {
            retention: Retention {
                max_age: max_age?,
                max_bytes: max_bytes?,
                max_count: max_count?,
            },
            max_walk: max_walk?,
            check_every: check_every?,
        })
    }
}
