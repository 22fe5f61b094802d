//! How many attempts go on at the same time to one host, for all its webhooks together.
//!
//! A webhook's limits do not see that a hundred others lead to the same machine. What is over the
//! bound gets a turn of the host's, at the pace at which the host ends attempts: turns of each
//! webhook would all come at once.
//!
//! **Invariant:** memory is bounded by the hosts that had an attempt since the last look, or have
//! one under way.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use crate::gate::turns::{Circling, Turns};

/// How much of the usual time is the last attempt's.
const WEIGHT: u32 = 32;

/// See the module. A host is its name or address, with its port where that is not the scheme's.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<Box<str>, Host>);

#[derive(Debug, Default)]
struct Host {
    in_flight: u32,
    /// How long attempts usually take.
    usual: Option<Duration>,
    turns: Turns,
}

impl Hosts {
    pub(super) fn is_full(&self, host: &str, most: NonZeroU32) -> bool {
        self.0.get(host).is_some_and(|seen| seen.in_flight >= most.get())
    }

    /// The wait until a turn of its own, for something that has waited for `age` already.
    pub(super) fn turn(
        &mut self,
        host: &str,
        now: Instant,
        most: NonZeroU32,
        age: Duration,
        circling: &mut Circling,
    ) -> Duration {
        let seen = self.of(host);
        let pace = seen.usual.map(|usual| usual / most.get());
        seen.turns.take(now, now, pace, age, circling)
    }

    pub(super) fn begin(&mut self, host: &str) {
        match self.0.get_mut(host) {
            Some(seen) => seen.in_flight += 1,
            None => self.of(host).in_flight += 1,
        }
    }

    /// An attempt ended, after so long where it was made.
    pub(super) fn ended(&mut self, host: &str, took: Option<Duration>) {
        let Some(seen) = self.0.get_mut(host) else { return };
        seen.in_flight = seen.in_flight.saturating_sub(1);
        if let Some(took) = took {
            let usual = seen.usual.unwrap_or(took);
            seen.usual = Some((usual * (WEIGHT - 1) + took) / WEIGHT);
        }
    }

    pub(super) fn forget(&mut self, now: Instant) {
        self.0.retain(|_, seen| seen.in_flight > 0 || !seen.turns.is_empty(now));
    }

    pub(super) fn turns(&mut self) -> impl Iterator<Item = &mut Turns> {
        self.0.values_mut().map(|seen| &mut seen.turns)
    }

    fn of(&mut self, host: &str) -> &mut Host {
        self.0.entry(host.into()).or_default()
    }
}
