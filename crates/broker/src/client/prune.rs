//! Retention: dead letters do not pile up for ever, and what is dropped is counted.
//!
//! The oldest go first, and they stand at the front of the queue. How many bytes there are, and how
//! old the oldest is, no broker tells, so a survey of the whole queue is made when its length has
//! changed much since the last one, and every hour. What is within all bounds by it is left alone:
//! even one look at the front is a walk over the whole queue, or its order would change. For the same
//! reason, what is beyond a bound is dropped a hundredth of it at a time.

use std::time::Duration;

use lapin::message::Delivery;
use tokio::time::Instant;

use crate::client::letter::DeadLetter;
use crate::client::walk::{Fate, Visitor};

/// What a letter takes beside its body, in bytes: headers, and what the broker keeps. A guess that
/// keeps many small letters from counting as nothing.
const AROUND: u64 = 512;

/// How long a survey is believed: people may have taken the oldest away elsewhere.
const BELIEVED: Duration = Duration::from_secs(60 * 60);

/// The part of a bound by which it is overdrawn (in time) or underrun (in number and bytes), so that
/// not every new letter means a walk.
const SLACK: u32 = 100;

/// How much of dead letters is kept; each bound counts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long after its death one is kept.
    pub max_age: Duration,
    /// Bytes of them all.
    pub max_bytes: u64,
    /// How many there may be.
    pub max_count: u64,
}

impl Retention {
    /// What is to be reached by dropping, so that there is room for a while.
    pub(crate) fn goal(self, count: u64, bytes: u64) -> Self {
        let lower = |max: u64, now: u64| if now > max { max - max / u64::from(SLACK) } else { max };
        let (max_bytes, max_count) = (lower(self.max_bytes, bytes), lower(self.max_count, count));
        Self { max_bytes, max_count, ..self }
    }
}

/// What is kept after the retention, and what was dropped for which reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Dropped because of their age.
    pub by_age: u64,
    /// Dropped because of all their bytes.
    pub by_bytes: u64,
    /// Dropped because of their number.
    pub by_count: u64,
    /// When the oldest that is left was given up, ms since 1970; none where the first letters do not
    /// say.
    pub oldest_ms: Option<i64>,
    /// How many are left.
    pub count: u64,
    /// About how many bytes they are.
    pub bytes: u64,
}

impl Pruned {
    /// All that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.by_age + self.by_bytes + self.by_count
    }
}

/// Sizes and ages of dead letters, as of the last time that all of them were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Survey {
    most: usize,
    seen: u64,
    bytes: u64,
    /// When the oldest of them died, ms since 1970.
    pub(crate) oldest_ms: Option<i64>,
    at: Option<Instant>,
}

impl Survey {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, at: Some(Instant::now()), ..Self::default() }
    }

    /// Whether `count` letters are within all bounds, as far as this tells.
    pub(crate) fn is_within(&self, retention: Retention, count: u64, now_ms: i64) -> bool {
        let Retention { max_age, max_bytes, max_count } = retention;
        let late = max_age.saturating_add(max_age / SLACK);
        let too_old = self.oldest_ms.is_some_and(|oldest| age(oldest, now_ms) > late);
        !too_old && count <= max_count && self.bytes_of(count) <= max_bytes
    }

    /// Whether it tells of a queue of `count` letters: an eighth more or fewer are as large.
    pub(crate) fn tells_of(&self, count: u64) -> bool {
        if self.at.is_none_or(|at| at.elapsed() > BELIEVED) {
            return false;
        }
        let seen_most = self.most > 0 && self.seen >= self.most as u64;
        seen_most && count >= self.seen || self.seen.abs_diff(count) <= count / 8
    }

    /// Takes in what a retention has dropped.
    pub(crate) fn settle(&mut self, pruned: &Pruned) {
        if pruned.dropped() > 0 {
            (self.seen, self.bytes) = (pruned.count, pruned.bytes);
            self.oldest_ms = pruned.oldest_ms;
        }
    }

    /// What `count` letters of the same kind take.
    pub(crate) fn bytes_of(&self, count: u64) -> u64 {
        let average = u128::from(self.bytes) * u128::from(count) / u128::from(self.seen.max(1));
        average.try_into().unwrap_or(u64::MAX)
    }
}

impl Visitor for Survey {
    fn visit(&mut self, message: Delivery) -> Fate {
        self.seen += 1;
        self.bytes += size(&message);
        let letter = DeadLetter::read(&message.properties, &message.data);
        if letter.is_delivery() {
            let oldest = self.oldest_ms.get_or_insert(letter.dead_ms);
            *oldest = letter.dead_ms.min(*oldest);
        }
        Fate::Keep
    }

    fn is_done(&self) -> bool {
        self.seen >= self.most as u64
    }
}

