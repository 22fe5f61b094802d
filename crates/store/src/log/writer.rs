//! Writes what the delivery path left, in batches, and forgets what is beyond the bounds.
//!
//! While the database fails, everything waits within its bound and is tried again after a pause, at the
//! end too, for as long as that is given. A
//! batch that fails is tried again by half, so that one attempt that cannot be written holds up
//! nothing but itself, and not for long.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::database::{DatabaseError, Pool};
use crate::log::LogBounds;
use crate::log::batch::{self, Memory};
use crate::log::prune;
use crate::log::record::{NotKept, Queue};
use crate::log::waiting::Waiting;
use crate::store::now_ms;

/// How often what waits is written: long enough to make batches, short enough to look live.
const EVERY: Duration = Duration::from_millis(250);
/// Attempts of one transaction at most.
const BATCH: usize = 8_192;
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one transaction may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often an attempt that fails alone is tried.
const TRIES: u32 = 10;
/// How often the log looks for what is to be forgotten.
const LOOK: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    pool: Arc<Pool>,
    queue: Arc<Queue>,
    bounds: LogBounds,
    memory: Memory,
    /// Taken from the queue, oldest first.
    taken: Waiting,
    /// How many of those are done with.
    done: usize,
    batch: usize,
    tries: u32,
    looked: Option<Instant>,
}

/// What follows from a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Done,
    Failed,
}

impl Writer {
    pub(super) fn new(pool: Arc<Pool>, queue: Arc<Queue>, bounds: LogBounds) -> Self {
        let memory = Memory::new(pool.kind());
        let (taken, done, batch, tries) = (Waiting::default(), 0, BATCH, 0);
        Self { pool, queue, bounds, memory, taken, done, batch, tries, looked: None }
    }

    /// Writes until `shutdown`, which says until when what waits then may be tried.
    pub(super) async fn run(mut self, shutdown: impl Future<Output = Instant>) {
        let (tell, told) = watch::channel(None);
        let signal = async move {
            tell.send_replace(Some(shutdown.await));
        };
        tokio::join!(signal, self.work(told));
        self.queue.dropped(&self.taken.attempts()[self.done..], NotKept::Ended);
        self.queue.dropped(self.queue.take(Waiting::default()).attempts(), NotKept::Ended);
    }

    async fn work(&mut self, told: watch::Receiver<Option<Instant>>) {
        let mut late = pin!(async {
            sleep_until(wait(told.clone()).await).await;
        });
        loop {
            let ending = told.borrow().is_some();
            let turn = tokio::select! {
                turn = self.turn() => turn,
                () = &mut late => return,
            };
            // What was taken before may have been written while more came.
            if ending && turn == Turn::Done && self.queue.status().waiting() == 0 {
                return;
            }
            let queue = Arc::clone(&self.queue);
            let rest = async move {
                match turn {
                    Turn::Failed => sleep(PAUSE).await,
                    Turn::Done => tokio::select! {
                        () = queue.full() => {}
                        () = sleep(EVERY) => {}
                    },
                }
            };
            tokio::select! {
                () = rest => {}
                _ = wait(told.clone()), if !ending => {}
                () = &mut late => return,
            }
        }
    }

    /// Writes all that waits, and forgets a part of what is to be forgotten.
    async fn turn(&mut self) -> Turn {
        if self.taken.attempts().is_empty() {
            self.take();
        }
        let begun = self.done;
        while self.done < self.taken.attempts().len() {
            let part = self.done..self.taken.attempts().len().min(self.done + self.batch);
            let result = write(&self.pool, &mut self.memory, &self.taken, part.clone()).await;
            if let Err(error) = result {
                self.failed(&error, part.len());
                return Turn::Failed;
            }
            self.queue.wrote(&self.taken.attempts()[part.clone()]);
            self.done = part.end;
            self.batch = BATCH.min(self.batch * 2);
            self.tries = 0;
        }
        self.queue.status().wrote_all();
        let written = self.done - begun;
        self.taken.clear();
        self.done = 0;
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            return self.forget(written).await;
        }
        Turn::Done
    }

    /// Takes what waits, and leaves the room of what was taken before.
    fn take(&mut self) {
        let room = std::mem::take(&mut self.taken);
        self.taken = self.queue.take(room);
    }

    fn failed(&mut self, error: &DatabaseError, amount: usize) {
        self.queue.status().count_error();
        self.batch = (amount / 2).max(1);
        // Only an answer of the database says something about the attempt.
        let answered = matches!(error, DatabaseError::Database(sqlx::Error::Database(_)));
        if amount > 1 || !answered {
            self.queue.status().cannot_write(error);
            return;
        }
        self.tries += 1;
        if self.tries >= TRIES {
            self.queue.dropped(&self.taken.attempts()[self.done..=self.done], NotKept::Refused);
            self.done += 1;
            self.tries = 0;
        }
    }

    /// Forgets more than was just written, so that the bound is met however much that is.
    async fn forget(&mut self, written: usize) -> Turn {
        for _ in 0..=written / prune::CHUNK {
            let now = now_ms();
            let work = prune::prune(&self.pool, &mut self.memory, self.bounds, now);
            match bounded(work).await {
                Ok(pruned) => {
                    let status = self.queue.status();
                    status.looked(pruned.forgotten, pruned.amount, pruned.oldest_ms);
                    if !pruned.more {
                        self.looked = Some(Instant::now());
                        break;
                    }
                }
                Err(_) => {
                    self.queue.status().count_error();
                    self.looked = Some(Instant::now());
                    break;
                }
            }
        }
        Turn::Done
    }
}

async fn write(
    pool: &Pool,
    memory: &mut Memory,
    waiting: &Waiting,
    part: Range<usize>,
) -> Result<(), DatabaseError> {
    bounded(async { batch::write(pool.ready().await?, memory, waiting, part).await }).await
}

async fn bounded<T>(
    work: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    let late = |_| Err(DatabaseError::Database(sqlx::Error::PoolTimedOut));
    timeout(PATIENCE, work).await.unwrap_or_else(late)
}

/// Resolves when the end was told: until when it may last. At once where nobody is left to tell it.
async fn wait(mut told: watch::Receiver<Option<Instant>>) -> Instant {
    let told = told.wait_for(Option::is_some).await;
    told.ok().and_then(|told| *told).unwrap_or_else(Instant::now)
}
