//! Where the delivery path leaves attempts: it never waits, and what finds no room is counted.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::database::DatabaseError;
use crate::log::entry::LoggedAttempt;
use crate::log::id::Id;
use crate::log::waiting::{Waiting, WaitingAttempt};

/// So many attempts wake the writer before its time.
const MANY: usize = 8_192;

/// Where the delivery path leaves attempts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Queue>);

/// Why an attempt is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It found no room among those that wait to be written.
    Full,
    /// The database refused it again and again.
    Refused,
    /// It still waited when the time for the end was over.
    Ended,
}

/// How the log is doing; no number depends on another one.
#[derive(Debug, Default)]
pub struct LogStatus {
    waiting: AtomicU64,
    waiting_bytes: AtomicUsize,
    written: AtomicU64,
    dropped: [AtomicU64; NotKept::ALL.len()],
    errors: AtomicU64,
    forgotten: AtomicU64,
    rows: AtomicI64,
    oldest_ms: AtomicI64,
    trouble: watch::Sender<Option<String>>,
}

/// What waits for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// For hashes that nobody outside can foresee.
    secret: RandomState,
    max_bytes: usize,
    full: Notify,
    status: LogStatus,
}

impl Recorder {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    /// Leaves an attempt to be written; never waits. What finds no room is counted.
    pub fn offer(&self, attempt: LoggedAttempt) {
        let Queue { status, secret, max_bytes, full, .. } = &*self.0;
        let hash = secret.hash_one(attempt.event.id().as_str());
        let pushed = Id::parse(attempt.delivery.as_str()).ok_or(NotKept::Refused).and_then(|id| {
            let mut waiting = self.0.waiting();
            let room = max_bytes.saturating_sub(status.waiting_bytes.load(Ordering::Relaxed));
            let cost = waiting.push(attempt, id, hash, room).ok_or(NotKept::Full)?;
            status.waiting.fetch_add(1, Ordering::Relaxed);
            status.waiting_bytes.fetch_add(cost, Ordering::Relaxed);
            Ok(waiting.attempts().len())
        });
        match pushed {
            Err(why) => status.count_dropped(1, why),
            // Once: who takes them takes all.
            Ok(MANY) => full.notify_one(),
            Ok(_) => {}
        }
    }

    /// Attempts that were not kept since the start, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        NotKept::ALL.iter().map(|why| self.status().dropped(*why)).sum()
    }

    /// How the log is doing.
    #[must_use]
    pub fn status(&self) -> &LogStatus {
        &self.0.status
    }
}

impl NotKept {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::Full, Self::Refused, Self::Ended];

    /// As it is written in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

impl LogStatus {
    /// Attempts written since the start.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Attempts that were not kept since the start, for this reason.
    #[must_use]
    pub fn dropped(&self, why: NotKept) -> u64 {
        self.dropped[why as usize].load(Ordering::Relaxed)
    }

    /// Attempts that wait to be written.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Times that writing or forgetting failed since the start.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Deliveries that were forgotten since the start, for their age or their number.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Memory of attempts that wait to be written, in bytes.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// Deliveries and past attempts that the log holds, as of the last look at what is to be
    /// forgotten.
    #[must_use]
    pub fn rows(&self) -> u64 {
        u64::try_from(self.rows.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// When the last attempt of the oldest delivery in the log began, in ms since 1970; 0 where
    /// there is none. As of the last look.
    #[must_use]
    pub fn oldest_ms(&self) -> i64 {
        self.oldest_ms.load(Ordering::Relaxed)
    }

    /// Why nothing can be written at the moment, in one line; `None` while it can, as far as is known.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    fn count_dropped(&self, amount: usize, why: NotKept) {
        self.dropped[why as usize].fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cannot_write(&self, error: &DatabaseError) {
        let why = error.to_string();
        self.trouble.send_if_modified(|trouble| {
            let news = trouble.as_ref() != Some(&why);
            *trouble = Some(why);
            news
        });
    }

    /// All that waited is written.
    pub(super) fn wrote_all(&self) {
        self.trouble.send_if_modified(|trouble| trouble.take().is_some());
    }

    pub(super) fn looked(&self, forgotten: u64, rows: i64, oldest_ms: i64) {
        self.forgotten.fetch_add(forgotten, Ordering::Relaxed);
        self.rows.store(rows, Ordering::Relaxed);
        self.oldest_ms.store(oldest_ms, Ordering::Relaxed);
    }
}

impl Queue {
    pub(super) fn new(max_bytes: usize) -> Self {
        let (waiting, secret) = (Mutex::default(), RandomState::new());
        Self { waiting, secret, max_bytes, full: Notify::new(), status: LogStatus::default() }
    }

    pub(super) fn status(&self) -> &LogStatus {
        &self.status
    }

    /// Resolves when much waits.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }

    /// Takes everything and leaves `room`, which is empty; what is taken goes on to count as waiting
    /// until it is written or dropped.
    pub(super) fn take(&self, room: Waiting) -> Waiting {
        std::mem::replace(&mut *self.waiting(), room)
    }

    /// These were written.
    pub(super) fn wrote(&self, attempts: &[WaitingAttempt]) {
        self.release(attempts);
        self.status.written.fetch_add(attempts.len() as u64, Ordering::Relaxed);
    }

    /// These are given up.
    pub(super) fn dropped(&self, attempts: &[WaitingAttempt], why: NotKept) {
        self.release(attempts);
        self.status.count_dropped(attempts.len(), why);
    }

    fn release(&self, attempts: &[WaitingAttempt]) {
        let bytes = attempts.iter().map(WaitingAttempt::cost).sum();
        self.status.waiting.fetch_sub(attempts.len() as u64, Ordering::Relaxed);
        self.status.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
