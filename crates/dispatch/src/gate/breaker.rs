//! Whether a webhook gets requests at all: after failures and nothing else it is left alone, but for
//! single probes.
//!
//! ```text
//!            so many failures in a row              the pause is over
//!   closed ────────────────────────────► open ◄──────────────────────► probing
//!      ▲                                        the probe fails           │
//!      └──────────────────────────────────────────────────────────────────┘
//!                              the receiver answers
//! ```
//!
//! It is not every failure that counts: a receiver may refuse ten events in a row for what is in them
//! (400, 422) and take the next one ([`Sign`](super::Sign)).
//!
//! The pattern is Nygard's ("Release It!", 2007, "Circuit Breaker"). The pause doubles with every
//! probe that fails.

use std::num::NonZeroU32;
use std::time::Duration;

use delivery::FailureKind;
use tokio::time::Instant;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// So many failures in a row open it.
    pub failures: NonZeroU32,
    /// The pause before the first probe.
    pub first_pause: Duration,
    /// The longest pause between two probes.
    pub max_pause: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures since the last answer.
    failures: u32,
    /// The last of them.
    failed: Option<FailureKind>,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since: Instant,
    pause: Duration,
    /// When the next probe may go.
    until: Instant,
    probing: bool,
}

/// What the breaker says to one more attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It is closed.
    Go,
    /// It is open, and this attempt is its probe.
    Probe,
    /// It is open; the next probe goes at this time, or goes now and will tell by then.
    Wait(Instant),
}

/// What the end of an attempt did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// It opened.
    Opened,
    /// It closed.
    Closed,
    /// Neither.
    Stayed,
}

impl Breaker {
    pub(super) fn says(&self, now: Instant) -> Says {
        match self.open {
            None => Says::Go,
            Some(Open { probing: false, until, .. }) if until <= now => Says::Probe,
            Some(Open { probing: true, until, pause, .. }) => Says::Wait(until.max(now) + pause),
            Some(Open { until, .. }) => Says::Wait(until),
        }
    }

    /// The pause before the next probe; nothing where it is closed.
    pub(super) fn pause(&self) -> Duration {
        self.open.map(|open| open.pause).unwrap_or_default()
    }

    /// The probe goes.
    pub(super) fn probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = true;
        }
    }

    /// The probe ended without a word about the receiver.
    pub(super) fn probe_dropped(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = false;
        }
    }

    pub(super) fn answered(&mut self) -> Turned {
        (self.failures, self.failed) = (0, None);
        if self.open.take().is_some() { Turned::Closed } else { Turned::Stayed }
    }

    /// An attempt failed; `probe` says whether it was the probe.
    pub(super) fn failed(
        &mut self,
        kind: FailureKind,
        probe: bool,
        now: Instant,
        policy: &BreakerPolicy,
    ) -> Turned {
        (self.failures, self.failed) = (self.failures.saturating_add(1), Some(kind));
        match &mut self.open {
            None if self.failures >= policy.failures.get() => {
                let pause = policy.first_pause;
                self.open = Some(Open { since: now, pause, until: now + pause, probing: false });
                Turned::Opened
            }
            Some(open) if probe => {
                open.pause = (open.pause * 2).min(policy.max_pause).max(policy.first_pause);
                (open.until, open.probing) = (now + open.pause, false);
                Turned::Stayed
            }
            // What was under way when it opened.
            _ => Turned::Stayed,
        }
    }

    /// Since when it is open, and when the next probe goes.
    pub(super) fn open(&self) -> Option<(Instant, Instant)> {
        self.open.map(|open| (open.since, open.until))
    }

    /// Failures since the last answer.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// What the last of them was.
    pub(super) fn last_failure(&self) -> Option<FailureKind> {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FailureKind = FailureKind::Timeout;
    const POLICY: BreakerPolicy = BreakerPolicy {
        failures: NonZeroU32::new(3).unwrap(),
        first_pause: Duration::from_secs(5),
        max_pause: Duration::from_secs(15),
    };

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(KIND, false, now, &POLICY), Turned::Stayed);
        assert_eq!(breaker.failed(KIND, false, now, &POLICY), Turned::Stayed);
        assert_eq!(breaker.failed(KIND, false, now, &POLICY), Turned::Opened);
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            breaker.failed(KIND, false, now, &POLICY);
            breaker.failed(KIND, false, now, &POLICY);
            assert_eq!(breaker.answered(), Turned::Stayed);
        }
        assert_eq!(breaker.says(now), Says::Go);
        assert_eq!(open(now).says(now), Says::Wait(now + POLICY.first_pause));
    }

    #[test]
    fn one_probe_goes_and_the_pause_doubles_to_its_bound() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        for seconds in [5, 10, 15, 15] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(breaker.says(now), Says::Wait(now + pause));
            now += pause;
            assert_eq!(breaker.says(now), Says::Probe);
            breaker.probe();
            assert!(matches!(breaker.says(now), Says::Wait(until) if until > now));
            assert_eq!(breaker.failed(KIND, true, now, &POLICY), Turned::Stayed);
        }
    }

    #[test]
    fn an_answer_closes_it_and_late_failures_do_not_lengthen_it() {
        let now = Instant::now();
        let mut breaker = open(now);
        breaker.failed(KIND, false, now + Duration::from_secs(1), &POLICY);
        assert_eq!(breaker.says(now), Says::Wait(now + POLICY.first_pause));
        assert_eq!((breaker.failures(), breaker.last_failure()), (4, Some(KIND)));
        assert_eq!(breaker.answered(), Turned::Closed);
        assert_eq!(breaker.says(now), Says::Go);
        assert_eq!((breaker.failures(), breaker.last_failure()), (0, None));
    }

    #[test]
    fn a_probe_that_was_not_made_is_made_again() {
        let now = Instant::now();
        let mut breaker = open(now);
        let later = now + POLICY.first_pause;
        breaker.probe();
        breaker.probe_dropped();
        assert_eq!(breaker.says(later), Says::Probe);
    }
}
