//! What people and background work ask of the broker, on connections of its own.
//!
//! They are opened when they are first needed and dropped at any error; every wait has a deadline.
//! Nothing here is on the way of a delivery.
//!
//! Dead letters live in their queue and nowhere else: an index beside it could not be true to it
//! after a crash, and not every store could hold one. So each question is a walk over the queue
//! (`walk.rs`), and the headers that the last one saw answer for a few seconds.

mod desk;
mod letter;
mod list;
mod prune;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::ErrorKind;
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client::desk::Desk;
use crate::client::list::{Act, Listing, Moving};
use crate::client::prune::{Pruning, Survey};
use crate::client::walk::{Visitor, Walk};
use crate::config::Config;
use crate::envelope::{Content, Parked};
use crate::metrics::Metrics;
use crate::publisher::{PublishError, Route};
use crate::session::SessionError;

pub use letter::{DeadFilter, DeadLetter, MALFORMED};
pub use list::{DeadList, DeadMoved, DeadReach, HasWebhook, TellMoved};
pub use prune::{Pruned, Retention};

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Config,
    metrics: Metrics,
    desk: Mutex<Option<Arc<Desk>>>,
    /// Held for as long as this client walks.
    known: Mutex<Known>,
}

/// What earlier walks have seen.
#[derive(Default)]
struct Known {
    listing: Option<Listing>,
    survey: Survey,
}

/// Why something asked of the broker was not done.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The broker cannot be reached, or ended the connection.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The broker did not take a message.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The broker neither took nor refused a message.
    #[error(
        "the broker took nothing within {0:?}: it blocks publishers (a memory or disk alarm) or a \
         queue is full"
    )]
    NotTaken(Duration),
    /// Somebody else works on the dead letters at this moment.
    #[error("somebody else works on the dead letters at this moment; try again shortly")]
    Busy,
    /// A dead letter that ends the connection of whoever takes it.
    #[error(
        "a message in the dead queue cannot be read and stands in the way of those behind it: \
         take it out with the broker's own tools"
    )]
    Unreadable,
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(config: Config, metrics: Metrics) -> Self {
        let (desk, known) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { config, metrics, desk, known }))
    }

    /// Hands over a delivery that is to be attempted at once; `Ok` means that the broker holds it.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: it may or may not be held.
    pub async fn submit(&self, parked: &Parked) -> Result<(), ClientError> {
        let names = &self.0.config.names;
        let route = Route { exchange: &names.dead_letter_exchange, key: &names.deliveries_queue };
        self.publish("submitted", route, &parked.content()).await
    }

    /// Publishes an operational event; nobody need be listening.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: it may or may not have been taken.
    pub async fn announce(&self, kind: &str, id: &str, body: Bytes) -> Result<(), ClientError> {
        let route = Route { exchange: &self.0.config.names.ops_exchange, key: kind };
        let content = Content::announcement(kind, id, body);
        match self.publish("ops", route, &content).await {
            // It came back unheard, on a connection that is as good as before.
            Err(ClientError::Publish(PublishError::Unroutable { .. })) => Ok(()),
            published => published,
        }
    }

    /// The dead letters that fit, newest first, at most `limit`, those after `after` in that order
    /// (the time of death and the delivery id of the last one seen).
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn dead_letters(
        &self,
        filter: &DeadFilter,
        after: Option<(i64, &str)>,
        limit: usize,
    ) -> Result<DeadList, ClientError> {
        let mut known = self.known().await?;
        if let Some(listing) = &known.listing
            && self.is_true(listing).await
        {
            return Ok(listing.page(filter, after, limit));
        }
        known.listing = None;
        let mut listing = Listing::new(self.0.config.max_walk);
        let left = self.walk(&mut listing, None).await?;
        let listing = listing.finished(left);
        let page = listing.page(filter, after, limit);
        known.listing = Some(listing);
        Ok(page)
    }

    /// Sends every dead letter that fits again, under its ids, with a schedule that begins anew. It
    /// leaves the dead queue when the broker holds the delivery, and `tell` is told then. What died
    /// at or after `now_ms` stays, as does what nobody `has_webhook` for: sent again it would be lost.
    /// Nothing more is looked at once `stop` says so.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: what was told was sent; a few more may have been, and stay among the dead.
    pub async fn replay_dead(
        &self,
        filter: &DeadFilter,
        now_ms: i64,
        has_webhook: HasWebhook<'_>,
        stop: &CancellationToken,
        tell: TellMoved<'_>,
    ) -> Result<DeadReach, ClientError> {
        self.move_dead(filter, Act::Replay(now_ms, has_webhook), stop, tell).await
    }

    /// Drops every dead letter that fits, and tells of each when it has left the queue. Nothing more
    /// is looked at once `stop` says so.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: what was told was dropped.
    pub async fn drop_dead(
        &self,
        filter: &DeadFilter,
        stop: &CancellationToken,
        tell: TellMoved<'_>,
    ) -> Result<DeadReach, ClientError> {
        self.move_dead(filter, Act::Drop, stop, tell).await
    }

    /// Drops the oldest dead letters until the rest is within `retention`, and says what is left.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: some may have been dropped.
    pub async fn prune_dead(
        &self,
        retention: Retention,
        now_ms: i64,
    ) -> Result<Pruned, ClientError> {
        let mut known = self.known().await?;
        // Nobody has asked for it since; it may be large.
        known.listing.take_if(|listing| !listing.may_be_true());
        let mut walk = Walk::begin(&self.0.config).await?;
        let pruned = self.prune(&mut walk, &mut known.survey, retention, now_ms).await;
        if pruned.as_ref().map_or(true, |pruned| pruned.dropped() > 0) {
            known.listing = None;
        }
        finish(walk, pruned).await
    }
}

