//! What is said of a time without the broker: each cause when it is new, then at growing intervals
//! that it goes on; never each attempt.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// When it is said for the first time that it goes on; each pause after that is twice as long.
const FIRST: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Causes that are remembered: a broker that comes and goes has a few, and what is beyond is said at
/// the intervals only.
const CAUSES: usize = 8;

/// A time without the broker, if it is one.
#[derive(Debug, Default)]
pub(crate) struct Outage(Option<Under>);

#[derive(Debug)]
struct Under {
    since: SystemTime,
    told: Vec<String>,
    next: Instant,
    pause: Duration,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// The cause, which is new.
    Cause,
    /// That it goes on, since then.
    GoesOn(SystemTime),
    Nothing,
}

impl Outage {
    /// An attempt failed, or a session was lost.
    pub(crate) fn failed(&mut self, cause: &str, now: Instant) -> Say {
        let under = self.0.get_or_insert_with(|| Under {
            since: SystemTime::now(),
            told: Vec::new(),
            next: now + FIRST,
            pause: FIRST,
        });
        if under.told.len() < CAUSES && !under.told.iter().any(|told| told == cause) {
            under.told.push(cause.to_owned());
            return Say::Cause;
        }
        if now < under.next {
            return Say::Nothing;
        }
        under.pause = LONGEST.min(under.pause * 2);
        under.next = now + under.pause;
        Say::GoesOn(under.since)
    }

    /// A session can be trusted again.
    pub(crate) fn over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_growing_intervals() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut told = Vec::new();
        for second in (0..=3_000).step_by(15) {
            match outage.failed("refused", start + Duration::from_secs(second)) {
                Say::Nothing => {}
                Say::Cause => told.push((second, true)),
                Say::GoesOn(_) => told.push((second, false)),
            }
        }
        let goes_on = [60, 180, 420, 900, 1_500, 2_100, 2_700].map(|second| (second, false));
        assert_eq!(told, [&[(0, true)][..], &goes_on].concat());
        assert_eq!(outage.failed("no route", start), Say::Cause);
        assert_eq!(outage.failed("refused", start), Say::Nothing);
        outage.over();
        assert_eq!(outage.failed("refused", start), Say::Cause);
    }

    #[test]
    fn causes_that_are_all_new_are_no_line_each() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        let told = |n: usize| outage.failed(&n.to_string(), now) == Say::Cause;
        assert_eq!((0..100).map(told).filter(|told| *told).count(), CAUSES);
    }
}
