//! May this webhook have one more attempt now, and if not, when?
//!
//! ```text
//! breaker open? ─► limit reached, or silence? ─► share used up? ─► slow ones' places used up?
//!     ─► host full? ─► rate used up? ─► go; at each of them else ─► wait
//! ```
//!
//! Who may not go gets a turn ([`turns`]) and waits for it in the broker, or where it is if the turn
//! comes sooner than the broker could bring it back. What is remembered of a
//! webhook is forgotten once it says nothing any more: memory is bounded by the webhooks that were
//! busy or failing within [`REMEMBERED`].
//!
//! The share is what keeps many slow receivers from filling the service: a webhook may hold no more
//! than a quarter of the places that are free (Choudhury and Hahne, "Dynamic queue length
//! thresholds for shared-memory packet switches", 1998), and at least one. However many hold what
//! they may, some places stay free for the others. A host, too, has a bound: over all its webhooks
//! ([`hosts`]).
//!
//! A share alone does not do: receivers that are slow, say nothing, or are not known yet hold half of
//! the places together at most ([`bulkhead`]).

mod breaker;
mod bulkhead;
mod hosts;
mod limit;
mod rate;
mod sign;
mod turns;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker::SHORTEST_DELAY;
use delivery::FailureKind;
use subscriptions::{RateLimit, WebhookId};
use tokio::time::Instant;

pub use crate::gate::breaker::BreakerPolicy;
pub(crate) use crate::gate::breaker::Turned;
use crate::gate::breaker::{Breaker, Says};
use crate::gate::bulkhead::Bulkhead;
use crate::gate::hosts::Hosts;
use crate::gate::limit::Limit;
use crate::gate::rate::Rate;
pub(crate) use crate::gate::sign::Sign;
use crate::gate::turns::{Circling, Turns};

/// How long a webhook is remembered that nothing is asked about.
const REMEMBERED: Duration = Duration::from_secs(600);
/// How often what is remembered is looked through.
const LOOK: Duration = Duration::from_secs(60);
/// The part of the free places that one webhook may hold.
const SHARE: usize = 4;
/// A receiver from which nothing came back for so long, though attempts are under way, gets no more
/// than [`STALLED`] of them,
const SILENCE: Duration = Duration::from_secs(1);
/// or for so many times as long as attempts usually take.
const SILENCES: u32 = 4;
const STALLED: u32 = 2;
/// As [`SILENCE`], while half of all places are taken: then whoever answers late is in the way.
const SILENCE_WHEN_PRESSED: Duration = Duration::from_millis(100);
/// A receiver that usually takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);

/// What bounds the attempts of a webhook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Attempts at the same time.
    pub(crate) max_in_flight: NonZeroU32,
    /// Attempts at the same time of all webhooks of its host.
    pub(crate) max_per_host: NonZeroU32,
    pub(crate) rate: Option<RateLimit>,
    pub(crate) breaker: BreakerPolicy,
}

/// Why a delivery waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Its webhook's receiver fails.
    Breaker,
    /// Its webhook has had as many attempts within the time as it may.
    Rate,
    /// Its webhook has as many attempts under way as its receiver takes.
    WebhookInFlight,
    /// Its webhook holds its share of what is left of all places.
    Share,
    /// Its webhook's receiver is slow, and slow ones hold all that they may together.
    Slow,
    /// As many attempts are under way to its host, for all its webhooks, as may be.
    Host,
}

impl Bound {
    pub(crate) const ALL: [Self; 6] =
        [Self::Breaker, Self::Rate, Self::WebhookInFlight, Self::Share, Self::Slow, Self::Host];

    /// As the metric has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Rate => "rate",
            Self::WebhookInFlight => "webhook_in_flight",
            Self::Share => "share",
            Self::Slow => "slow",
            Self::Host => "host",
        }
    }
}

/// The gate's answer.
pub(crate) enum Pass<'a> {
    Go(Slot<'a>),
    /// What bit, and how long it is until a turn: at least [`SHORTEST_DELAY`] for receivers that are slow,
    /// which are not to hold memory and messages meanwhile.
    Wait(Bound, Duration),
}

