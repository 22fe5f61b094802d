//! The life of one delivery, and what is owed of it before its message may be acknowledged.
//!
//! ```text
//! event ─► new ◄─┐ put off           ┌──► delivered
//!           │    │                   │
//!           └────┴──► attempt ───────┼──► parked ──► retried ──► attempt …
//!                        ▲           │
//!                        │           └──► dead ──► pruned
//!                    replayed ◄─────────────┘ people send it again
//! ```
//!
//! [`Life`] is what was tried so far: it travels with the delivery. Its methods are the arrows: each
//! takes what happened and gives what is owed, or the proof that nothing is ([`Discharged`]). What
//! is owed is discharged by the broker's confirm alone, and a [`Message`] gives its settlement out
//! only when everything that it stands for is discharged. So "acknowledged before confirmed" cannot
//! be said with these types.
//!
//! Pure: no clock, no broker. `life/tests/` drives this very module over a model of the broker,
//! with a crash at every point.

use broker::{Held, Once, Parked, Settlement};

use crate::metrics::{DISABLED, GAVE_UP, GONE};
use crate::retry::Next;

/// What was tried of a delivery so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Life {
    /// Attempts made.
    pub(crate) attempts: u32,
    /// How many of them were made before people sent it again.
    pub(crate) earlier_attempts: u32,
    /// Why it is attempted once only; a disabled webhook gets it, too.
    pub(crate) once: Option<Once>,
    /// When the first attempt began, ms since the epoch; of those since people sent it again.
    pub(crate) first_attempt_ms: Option<i64>,
}

/// Where in its life a delivery is that may be attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Never tried; it may have been put off.
    New,
    /// Tried, and its schedule goes on.
    Retried,
    /// People sent it again, and it was not tried since.
    Replayed,
    /// Attempted once, whatever comes of it.
    Once(Once),
}

/// What is to be done before nothing is left of a delivery in its message.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
#[must_use = "what is owed has to be done, or its message comes again"]
pub(crate) enum Owed {
    /// Nothing: it ended here.
    Nothing(Discharged),
    /// The broker is to hold it until it is due.
    Wait(Waiting),
    /// The broker is to hold it among the dead letters.
    Dead(Dying),
}

/// The obligation to have a delivery wait in the broker.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(crate) struct Waiting(());

/// The obligation to bury a delivery.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(crate) struct Dying(&'static str);

/// The obligation to put aside what is no event.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(crate) struct Rejecting(());

/// The proof that nothing is left of one delivery in its message: it ended, or the broker holds what
/// follows.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
#[must_use = "its message is to hear of it"]
pub(crate) struct Discharged(());

/// What proves that the broker holds something.
pub(crate) trait Confirmed {}

impl Confirmed for Held {}

impl Life {
    /// Of a delivery that comes straight from its event.
    pub(crate) const NEW: Self =
        Self { attempts: 0, earlier_attempts: 0, once: None, first_attempt_ms: None };

    /// Of a delivery that comes back from the broker.
    pub(crate) fn of(parked: &Parked) -> Self {
        Self {
            attempts: parked.attempts,
            earlier_attempts: parked.earlier_attempts.min(parked.attempts),
            once: parked.once,
            // Time that was only spent being postponed does not count towards giving up.
            first_attempt_ms: (parked.attempts > 0).then_some(parked.first_attempt_ms),
        }
    }

    /// Where in its life it is.
    pub(crate) fn stage(self) -> Stage {
        match (self.once, self.attempts) {
            (Some(once), _) => Stage::Once(once),
            (None, 0) => Stage::New,
            (None, attempts) if attempts > self.earlier_attempts => Stage::Retried,
            (None, _) => Stage::Replayed,
        }
    }

