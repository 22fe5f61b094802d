//! Deliveries as they happen, as server-sent events.
//!
//! The log is asked for what is newer than the last row that was sent. It is the database's, so a
//! stream sees what every replica delivers. A stream ends after a while and the browser opens the
//! next one, which asks anew who it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::answer::visible;
use super::view::rows;
use crate::clock::now_ms;
use crate::desk::{DeliveriesAsked, Desk};
use crate::metrics::{Metrics, OpenStream};
use crate::problem::{Problem, ProblemKind};

/// The most streams at the same time.
const MAX_STREAMS: usize = 64;
/// How often the log is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a stream lasts.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// How often something is sent although nothing happens, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The most rows at once; who falls behind by more sees the newest.
const MOST_ROWS: u32 = 50;

/// Hands out streams. Cheap to clone.
#[derive(Clone)]
pub(super) struct Live {
    slots: Arc<Semaphore>,
    metrics: Metrics,
    stop: CancellationToken,
}

/// Where a stream stands.
struct Reader {
    desk: Desk,
    asked: DeliveriesAsked,
    after: i64,
    /// Whether who asked may still see it.
    still: Box<dyn Fn() -> bool + Send>,
    until: Instant,
    first: bool,
    _slot: (OwnedSemaphorePermit, OpenStream),
}

impl Live {
    /// Streams that all end when `stop` says so.
    pub(super) fn new(metrics: Metrics, stop: CancellationToken) -> Self {
        Self { slots: Arc::new(Semaphore::new(MAX_STREAMS)), metrics, stop }
    }

    /// Rows of the deliveries that are asked for, each that changes after `after`, as
    /// long as whoever asked may `still` see them.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Busy`] where there are too many streams.
    pub(super) fn open(
        &self,
        desk: Desk,
        asked: DeliveriesAsked,
        after: i64,
        still: Box<dyn Fn() -> bool + Send>,
    ) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            self.metrics.stream_refused();
            Problem::new(ProblemKind::Busy, "too many pages are open; reload to see what is new")
        })?;
        let asked = DeliveriesAsked { limit: MOST_ROWS, cursor: None, ..asked };
        let until = Instant::now() + LIFE;
        let slot = (slot, self.metrics.stream_opened());
        let reader = Reader { desk, asked, after, still, until, first: true, _slot: slot };
        let events = stream::unfold(reader, Reader::next)
            .flat_map(stream::iter)
            .map(Ok)
            .take_until(self.stop.clone().cancelled_owned());
        Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
    }
}

impl Reader {
    /// What is new, and the reader that goes on after it.
    async fn next(mut self) -> Option<(Vec<Event>, Self)> {
        if !std::mem::take(&mut self.first) {
            sleep(PERIOD).await;
        }
        if Instant::now() >= self.until || !(self.still)() {
            return None;
        }
        // A log that is away for a moment is asked again.
        let Ok(found) = self.desk.deliveries(&self.asked).await else {
            return Some((Vec::new(), self));
        };
        let now = now_ms();
        let new = found.items.iter().filter(|row| row.position.0 > self.after).rev();
        let events = new.map(|row| {
            let drawn = visible(rows::row(row, now));
            // A line may hold neither; in a row they are but white space.
            let drawn = drawn.replace(['\r', '\n'], " ");
            Event::default().event("delivery").id(row.position.0.to_string()).data(drawn)
        });
        let events = events.collect();
        let newest = found.items.iter().map(|row| row.position.0).max();
        self.after = newest.map_or(self.after, |newest| newest.max(self.after));
        Some((events, self))
    }
}