/// What a webhook's receiver has shown, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Attempts under way.
    pub in_flight: u32,
    /// Attempts at the same time that its receiver takes, as far as was seen.
    pub limit: u32,
    /// Failures since the last answer, of those that count for being left alone.
    pub failures: u32,
    /// The last of them.
    pub last_failure: Option<FailureKind>,
    /// Since how long it is left alone, and in how long the next probe goes.
    pub open: Option<(Duration, Duration)>,
    /// What held back a delivery last, and how long ago.
    pub held: Option<(Bound, Duration)>,
}

/// How webhooks stand, as far as this replica has seen. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Standings(Arc<Mutex<Webhooks>>);

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate(Standings);

#[derive(Debug)]
struct Webhooks {
    by_id: HashMap<WebhookId, Seen>,
    hosts: Hosts,
    looked: Option<Instant>,
    bulkhead: Bulkhead,
    circling: Circling,
}

/// What is remembered of a webhook.
#[derive(Debug)]
struct Seen {
    in_flight: u32,
    /// Whether what is in flight counts as slow.
    slow: bool,
    limit: Limit,
    breaker: Breaker,
    rate: Rate,
    turns: Turns,
    most: u32,
    /// When an attempt that was made ended last, or one began while no other was under way.
    stirred: Instant,
    asked: Instant,
    held: Option<(Bound, Instant)>,
}

/// What bit, from when on turns are given out, and at which pace.
type Refusal = (Bound, Instant, Option<Duration>);

/// One attempt's place; given up when dropped.
pub(crate) struct Slot<'a> {
    gate: &'a Gate,
    webhook: &'a WebhookId,
    host: &'a str,
    bounds: Bounds,
    begun: Instant,
    probe: bool,
    open: bool,
}

impl Standings {
    /// How this webhook stands; `None` where nothing is known of it.
    #[must_use]
    pub fn of(&self, webhook: &WebhookId) -> Option<Standing> {
        let (webhooks, now) = (self.lock(), Instant::now());
        let seen = webhooks.by_id.get(webhook)?;
        let open = seen.breaker.open().map(|(since, until)| {
            (now.saturating_duration_since(since), until.saturating_duration_since(now))
        });
        Some(Standing {
            in_flight: seen.in_flight,
            limit: seen.limit.allowed(seen.most),
            failures: seen.breaker.failures(),
            last_failure: seen.breaker.last_failure(),
            open,
            held: seen.held.map(|(bound, at)| (bound, now.saturating_duration_since(at))),
        })
    }

    /// Webhooks whose breakers are open, and how their last attempts failed.
    #[must_use]
    pub fn open(&self) -> Vec<(WebhookId, FailureKind)> {
        let open = |(webhook, seen): (&WebhookId, &Seen)| {
            seen.breaker.open()?;
            Some((webhook.clone(), seen.breaker.last_failure()?))
        };
        self.lock().by_id.iter().filter_map(open).collect()
    }

    /// All is whole after every statement, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Webhooks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// A gate for so many attempts at the same time.
    pub(crate) fn new(places: usize) -> Self {
        let webhooks = Webhooks {
            by_id: HashMap::new(),
            hosts: Hosts::default(),
            looked: None,
            bulkhead: Bulkhead::new(places),
            circling: Circling::default(),
        };
        Self(Standings(Arc::new(Mutex::new(webhooks))))
    }

    pub(crate) fn standings(&self) -> Standings {
        self.0.clone()
    }