    /// The number of the attempt that is made next, from 1.
    pub(crate) fn next_attempt(self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// Attempts since its schedule began.
    pub(crate) fn attempts_of_schedule(self) -> u32 {
        self.attempts.saturating_sub(self.earlier_attempts)
    }

    /// The life after an attempt that failed and began at this time.
    pub(crate) fn tried(self, started_ms: i64) -> Self {
        let first_attempt_ms = Some(self.first_attempt_ms.unwrap_or(started_ms));
        Self { attempts: self.next_attempt(), first_attempt_ms, ..self }
    }

    /// The receiver took it: nothing is left to be done.
    pub(crate) fn delivered(self) -> Discharged {
        Discharged(())
    }

    /// Its webhook is gone: nothing is left to be done.
    pub(crate) fn deleted(self) -> Discharged {
        Discharged(())
    }

    /// It may not go yet: its delay is not over, its webhook is not known here yet, or a bound of
    /// ours was met before anything was sent. That is no attempt.
    pub(crate) fn put_off(self) -> Waiting {
        Waiting(())
    }

    /// The gate lets it wait. Where the time in which it is tried is over, that counts as if it had
    /// been tried again.
    pub(crate) fn held_back(self, over: bool) -> Owed {
        match self.stage() {
            Stage::Retried if over => Owed::Dead(Dying(GAVE_UP)),
            Stage::New | Stage::Retried | Stage::Replayed | Stage::Once(_) => {
                Owed::Wait(self.put_off())
            }
        }
    }

    /// Its webhook is disabled, and the webhook's events are kept or not. What was tried before is a
    /// failure that people may want to send again, whatever is kept.
    pub(crate) fn disabled(self, keep: bool) -> Owed {
        match self.stage() {
            Stage::New if !keep => Owed::Nothing(Discharged(())),
            Stage::New | Stage::Retried | Stage::Replayed | Stage::Once(_) => {
                Owed::Dead(Dying(DISABLED))
            }
        }
    }

    /// The last attempt, which this life counts already, failed, and the policy says what is next.
    pub(crate) fn failed(self, next: Next) -> Owed {
        match (self.stage(), next) {
            (Stage::Once(_), _) => Owed::Nothing(Discharged(())),
            (_, Next::Retry(_)) => Owed::Wait(Waiting(())),
            (_, Next::GiveUp) => Owed::Dead(Dying(GAVE_UP)),
            (_, Next::Disable) => Owed::Dead(Dying(GONE)),
        }
    }
}

/// What is owed of a message that is no event.
pub(crate) fn no_event() -> Rejecting {
    Rejecting(())
}

impl Waiting {
    /// The broker holds it until it is due.
    pub(crate) fn confirmed(self, _: &impl Confirmed) -> Discharged {
        Discharged(())
    }
}

impl Dying {
    /// Why it is dead, in a word.
    pub(crate) fn reason(&self) -> &'static str {
        self.0
    }

    /// The broker holds it among the dead letters.
    pub(crate) fn confirmed(self, _: &impl Confirmed) -> Discharged {
        Discharged(())
    }
}

impl Rejecting {
    /// The broker holds it among what was rejected.
    pub(crate) fn confirmed(self, _: &impl Confirmed) -> Discharged {
        Discharged(())
    }
}

/// A message that is held, and what it still owes.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
#[must_use = "dropping it gives the message back"]
pub(crate) struct Message<S> {
    settlement: S,
    open: usize,
    failed: bool,
}

impl<S> Message<S> {
    /// A message that owes nothing yet.
    pub(crate) fn new(settlement: S) -> Self {
        Self { settlement, open: 0, failed: false }
    }

    /// It stands for one delivery more.
    pub(crate) fn owes_one(&mut self) {
        self.open += 1;
    }

    /// One of its deliveries is discharged, or could not be handed over.
    #[expect(clippy::needless_pass_by_value, reason = "a proof counts once")]
    pub(crate) fn ended<E>(&mut self, ended: Result<Discharged, E>) {
        match ended {
            Ok(Discharged(())) => self.open = self.open.saturating_sub(1),
            Err(_) => self.failed = true,
        }
    }

    /// Whether it comes again in any case: something of it could not be handed over.
    pub(crate) fn comes_again(&self) -> bool {
        self.failed
    }

    /// What it is acknowledged with, if nothing is owed any more; else it is dropped, which gives
    /// the message back.
    pub(crate) fn discharged(self) -> Option<S> {
        (self.open == 0 && !self.failed).then_some(self.settlement)
    }
}

impl Message<Settlement> {
    /// Acknowledges the message, or gives it back. Nothing else in this crate acknowledges.
    pub(crate) fn settle(self) {
        if let Some(settlement) = self.discharged() {
            settlement.done();
        }
    }
}

/// Settles a message that stands for one thing.
pub(crate) fn settle_one<E>(settlement: Settlement, ended: Result<Discharged, E>) {
    let mut message = Message::new(settlement);
    message.owes_one();
    message.ended(ended);
    message.settle();
}

#[cfg(test)]
mod tests;