impl Client {
    async fn known(&self) -> Result<MutexGuard<'_, Known>, ClientError> {
        let known = timeout(self.0.config.deadline, self.0.known.lock());
        known.await.map_err(|_| ClientError::Busy)
    }

    /// Whether the queue still looks as it did, as far as its length tells.
    async fn is_true(&self, listing: &Listing) -> bool {
        if !listing.may_be_true() {
            return false;
        }
        let Ok(desk) = self.desk().await else { return false };
        match desk.depth(&self.0.config.names.dead_queue).await {
            Ok(depth) => depth == Some(listing.total()),
            Err(_) => {
                self.leave(&desk).await;
                false
            }
        }
    }

    async fn move_dead(
        &self,
        filter: &DeadFilter,
        act: Act<'_>,
        stop: &CancellationToken,
        tell: TellMoved<'_>,
    ) -> Result<DeadReach, ClientError> {
        let mut known = self.known().await?;
        (known.listing, known.survey) = (None, Survey::default());
        let desk = match act {
            Act::Replay(..) => Some(self.desk().await?),
            Act::Drop => None,
        };
        let mut moving = Moving::new(filter, act, stop, tell);
        let walked = self.walk(&mut moving, desk.as_deref()).await;
        if let (Err(_), Some(desk)) = (&walked, &desk) {
            self.leave(desk).await;
        }
        Ok(if walked? == 0 { DeadReach::End } else { DeadReach::Cut })
    }

    /// One walk from begin to end; says how many messages it did not come to.
    async fn walk(
        &self,
        visitor: &mut impl Visitor,
        desk: Option<&Desk>,
    ) -> Result<usize, ClientError> {
        let mut walk = Walk::begin(&self.0.config).await?;
        let left = walk.go(visitor, desk).await;
        finish(walk, left).await
    }

    async fn prune(
        &self,
        walk: &mut Walk<'_>,
        survey: &mut Survey,
        retention: Retention,
        now_ms: i64,
    ) -> Result<Pruned, ClientError> {
        let count = walk.ahead().await?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        // An estimate is good enough to leave everything alone, and not to drop anything.
        if !(survey.tells_of(count) && survey.is_within(retention, count, now_ms)) {
            let mut anew = Survey::new(self.0.config.max_walk);
            walk.go(&mut anew, None).await?;
            walk.give_back().await?;
            *survey = anew;
        }
        let (bytes, oldest_ms) = (survey.bytes_of(count), survey.oldest_ms);
        if survey.is_within(retention, count, now_ms) {
            return Ok(Pruned { count, bytes, oldest_ms, ..Pruned::default() });
        }
        let mut pruning = Pruning::new(retention.goal(count, bytes), now_ms, count, bytes);
        walk.go(&mut pruning, None).await?;
        survey.settle(&pruning.pruned);
        Ok(pruning.pruned)
    }

    async fn publish(
        &self,
        target: &str,
        route: Route<'_>,
        content: &Content,
    ) -> Result<(), ClientError> {
        let desk = self.desk().await?;
        let published = desk.publish(target, route, content).await;
        match &published {
            Ok(_) | Err(ClientError::Publish(PublishError::Unroutable { .. })) => {}
            Err(_) => self.leave(&desk).await,
        }
        published.map(|_| ())
    }

    /// The connection for publishing, opened now if there is none.
    async fn desk(&self) -> Result<Arc<Desk>, ClientError> {
        let mut slot = self.0.desk.lock().await;
        if let Some(desk) = slot.as_ref().filter(|desk| desk.is_open()) {
            return Ok(Arc::clone(desk));
        }
        let desk = Arc::new(Desk::open(&self.0.config, &self.0.metrics).await?);
        *slot = Some(Arc::clone(&desk));
        Ok(desk)
    }

    /// Has the next one who publishes open a connection anew.
    async fn leave(&self, desk: &Arc<Desk>) {
        let mut slot = self.0.desk.lock().await;
        slot.take_if(|present| Arc::ptr_eq(present, desk));
    }
}

/// Ends a walk, whatever became of it; what went wrong first is told.
async fn finish<T>(walk: Walk<'_>, result: Result<T, ClientError>) -> Result<T, ClientError> {
    let ended = walk.end().await;
    let result = result.map_err(explain)?;
    ended?;
    Ok(result)
}

/// What a message does to a connection that takes it is told as such.
fn explain(error: ClientError) -> ClientError {
    match error {
        ClientError::Session(SessionError::Lost { source, .. })
            if matches!(source.kind(), ErrorKind::ParsingError(_)) =>
        {
            ClientError::Unreadable
        }
        other => other,
    }
}