    /// A place for one more attempt, or when to ask again: that depends on how long (`age`) the
    /// delivery has waited already. `host` is the receiver's host and port.
    /// `free` is how many places are left of all. What people wish to try (`by_hand`) need not heed
    /// the breaker, and is its probe.
    pub(crate) fn pass<'a>(
        &'a self,
        (webhook, host): (&'a WebhookId, &'a str),
        bounds: Bounds,
        free: usize,
        age: impl FnOnce() -> Duration,
        by_hand: bool,
    ) -> Pass<'a> {
        let now = Instant::now();
        let mut webhooks = self.0.lock();
        webhooks.forget(now);
        webhooks.look(now);
        let Webhooks { by_id, hosts, bulkhead, circling, .. } = &mut *webhooks;
        let ask = |seen: &mut Seen| {
            let (bound, wait) = match seen.pass(now, &bounds, free, bulkhead, by_hand) {
                // A host's turns are its own: all its webhooks wait for the same places.
                Ok(_) if hosts.is_full(host, bounds.max_per_host) => {
                    (Bound::Host, hosts.turn(host, now, bounds.max_per_host, age(), circling))
                }
                Ok(probe) => match seen.begin(now, &bounds, bulkhead, probe) {
                    Ok(()) => {
                        hosts.begin(host);
                        let (gate, begun, open) = (self, now, true);
                        return Pass::Go(Slot { gate, webhook, host, bounds, begun, probe, open });
                    }
                    Err(refusal) => seen.turn(now, refusal, age(), circling),
                },
                Err(refusal) => seen.turn(now, refusal, age(), circling),
            };
            seen.held = Some((bound, now));
            Pass::Wait(bound, if seen.slow { wait.max(SHORTEST_DELAY) } else { wait })
        };
        match by_id.get_mut(webhook) {
            Some(seen) => ask(seen),
            None => ask(by_id.entry(webhook.clone()).or_insert(Seen::new(now))),
        }
    }
}

impl Webhooks {
    fn forget(&mut self, now: Instant) {
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return;
        }
        self.looked = Some(now);
        self.by_id.retain(|_, seen| !seen.is_forgotten(now));
        self.hosts.forget(now);
        let turns = self.by_id.values_mut().map(|seen| &mut seen.turns);
        self.circling.count(turns.chain(self.hosts.turns()), now);
    }

    /// Whoever has fallen silent is seen to be slow although nobody asks for it.
    fn look(&mut self, now: Instant) {
        let Self { by_id, bulkhead, .. } = self;
        if bulkhead.is_due(now) {
            by_id.values_mut().for_each(|seen| seen.judge(now, bulkhead));
        }
    }
}

impl Seen {
    fn new(now: Instant) -> Self {
        Self {
            in_flight: 0,
            slow: true,
            limit: Limit::new(),
            breaker: Breaker::default(),
            rate: Rate::default(),
            turns: Turns::default(),
            most: u32::MAX,
            stirred: now,
            asked: now,
            held: None,
        }
    }

    /// Whether there is a place, and whether for a probe; or what bit, and from when on turns are
    /// given out, and at which pace. Nothing is taken yet.
    fn pass(
        &mut self,
        now: Instant,
        bounds: &Bounds,
        free: usize,
        bulkhead: &mut Bulkhead,
        by_hand: bool,
    ) -> Result<bool, Refusal> {
        (self.asked, self.most) = (now, bounds.max_in_flight.get());
        let probe = match self.breaker.says(now) {
            Says::Go => false,
            Says::Probe => true,
            Says::Wait(_) if by_hand => true,
            Says::Wait(until) => {
                return Err((Bound::Breaker, until, Some(self.breaker.pause())));
            }
        };
        self.judge(now, bulkhead);
        let silence = self.silence(now, bulkhead);
        let allowed = self.limit.allowed(self.most);
        let (allowed, from, pace) = match silence {
            // It is asked again when it has said nothing for twice as long.
            Some(silence) => (allowed.min(STALLED), now + silence, Some(silence / STALLED)),
            None => (allowed, now, self.pace()),
        };
        if self.in_flight >= allowed && !probe {
            return Err((Bound::WebhookInFlight, from, pace));
        }
        let share = u32::try_from(free / SHARE).unwrap_or(u32::MAX).max(1);
        if self.in_flight >= share && !probe {
            return Err((Bound::Share, now, self.pace_now()));
        }
        let unknown = self.limit.usual().is_none() && silence.is_none();
        if self.slow && !by_hand {
            // Nobody knows what a first attempt will show.
            let least = u32::from(unknown);
            if self.in_flight >= bulkhead.room().div_ceil(2).max(least) {
                return Err((Bound::Slow, now, self.pace_now()));
            }
        }
        Ok(probe)
    }

