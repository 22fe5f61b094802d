//! A place for an attempt: the gate lets it go, and not all places are taken. One that is soon there is
//! waited for here.

use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Parts, age};
use crate::gate::{Bound, Bounds, Pass, Slot};
use crate::task::Task;

/// How soon the gate is asked again at the earliest: many wait here at a time, and each asks under the
/// gate's lock.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// What an attempt takes for as long as it is under way.
pub(super) struct Place<'a> {
    pub(super) slot: Slot<'a>,
    pub(super) permit: SemaphorePermit<'a>,
}

/// Why there is no place for an attempt.
#[derive(Clone, Copy)]
pub(super) enum NoPlace {
    /// All places are taken.
    Full,
    /// The gate holds it back, and how long it is until its turn.
    Held(Bound, Duration),
}

impl Parts {
    /// A place for an attempt, if there is one now.
    pub(super) fn place<'a>(&'a self, task: &Task<'a>) -> Result<Place<'a>, NoPlace> {
        let slot = self.pass(task)?;
        let permit = self.in_flight.try_acquire().map_err(|_| NoPlace::Full)?;
        Ok(Place { slot, permit })
    }

    /// A place that is there sooner than the broker could bring the delivery back is waited for here,
    /// message, memory and all; the gate has no such places for slow receivers.
    pub(super) async fn wait_for_place<'a>(
        &'a self,
        task: &Task<'a>,
        mut why: NoPlace,
    ) -> Result<Place<'a>, NoPlace> {
        let until = Instant::now() + broker::SHORTEST_DELAY;
        loop {
            let permit = match why {
                NoPlace::Full => {
                    let Ok(Ok(permit)) = timeout_at(until, self.in_flight.acquire()).await else {
                        return Err(why);
                    };
                    Some(permit)
                }
                NoPlace::Held(_, wait) => {
                    let turn = Instant::now() + wait.max(ASK_AGAIN);
                    if turn >= until {
                        return Err(why);
                    }
                    sleep_until(turn).await;
                    None
                }
            };
            if task.session.is_lost() {
                return Err(why);
            }
            let slot = match self.pass(task) {
                Ok(slot) => slot,
                Err(again) => {
                    why = again;
                    continue;
                }
            };
            match permit.or_else(|| self.in_flight.try_acquire().ok()) {
                Some(permit) => return Ok(Place { slot, permit }),
                None => why = NoPlace::Full,
            }
        }
    }

    fn pass<'a>(&'a self, task: &Task<'a>) -> Result<Slot<'a>, NoPlace> {
        let Task { rules, webhook, .. } = *task;
        let bounds = Bounds {
            max_in_flight: webhook.max_in_flight.unwrap_or(rules.webhook_max_in_flight),
            max_per_host: self.max_per_host,
            rate: webhook.rate_limit,
            breaker: rules.breaker,
        };
        let (free, by_hand) = (self.in_flight.available_permits(), task.life.once.is_some());
        let published_ms = task.published_ms;
        let age = move || age(published_ms);
        match self.gate.pass((&webhook.id, webhook.url.authority()), bounds, free, age, by_hand) {
            Pass::Go(slot) => Ok(slot),
            Pass::Wait(bound, wait) => Err(NoPlace::Held(bound, wait)),
        }
    }
}
