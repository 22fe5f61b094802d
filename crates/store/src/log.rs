//! The delivery log: every attempt, and what became of every delivery.
//!
//! The delivery path offers attempts (`record`) and goes on; a writer (`writer`) takes them in
//! batches (`batch`). What could not be kept is counted, and nothing waits for it.
//!
//! What a healthy delivery costs decides the tables. It is one row; its event is a part of another,
//! a `chunk`, and shared by all deliveries of that event; attempts have rows of their own only where
//! there is more than one.
//! Indexes begin with an *era*, a stretch of numbers: so a batch touches few pages of them, however
//! large the log is, and readers (`query`) go era by era. What charts show is counted while writing
//! (`hours`).

mod batch;
mod chunk;
mod entry;
mod events;
mod health;
mod hours;
mod id;
mod mark;
mod names;
mod of_event;
mod packed;
mod prune;
mod query;
mod recent;
mod record;
mod row;
mod rows;
mod sql;
mod waiting;
mod writer;

pub use self::entry::{DeliveryState, LoggedAttempt, LoggedEvent, LoggedNext};
pub use self::health::{Failing, HealthNote};
pub use self::hours::{Counts, Stretch};
pub use self::mark::{Behind, Decided};
pub use self::query::{AttemptRow, DeliveryDetail, DeliveryQuery, DeliveryRow, Page, Position};
pub use self::record::{LogStatus, NotKept, Recorder};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event::{DeliveryId, EventId};
use subscriptions::WebhookId;
use tokio::time::Instant;

use self::record::Queue;
use self::writer::Writer;
use crate::database::{DatabaseError, Missing, Place, Pool, Tables};
use crate::locator::{InvalidStoreUrl, Locator};
use crate::options::{OpenError, Options};
use crate::store::now_ms;

/// The log's file beside the webhooks' one.
const FILE: &str = "deliveries.db";
/// Its name where the webhooks' own file is called so.
const OTHER_FILE: &str = "deliveries-log.db";

/// What a writer may hold and how long the log remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogBounds {
    /// Bytes of attempts that wait to be written; what comes beyond is not kept, and counted.
    pub max_waiting_bytes: usize,
    /// Deliveries older than this are forgotten.
    pub max_age: Duration,
    /// Deliveries and attempts beyond so many are forgotten, oldest first.
    pub max_rows: u64,
}

/// The log, to be read and written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DeliveryLog(Arc<Pool>);