    /// Takes a place that is there, if the rate lets it.
    fn begin(
        &mut self,
        now: Instant,
        bounds: &Bounds,
        bulkhead: &mut Bulkhead,
        probe: bool,
    ) -> Result<(), Refusal> {
        if let Some(limit) = bounds.rate {
            self.rate.take(now, limit).map_err(|at| (Bound::Rate, at, Some(limit.interval())))?;
        }
        if probe {
            self.breaker.probe();
        }
        if self.in_flight == 0 {
            self.stirred = now;
        }
        self.in_flight += 1;
        bulkhead.begin(self.slow);
        Ok(())
    }

    /// What bit, and how long it is until a turn of its own.
    fn turn(
        &mut self,
        now: Instant,
        (bound, from, pace): Refusal,
        age: Duration,
        circling: &mut Circling,
    ) -> (Bound, Duration) {
        (bound, self.turns.take(now, from, pace, age, circling))
    }

    /// Whether it is slow, as of now.
    fn judge(&mut self, now: Instant, bulkhead: &mut Bulkhead) {
        let usual = self.limit.usual();
        let slow = usual.is_none_or(|usual| usual > SLOW) || self.silence(now, bulkhead).is_some();
        if slow != self.slow {
            self.slow = slow;
            bulkhead.turned(slow, self.in_flight);
        }
    }

    /// How long nothing has come back though attempts are under way, if that is too long.
    fn silence(&self, now: Instant, bulkhead: &Bulkhead) -> Option<Duration> {
        let usual = self.limit.usual().unwrap_or_default();
        let least = if bulkhead.is_pressed() { SILENCE_WHEN_PRESSED } else { SILENCE };
        let silence = now.duration_since(self.stirred);
        (self.in_flight > 0 && silence > least.max(usual * SILENCES)).then_some(silence)
    }

    /// How long the receiver needs for a delivery, when it is given as many as it takes.
    fn pace(&self) -> Option<Duration> {
        Some(self.limit.usual()? / self.limit.allowed(self.most))
    }

    /// The same with as many as it has now.
    fn pace_now(&self) -> Option<Duration> {
        Some(self.limit.usual()? / self.in_flight.max(1))
    }

    fn ended(
        &mut self,
        slot: &Slot<'_>,
        sign: Option<Sign>,
        bulkhead: &mut Bulkhead,
        now: Instant,
    ) -> Turned {
        let most = slot.bounds.max_in_flight.get();
        let in_flight = self.in_flight;
        self.in_flight = in_flight.saturating_sub(1);
        bulkhead.ended(self.slow);
        let Some(sign) = sign else {
            if slot.probe {
                self.breaker.probe_dropped();
            }
            return Turned::Stayed;
        };
        self.stirred = now;
        self.limit.ended(sign, slot.begun, now, in_flight, most);
        let turned = match sign.failure() {
            None => self.breaker.answered(),
            Some(kind) => self.breaker.failed(kind, slot.probe, now, &slot.bounds.breaker),
        };
        if turned == Turned::Closed {
            self.limit.restart();
            self.turns.restart();
        }
        self.judge(now, bulkhead);
        turned
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        self.in_flight == 0
            && now.duration_since(self.asked) > REMEMBERED
            && self.turns.is_empty(now)
            && self.rate.is_rested(now)
            && self.breaker.open().is_none_or(|(_, until)| now.duration_since(until) > REMEMBERED)
    }
}

impl Slot<'_> {
    /// The attempt ended with this sign; what that did to the breaker.
    pub(crate) fn ended(mut self, sign: Sign) -> Turned {
        self.give_up(Some(sign))
    }

    fn give_up(&mut self, sign: Option<Sign>) -> Turned {
        if !std::mem::take(&mut self.open) {
            return Turned::Stayed;
        }
        let now = Instant::now();
        let mut webhooks = self.gate.0.lock();
        let Webhooks { by_id, hosts, bulkhead, .. } = &mut *webhooks;
        hosts.ended(self.host, sign.map(|_| now.duration_since(self.begun)));
        let seen = by_id.get_mut(self.webhook);
        seen.map_or(Turned::Stayed, |seen| seen.ended(self, sign, bulkhead, now))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.give_up(None);
    }
}

#[cfg(test)]
mod tests;