/// Drops what is beyond the bounds, from the front, until a window holds something to be kept.
pub(crate) struct Pruning {
    retention: Retention,
    now_ms: i64,
    kept: u64,
    pub(crate) pruned: Pruned,
}

impl Pruning {
    /// For a queue of `count` letters of about so many bytes.
    pub(crate) fn new(retention: Retention, now_ms: i64, count: u64, bytes: u64) -> Self {
        let pruned = Pruned { count, bytes, ..Pruned::default() };
        Self { retention, now_ms, kept: 0, pruned }
    }

    fn judge(&mut self, letter: &DeadLetter, size: u64) -> Fate {
        let Retention { max_age, max_bytes, max_count } = self.retention;
        // What is malformed has no time of death; it goes when it is in the way.
        let dated = letter.is_delivery();
        let pruned = &self.pruned;
        let (too_many, too_large) = (pruned.count > max_count, pruned.bytes > max_bytes);
        let reason = if dated && age(letter.dead_ms, self.now_ms) > max_age {
            &mut self.pruned.by_age
        } else if too_many {
            &mut self.pruned.by_count
        } else if too_large {
            &mut self.pruned.by_bytes
        } else {
            self.kept += 1;
            if dated {
                let oldest = self.pruned.oldest_ms.get_or_insert(letter.dead_ms);
                *oldest = letter.dead_ms.min(*oldest);
            }
            return Fate::Keep;
        };
        *reason += 1;
        self.pruned.count = self.pruned.count.saturating_sub(1);
        self.pruned.bytes = self.pruned.bytes.saturating_sub(size);
        Fate::Drop
    }
}

impl Visitor for Pruning {
    fn visit(&mut self, message: Delivery) -> Fate {
        let letter = DeadLetter::read(&message.properties, &message.data);
        self.judge(&letter, size(&message))
    }

    fn is_done(&self) -> bool {
        self.kept > 0
    }
}

fn age(dead_ms: i64, now_ms: i64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(dead_ms).try_into().unwrap_or_default())
}

fn size(message: &Delivery) -> u64 {
    AROUND.saturating_add(message.data.len() as u64)
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;

    use super::*;

    const RETENTION: Retention =
        Retention { max_age: Duration::from_secs(1), max_bytes: 1_000, max_count: 10 };

    fn letter(reason: &str, dead_ms: i64) -> DeadLetter {
        let malformed = DeadLetter::read(&BasicProperties::default(), b"");
        DeadLetter { reason: reason.to_owned(), dead_ms, ..malformed }
    }

    #[test]
    fn each_bound_drops_and_says_so() {
        let mut pruning = Pruning::new(RETENTION, 10_000, 12, 1_040);
        let fates: [(&str, i64, bool); 5] = [
            ("gave_up", 8_999, true),  // too old; 11 left
            ("malformed", 0, true),    // one too many; 10 left
            ("gave_up", 9_500, true),  // 1,020 bytes; 1,010 left
            ("gave_up", 9_400, true),  // 1,000 left
            ("gave_up", 9_600, false), // within all bounds
        ];
        for (reason, dead_ms, dropped) in fates {
            let fate = pruning.judge(&letter(reason, dead_ms), 10);
            assert_eq!(matches!(fate, Fate::Drop), dropped, "{reason} {dead_ms}");
        }
        let pruned = pruning.pruned;
        assert_eq!((pruned.by_age, pruned.by_count, pruned.dropped()), (1, 1, 4));
        assert_eq!((pruned.oldest_ms, pruned.count), (Some(9_600), 8));
    }

    #[test]
    fn a_survey_tells_of_queues_of_about_the_same_length() {
        let survey = Survey { seen: 100, bytes: 50_000, ..Survey::new(1_000) };
        assert!(survey.tells_of(100) && survey.tells_of(110) && !survey.tells_of(200));
        assert_eq!(survey.bytes_of(110), 55_000);
        let whole = Survey { seen: 100, bytes: 50_000, ..Survey::new(100) };
        assert!(whole.tells_of(5_000) && !whole.tells_of(50));
        assert!(!Survey::default().tells_of(0) && !Survey::new(100).tells_of(1));
    }

    #[test]
    fn bounds_have_room_so_that_not_every_letter_means_a_walk() {
        let within = |age_ms: i64, count: u64| {
            let oldest_ms = Some(10_000 - age_ms);
            let survey = Survey { seen: 10, bytes: 1_000, oldest_ms, ..Survey::new(1_000) };
            survey.is_within(RETENTION, count, 10_000)
        };
        assert!(within(1_010, 10) && !within(1_011, 10) && !within(0, 11));
        let wide = Retention { max_count: 1_000, ..RETENTION };
        assert_eq!(wide.goal(1_000, 1_001), Retention { max_bytes: 990, ..wide });
        assert_eq!(wide.goal(1_001, 1_000), Retention { max_count: 990, ..wide });
    }
}
