//! Reads what has changed since the last time.
//!
//! Every change has a number. A reader asks for the rows with a higher number than it has seen, and
//! for what was deleted; now and then it compares how many rows there are and the sum of their
//! numbers, and reads all of them where that does not fit.
//!
//! A row that cannot be read whole is a webhook without secrets beside the others. Where none has ever
//! opened for another key sealed it, the key is wrong, and nothing counts as read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::any::AnyArguments;
use sqlx::postgres::PgListener;
use sqlx::query::Query;
use sqlx::{Any, AnyPool, AssertSqlSafe, Row};
use subscriptions::WebhookId;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::backend::{Listing, Stamps};
use crate::database::parts::Parts;
use crate::database::row::{self, COLUMNS, Key, Read};
use crate::database::{ChangeError, Database, DatabaseError, Place};
use crate::entry::{Entry, Fingerprint};
use crate::options::{ReadError, Rules};
use crate::store::now_ms;

/// The channel on which replicas tell each other of changes (PostgreSQL, NOTIFY).
pub(super) const CHANNEL: &str = "boottify_webhooks";
/// How often everything is compared, in case a change was missed: somebody restored a backup.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// Pause before listening is tried again.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Follower {
    database: Database,
    handle: Handle,
    /// Whether nobody is to wait for the database any more.
    ended: watch::Sender<bool>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// The rules under which the rows were read.
    rules: Option<Rules>,
    revision: i64,
    rows: BTreeMap<WebhookId, Known>,
    /// How often a waiting secret was found to have taken its place.
    switches: u64,
    /// When the next one does; `rows` have it, too, but they may be many.
    next_switch: Option<i64>,
    compared: Option<Instant>,
    /// Whether the keys have opened any row: then they are the right ones for good.
    opened: bool,
    /// How many changes the database must have seen when it is read first.
    at_least: i64,
}

impl Default for Seen {
    fn default() -> Self {
        let rows = BTreeMap::new();
        let (rules, next_switch, compared) = (None, None, None);
        Self {
            rules,
            revision: -1,
            rows,
            switches: 0,
            next_switch,
            compared,
            opened: false,
            at_least: 0,
        }
    }
}

/// A row that was read, with its fingerprint.
#[derive(Clone, Debug)]
struct Known {
    entry: Entry,
    revision: i64,
    switches_at: Option<i64>,
    key: Key,
}

/// Tells of changes until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(#[expect(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

impl Follower {
    /// Must be made within a runtime; its functions block and are called outside of it.
    /// A database that has seen fewer changes than `at_least` is not read.
    pub(crate) fn new(database: Database, at_least: i64) -> Self {
        let ended = watch::Sender::new(false);
        let seen = Mutex::new(Seen { at_least, ..Seen::default() });
        Self { database, handle: Handle::current(), ended, seen }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn revision(&self) -> i64 {
        self.seen().revision
    }

    /// Ends what is under way, and lets nothing begin: the runtime it goes on may be about to end.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    pub(crate) fn stamps(&self) -> Stamps {
        let switches = {
            let seen = self.seen();
            seen.switches + u64::from(seen.is_to_switch(now_ms()))
        };
        let revision = self.wait_for(async { revision(self.database.pool().await?).await });
        Stamps::Database(revision.and_then(Result::ok).map(|revision| (revision, switches)))
    }

    pub(crate) fn list(&self, rules: &Rules) -> Listing {
        let mut seen = self.seen();
        if seen.rules.as_ref() != Some(rules) {
            let Seen { switches, opened, at_least, .. } = *seen;
            let rules = Some(rules.clone());
            *seen = Seen { rules, switches, opened, at_least, ..Seen::default() };
        }
        let read = self.wait_for(async {
            let Err(error) = seen.catch_up(&self.database, rules).await else { return Ok(()) };
            let passes = error.may_pass();
            Err(ReadError::Database { why: self.database.reason(error).await, passes })
        });
        let ended = || {
            let why = DatabaseError::Ended.to_string();
            Err(ReadError::Database { why, passes: true })
        };
        let read = read.unwrap_or_else(ended);
        let entries = read.map(|()| seen.rows.values().map(|row| row.entry.clone()).collect());
        Listing { entries, secret_files: Vec::new() }
    }

