//! Who may acknowledge a message, and when: the heart of at-least-once.
//!
//! A [`Settlement`] is the obligation that came with one message. [`Settlement::done`] discharges
//! it; dropping it in any other way (a failed park, a cancelled task, a panic) gives the message
//! back. It belongs to the session that handed the message out: when that session is gone, the
//! broker gives the message again by itself, and both ways out do nothing.

use tokio::sync::mpsc;

use crate::flood::Weight;

/// What became of the message with a delivery tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done(u64),
    GiveBack(u64),
}

/// The obligation to settle one message; see the module.
#[derive(Debug)]
#[must_use = "dropping a settlement gives the message back"]
pub struct Settlement {
    tag: u64,
    verdicts: mpsc::Sender<Verdict>,
    open: bool,
    /// Counts a large message as held until it is settled.
    _weight: Option<Weight>,
}

impl Settlement {
    pub(crate) fn new(tag: u64, verdicts: mpsc::Sender<Verdict>, weight: Option<Weight>) -> Self {
        Self { tag, verdicts, open: true, _weight: weight }
    }

    /// Acknowledges the message: all that it stood for has succeeded, is held by the broker under
    /// a publisher confirm, or has nothing left to be done.
    pub fn done(mut self) {
        self.open = false;
        self.say(Verdict::Done(self.tag));
    }

    /// The channel has room for every message that can be outstanding, so it is never full; it is
    /// closed when the session is gone, and then there is nothing left to settle.
    fn say(&self, verdict: Verdict) {
        if let Err(mpsc::error::TrySendError::Full(verdict)) = self.verdicts.try_send(verdict) {
            tracing::error!(?verdict, "more messages outstanding than the prefetch allows");
        }
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        if self.open {
            self.say(Verdict::GiveBack(self.tag));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_acknowledges_once_and_dropping_gives_back() {
        let (verdicts, mut said) = mpsc::channel(4);
        Settlement::new(1, verdicts.clone(), None).done();
        drop(Settlement::new(2, verdicts, None));
        assert_eq!(said.try_recv(), Ok(Verdict::Done(1)));
        assert_eq!(said.try_recv(), Ok(Verdict::GiveBack(2)));
        assert!(said.try_recv().is_err());
    }

    #[test]
    fn a_settlement_of_a_lost_session_does_nothing() {
        let (verdicts, said) = mpsc::channel(1);
        let (first, second) =
            (Settlement::new(1, verdicts.clone(), None), Settlement::new(2, verdicts, None));
        drop(said);
        first.done();
        drop(second);
    }
}
