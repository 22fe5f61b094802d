//! Listing dead letters, and sending again or dropping those that are meant.

use bytes::Bytes;
use lapin::message::Delivery;
use tokio::time::{Duration, Instant};

use crate::client::letter::{DeadFilter, DeadLetter};
use crate::client::walk::{Fate, Visitor};
use crate::envelope::Parked;

/// How many letters one call sends again or drops at most: a few seconds' work.
pub(crate) const MOVED_MOST: usize = 5_000;

/// How long a listing is shown again without a question, and how long if the queue is as long as it
/// was: a page that is reloaded, or turned.
const SURELY: Duration = Duration::from_secs(1);
const LIKELY: Duration = Duration::from_secs(10);

/// Dead letters, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeadList {
    /// Those that were asked for.
    pub letters: Vec<DeadLetter>,
    /// How many fit the filter.
    pub matching: usize,
    /// How many there are.
    pub total: usize,
    /// Whether there are more than could be looked at, the newest of which are not in this.
    pub truncated: bool,
}

/// What became of the dead letters that were meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadMoved {
    /// The deliveries that were sent again, or dropped.
    pub deliveries: Vec<String>,
    /// Whether there may be more: the bound of one call was reached.
    pub more: bool,
}

/// All letters that one walk saw.
pub(crate) struct Listing {
    letters: Vec<DeadLetter>,
    most: usize,
    left: usize,
    at: Instant,
}

impl Listing {
    pub(crate) fn new(most: usize) -> Self {
        Self { letters: Vec::new(), most, left: 0, at: Instant::now() }
    }

    /// Its walk is over, with so many not seen.
    pub(crate) fn finished(mut self, left: usize) -> Self {
        self.letters.sort_unstable_by(|a, b| key(b).cmp(&key(a)));
        self.letters.shrink_to_fit();
        Self { left, at: Instant::now(), ..self }
    }

    pub(crate) fn total(&self) -> usize {
        self.letters.len().saturating_add(self.left)
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.at.elapsed() < SURELY
    }

    pub(crate) fn may_be_true(&self) -> bool {
        self.at.elapsed() < LIKELY
    }

    pub(crate) fn page(
        &self,
        filter: &DeadFilter,
        after: Option<(i64, &str)>,
        limit: usize,
    ) -> DeadList {
        let matching = || self.letters.iter().filter(|letter| filter.fits(letter));
        let later = |letter: &&DeadLetter| after.is_none_or(|after| key(letter) < after);
        DeadList {
            letters: matching().filter(later).take(limit).cloned().collect(),
            matching: matching().count(),
            total: self.total(),
            truncated: self.left > 0,
        }
    }
}

impl Visitor for Listing {
    fn visit(&mut self, message: Delivery) -> Fate {
        if self.letters.len() < self.most {
            self.letters.push(DeadLetter::read(&message.properties, &message.data));
        } else {
            self.left += 1;
        }
        Fate::Keep
    }

    fn is_done(&self) -> bool {
        self.letters.len() >= self.most
    }
}

/// What is done with the letters that are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Send it again; its schedule begins at this time, ms since 1970.
    Replay(i64),
    Drop,
}

/// Sends again or drops what fits.
pub(crate) struct Moving<'a> {
    filter: &'a DeadFilter,
    act: Act,
    seen: usize,
    most_seen: usize,
    pub(crate) moved: Vec<String>,
}

impl<'a> Moving<'a> {
    pub(crate) fn new(filter: &'a DeadFilter, act: Act, most_seen: usize) -> Self {
        Self { filter, act, seen: 0, most_seen, moved: Vec::new() }
    }

    /// Whether as many were moved as one call moves.
    pub(crate) fn is_full(&self) -> bool {
        self.moved.len() >= MOVED_MOST
    }
}

impl Visitor for Moving<'_> {
    fn visit(&mut self, message: Delivery) -> Fate {
        self.seen += 1;
        let letter = DeadLetter::read(&message.properties, &message.data);
        if self.is_full() || !self.filter.fits(&letter) {
            return Fate::Keep;
        }
        let fate = match self.act {
            Act::Drop => Fate::Drop,
            // It died again since this began: its webhook is disabled, say. Once is enough.
            Act::Replay(now_ms) if letter.dead_ms >= now_ms => return Fate::Keep,
            Act::Replay(now_ms) => {
                let body = Bytes::from(message.data);
                match Parked::read(&message.properties, body) {
                    Ok(parked) if letter.is_delivery() => {
                        Fate::Resend(Box::new(parked.begun_anew(now_ms).content()))
                    }
                    _ => return Fate::Keep,
                }
            }
        };
        self.moved.push(letter.delivery);
        fate
    }

    fn is_done(&self) -> bool {
        self.is_full() || self.seen >= self.most_seen
    }
}

fn key(letter: &DeadLetter) -> (i64, &str) {
    (letter.dead_ms, &letter.delivery)
}