impl DeliveryLog {
    /// The log that belongs to the store at `url`: the same database for PostgreSQL, a file
    /// `deliveries.db` beside the one of SQLite, and one in the state directory for a TOML file.
    /// Reaches for no server. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// [`OpenError`] as for the store.
    pub fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let (place, tables) = place_with(&Locator::try_new(url)?, options);
        Ok(Self(Arc::new(Pool::open(place, tables, Missing::Make)?)))
    }

    /// The log at a URL of its own, which is one of a database.
    ///
    /// # Errors
    ///
    /// [`OpenError`] as for the store.
    pub fn open_at(url: &str) -> Result<Self, OpenError> {
        let (place, tables) = place_at(url)?;
        Ok(Self(Arc::new(Pool::open(place, tables, Missing::Make)?)))
    }

    /// Whether [`DeliveryLog::open_at`] would find a place that it can use.
    ///
    /// # Errors
    ///
    /// [`OpenError`] as for the store.
    pub fn check_at(url: &str) -> Result<(), OpenError> {
        Ok(place_at(url)?.0.check()?)
    }

    /// Whether there is a log already that [`DeliveryLog::open`] would open and not make.
    ///
    /// # Errors
    ///
    /// The URL names no store.
    pub fn is_there(url: &str, options: &Options) -> Result<bool, OpenError> {
        Ok(place_with(&Locator::try_new(url)?, options).0.is_there())
    }

    /// Whether there is a log already that [`DeliveryLog::open_at`] would open and not make.
    ///
    /// # Errors
    ///
    /// The URL names no database.
    pub fn is_there_at(url: &str) -> Result<bool, OpenError> {
        Ok(place_at(url)?.0.is_there())
    }

    /// Ends all connections; an embedded one is whole in its file then.
    pub async fn close(&self) {
        self.0.close().await;
    }

    /// A recorder, and what writes what it is given until `shutdown`, which says until when it may go
    /// on trying to write what waits then; it ends as soon as all is written, and at that time at
    /// the latest. It also forgets what is beyond the bounds.
    pub fn writer<S: Future<Output = Instant> + Send + 'static>(
        &self,
        bounds: LogBounds,
        shutdown: S,
    ) -> (Recorder, impl Future<Output = ()> + Send + 'static + use<S>) {
        let queue = Arc::new(Queue::new(bounds.max_waiting_bytes));
        let writer = Writer::new(Arc::clone(&self.0), Arc::clone(&queue), bounds);
        (Recorder::new(queue), writer.run(shutdown))
    }

    /// Deliveries, the one that changed last first; at most 500.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn deliveries(
        &self,
        query: &DeliveryQuery,
    ) -> Result<Page<DeliveryRow>, DatabaseError> {
        query::deliveries(self.0.ready().await?, query).await
    }

    /// One delivery with everything about it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn delivery(&self, id: &str) -> Result<Option<DeliveryDetail>, DatabaseError> {
        query::delivery(self.0.ready().await?, self.0.kind(), id).await
    }

    /// The deliveries of an event to these webhooks, the one that changed last first. Costs as much as
    /// a look at one delivery for each of them.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn of_event(
        &self,
        event: &EventId,
        webhooks: &[WebhookId],
    ) -> Result<Vec<DeliveryRow>, DatabaseError> {
        of_event::deliveries(self.0.ready().await?, self.0.kind(), event, webhooks).await
    }

    /// The deliveries of a webhook that are dead letters and had their last attempt at or after
    /// `since_ms`, with their events, the one that changed last first.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn failed_since(
        &self,
        webhook: &WebhookId,
        since_ms: i64,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Page<(DeliveryRow, LoggedEvent)>, DatabaseError> {
        let query = DeliveryQuery {
            webhook: Some(webhook.clone()),
            state: Some(DeliveryState::Dead),
            since_ms: Some(since_ms),
            after,
            limit,
            ..DeliveryQuery::default()
        };
        query::deliveries_with_events(self.0.ready().await?, &query).await
    }

    /// What happened to each of these webhooks (at most 200) per hour since `since_ms`, hours in
    /// which nothing happened left out. The first hour is whole.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn hours(
        &self,
        webhooks: &[WebhookId],
        since_ms: i64,
    ) -> Result<BTreeMap<WebhookId, Vec<Stretch>>, DatabaseError> {
        let webhooks = &webhooks[..webhooks.len().min(200)];
        hours::read(self.0.ready().await?, webhooks, since_ms, now_ms()).await
    }

    /// What a webhook's deliveries and attempts came to since the beginning of the hour of
    /// `since_ms`.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn counts(
        &self,
        webhook: &WebhookId,
        since_ms: i64,
    ) -> Result<Counts, DatabaseError> {
        let pool = self.0.ready().await?;
        match names::find(pool, webhook.as_str()).await? {
            Some(number) => hours::count(pool, number, since_ms, now_ms()).await,
            None => Ok(Counts::default()),
        }
    }

    /// The events that came last and were delivered or tried, newest first; at most 500.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn recent_events(&self, limit: u32) -> Result<Vec<LoggedEvent>, DatabaseError> {
        let limit = usize::try_from(limit.min(query::MOST)).unwrap_or_default();
        events::recent(self.0.ready().await?, limit).await
    }

    /// An event with its body, where the log still has its delivery for this webhook. (Events have
    /// no index of their own: it would cost every delivery for the few that are looked for.)
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn event(
        &self,
        event: &EventId,
        webhook: &WebhookId,
    ) -> Result<Option<LoggedEvent>, DatabaseError> {
        let id = DeliveryId::derive(event, webhook.as_str());
        Ok(self.delivery(id.as_str()).await?.map(|delivery| delivery.event))
    }

    /// Notes that these deliveries were sent again (`Waiting`) or dropped (`Dropped`) by people, at
    /// `at_ms` (ms since 1970): before it was done, so that what came of it counts as later. Those
    /// that the log does not know are passed over, as are those that are dropped and were not dead,
    /// and those that were attempted since. Gives those that were left because the log is `behind`.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn mark(
        &self,
        decided: &[Decided],
        state: DeliveryState,
        at_ms: i64,
        behind: Behind,
    ) -> Result<Vec<Decided>, DatabaseError> {
        mark::mark(&self.0, decided, state, at_ms, behind).await
    }

    /// Notes how webhooks are doing.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn note_health(
        &self,
        notes: &[(WebhookId, HealthNote)],
    ) -> Result<(), DatabaseError> {
        health::note(self.0.ready().await?, notes).await
    }

    /// The webhooks of which every attempt fails, the longest first.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn failing(&self) -> Result<Vec<Failing>, DatabaseError> {
        health::failing(self.0.ready().await?).await
    }

    /// Notes that so much (percent) was told of a stretch of failures; `true` for the one replica
    /// that was first.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn set_told(
        &self,
        webhook: &WebhookId,
        since_ms: i64,
        told: u8,
    ) -> Result<bool, DatabaseError> {
        health::set_told(self.0.ready().await?, webhook, since_ms, told).await
    }

    /// Whether nobody has claimed this before; it is claimed now, for one replica to act on.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn claim(&self, name: &str, now_ms: i64) -> Result<bool, DatabaseError> {
        health::claim(self.0.ready().await?, name, now_ms).await
    }

    /// Forgets how a webhook was doing: it was enabled anew, or deleted.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn forget_health(&self, webhook: &WebhookId) -> Result<(), DatabaseError> {
        health::forget(self.0.ready().await?, webhook).await
    }
}

fn place_with(store: &Locator, options: &Options) -> (Place, Tables) {
    match store {
        Locator::File(_) => (Place::Sqlite(options.state_dir.join(FILE)), Tables::Log),
        Locator::Database(Place::Sqlite(path)) => (beside(path), Tables::Log),
        Locator::Database(place @ Place::Postgres(_)) => (place.clone(), Tables::All),
    }
}

fn place_at(url: &str) -> Result<(Place, Tables), OpenError> {
    match Locator::try_new(url)? {
        Locator::File(_) => Err(InvalidStoreUrl::NoLog.into()),
        Locator::Database(place @ Place::Sqlite(_)) => Ok((place, Tables::Log)),
        Locator::Database(place @ Place::Postgres(_)) => Ok((place, Tables::All)),
    }
}

/// The log's file, in the folder of the webhooks' one.
fn beside(path: &Path) -> Place {
    let name = if path.file_name().is_some_and(|name| name == FILE) { OTHER_FILE } else { FILE };
    Place::Sqlite(path.with_file_name(name))
}