    /// `true` where the database holds it now, or its owner has changed the webhook since.
    pub(crate) fn disable(&self, id: &WebhookId, seen: Fingerprint, reason: &str) -> bool {
        match self.wait_for(self.database.disable(id, seen, reason)) {
            Some(Ok(_) | Err(ChangeError::Unknown(_) | ChangeError::Stale(_))) => true,
            // It is tried again at the next turn; the feed tells that the database is away.
            Some(Err(_)) | None => false,
        }
    }

    /// Blocks until the work is done; `None` where the end came first.
    fn wait_for<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut ended = self.ended.subscribe();
        self.handle.block_on(async {
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => None,
                done = work => Some(done),
            }
        })
    }

    /// Listens for what other replicas change, where the database can tell.
    pub(crate) fn watch(&self, wake: Arc<Notify>) -> Watch {
        let mut tasks = JoinSet::new();
        if let Place::Postgres(url) = self.database.place() {
            tasks.spawn_on(listen(url.clone(), wake), &self.handle);
        }
        Watch(tasks)
    }

    /// Only this room locks it, and every field is whole after each statement.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    async fn catch_up(&mut self, database: &Database, rules: &Rules) -> Result<(), DatabaseError> {
        let pool = database.pool().await?;
        let revision = revision(pool).await?;
        if revision < self.at_least {
            return Err(database.behind(revision, self.at_least));
        }
        // What happens to it from now on is seen.
        self.at_least = 0;
        if revision < self.revision {
            // Somebody restored a backup.
            self.forget();
        }
        self.read_changes(database, pool, rules).await?;
        // Changes that came meanwhile have higher numbers and are read again.
        self.revision = revision;
        if self.compared.is_none_or(|compared| compared.elapsed() >= COMPARE_EVERY) {
            if !self.is_complete(pool).await? {
                self.forget();
                self.read_changes(database, pool, rules).await?;
                self.revision = revision;
            }
            self.compared = Some(Instant::now());
        }
        self.ensure_opened()
    }

    /// The key itself is wrong where it opens nothing.
    fn ensure_opened(&self) -> Result<(), DatabaseError> {
        let foreign = || self.rows.values().find(|row| row.key == Key::Foreign);
        let Some(Known { entry, .. }) = (!self.opened).then(foreign).flatten() else {
            return Ok(());
        };
        let why = entry.webhook.secrets.as_ref().err().map(ToString::to_string);
        let (id, why) = (entry.webhook.id.to_string(), why.unwrap_or_default());
        Err(DatabaseError::Row { id, why })
    }

    fn forget(&mut self) {
        self.rows.clear();
        self.next_switch = None;
        self.revision = -1;
    }

    /// Whether what is known is all that there is; with changes under way nobody can tell.
    async fn is_complete(&self, pool: &AnyPool) -> Result<bool, DatabaseError> {
        let query = "SELECT (SELECT value FROM revision) AS revision, COUNT(*) AS amount, \
                     CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS total FROM webhooks";
        let row = sqlx::query(query).fetch_one(pool).await?;
        let total = self.rows.values().map(|row| row.revision).sum::<i64>();
        let amount = i64::try_from(self.rows.len()).unwrap_or(i64::MAX);
        Ok(row.try_get::<i64, _>("revision")? != self.revision
            || (row.try_get::<i64, _>("amount")?, row.try_get::<i64, _>("total")?)
                == (amount, total))
    }

    async fn read_changes(
        &mut self,
        database: &Database,
        pool: &AnyPool,
        rules: &Rules,
    ) -> Result<(), DatabaseError> {
        let switched = self.is_to_switch(now_ms());
        match self.read_rows(database, pool, rules, switched).await {
            Err(DatabaseError::Database(error)) if row::is_damage(&error) => {
                self.read_one_by_one(database, pool, rules, switched).await?;
            }
            read => read?,
        }
        let query = "SELECT id, revision FROM deleted_webhooks WHERE revision > $1";
        for row in sqlx::query(query).bind(self.revision).fetch_all(pool).await? {
            let (id, deleted): (String, i64) = (row.try_get("id")?, row.try_get("revision")?);
            let id = WebhookId::try_new(&id).ok();
            if let Some(id) =
                id.filter(|id| self.rows.get(id).is_some_and(|row| row.revision < deleted))
            {
                self.rows.remove(&id);
            }
        }
        self.switches += u64::from(switched);
        self.next_switch = self.rows.values().filter_map(|row| row.switches_at).min();
        Ok(())
    }

    /// One by one: at a start these are all of them, and a row takes more room than a webhook.
    async fn read_rows(
        &mut self,
        database: &Database,
        pool: &AnyPool,
        rules: &Rules,
        switched: bool,
    ) -> Result<(), DatabaseError> {
        let now = now_ms();
        let mut changed = self.changed(COLUMNS, switched, now).fetch(pool);
        while let Some(row) = changed.try_next().await? {
            self.know(row::read(Parts::of(&row), database.keys(), rules.url, now), now);
        }
        Ok(())
    }

    /// The same where there is a row among them that ends such a query.
    async fn read_one_by_one(
        &mut self,
        database: &Database,
        pool: &AnyPool,
        rules: &Rules,
        switched: bool,
    ) -> Result<(), DatabaseError> {
        let now = now_ms();
        let changed = self.changed("revision", switched, now).fetch_all(pool).await?;
        for revision in changed.iter().filter_map(|row| row.try_get("revision").ok()) {
            let read = row::at(pool, database.keys(), rules.url, revision, now).await?;
            read.into_iter().for_each(|read| self.know(read, now));
        }
        Ok(())
    }

    /// The query for what has changed, and where a secret took another's place. Only now and then one
    /// does, and only then all rows are looked at.
    fn changed(
        &self,
        columns: &str,
        switched: bool,
        now: i64,
    ) -> Query<'static, Any, AnyArguments> {
        let or_switched = if switched { " OR switches_at <= $2" } else { "" };
        // Where its number is lost, nobody can say whether it has changed.
        let query = format!(
            "SELECT {columns} FROM webhooks WHERE revision > $1 OR revision IS NULL{or_switched}"
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(self.revision);
        if switched { query.bind(now) } else { query }
    }

    fn know(&mut self, read: Read, now: i64) {
        let Read { webhook, revision, switches_at, key, sealed } = read;
        let id = webhook.id.clone();
        // Without its secrets nothing switches.
        let switches_at = switches_at.filter(|at| *at > now && sealed.is_ok());
        self.opened |= key == Key::Fits;
        let entry = Entry::of(webhook);
        self.rows.insert(id, Known { entry, revision, switches_at, key });
    }

    fn is_to_switch(&self, now_ms: i64) -> bool {
        self.next_switch.is_some_and(|at| at <= now_ms)
    }
}

async fn revision(pool: &AnyPool) -> Result<i64, DatabaseError> {
    let row = sqlx::query("SELECT value FROM revision").fetch_one(pool).await?;
    Ok(row.try_get("value")?)
}

/// Wakes at every notification, and once after each time that one may have been missed.
async fn listen(url: String, wake: Arc<Notify>) {
    loop {
        if let Ok(mut listener) = PgListener::connect(&url).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            wake.notify_one();
            while listener.recv().await.is_ok() {
                wake.notify_one();
            }
        }
        sleep(LISTEN_PAUSE).await;
    }
}
