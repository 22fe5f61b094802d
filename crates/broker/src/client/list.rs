//! Listing dead letters, and sending again or dropping those that are meant.

use std::collections::HashMap;

use bytes::Bytes;
use lapin::message::Delivery;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::client::letter::{DeadFilter, DeadLetter};
use crate::client::walk::{Fate, Visitor};
use crate::envelope::Parked;

/// How long a listing is shown again if the queue is as long as it was: a page that is reloaded, or
/// turned.
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

/// A letter that was sent again, or dropped: the broker has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMoved {
    /// The delivery.
    pub delivery: String,
    /// Attempts that had been made.
    pub attempts: u32,
}

/// How far a call came that sends dead letters again or drops them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReach {
    /// Every letter was looked at, and what was meant is done.
    End,
    /// It was stopped, or at its bounds, before the end of the queue: those behind were not looked at.
    Cut,
}

/// Takes the letters that have left the queue, piece by piece; the walk waits for room. The first piece
/// says that the walk has begun, and may be empty.
pub type TellMoved<'a> = &'a mpsc::Sender<Vec<DeadMoved>>;

/// Whether there is a webhook that this letter can be sent to; asked once of each that is to be sent.
pub type HasWebhook<'a> = &'a (dyn Fn(&DeadLetter) -> bool + Sync);

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
        let left = self.left.saturating_add(left);
        Self { left, at: Instant::now(), ..self }
    }

    pub(crate) fn total(&self) -> usize {
        self.letters.len().saturating_add(self.left)
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
#[derive(Clone, Copy)]
pub(crate) enum Act<'a> {
    /// Send it again if there is somebody to send it to; its schedule begins at this time, ms since
    /// 1970.
    Replay(i64, HasWebhook<'a>),
    Drop,
}

/// Sends again or drops what fits, wherever it stands in the queue: of what does not fit nothing is
/// held here.
pub(crate) struct Moving<'a> {
    filter: &'a DeadFilter,
    act: Act<'a>,
    /// Those of the present window that are to leave, by their tags.
    leaving: HashMap<u64, DeadMoved>,
    stop: &'a CancellationToken,
    tell: TellMoved<'a>,
    /// Whether anything was told.
    begun: bool,
}

impl<'a> Moving<'a> {
    /// Looks at nothing more once `stop` says so.
    pub(crate) fn new(
        filter: &'a DeadFilter,
        act: Act<'a>,
        stop: &'a CancellationToken,
        tell: TellMoved<'a>,
    ) -> Self {
        Self { filter, act, leaving: HashMap::new(), stop, tell, begun: false }
    }
}

impl Visitor for Moving<'_> {
    fn visit(&mut self, message: Delivery) -> Fate {
        let letter = DeadLetter::read(&message.properties, &message.data);
        if !self.filter.fits(&letter) {
            return Fate::Keep;
        }
        let tag = message.delivery_tag;
        let fate = match self.act {
            Act::Drop => Fate::Drop,
            // It died again since this began: its webhook is disabled, say. Once is enough.
            Act::Replay(now_ms, _) if letter.dead_ms >= now_ms => return Fate::Keep,
            Act::Replay(now_ms, has_webhook) => {
                let body = Bytes::from(message.data);
                match Parked::read(&message.properties, body) {
                    Ok(parked) if letter.is_delivery() && has_webhook(&letter) => {
                        Fate::Resend(Box::new(parked.begun_anew(now_ms).content()))
                    }
                    _ => return Fate::Keep,
                }
            }
        };
        let moved = DeadMoved { delivery: letter.delivery, attempts: letter.attempts };
        self.leaving.insert(tag, moved);
        fate
    }

    async fn left(&mut self, tags: &[u64]) {
        let moved: Vec<_> = tags.iter().filter_map(|tag| self.leaving.remove(tag)).collect();
        if !moved.is_empty() || !std::mem::replace(&mut self.begun, true) {
            // Nobody need listen.
            self.tell.send(moved).await.unwrap_or_default();
        }
    }

    fn is_done(&self) -> bool {
        self.stop.is_cancelled()
    }
}

fn key(letter: &DeadLetter) -> (i64, &str) {
    (letter.dead_ms, &letter.delivery)
}
