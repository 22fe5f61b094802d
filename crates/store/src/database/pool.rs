//! Connections to one database, and the tables that it must have before anybody reads.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use crate::database::schema::{self, Tables};
use crate::database::{DatabaseError, Kind, OpenDatabase, Place, told};

/// Connections at most: a page, the log and the feed at the same time, and little else.
const CONNECTIONS: u32 = 8;
/// How long anything may wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a server that did not take us is not asked again.
const LATELY: Duration = Duration::from_secs(1);
/// What every connection to the webhooks in SQLite begins with. WAL lets readers go on beside the
/// one writer; with it, `FULL` makes every commit survive a loss of power. WAL comes last: it may
/// fail, and the file remembers it.
const WEBHOOKS: &str = "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; \
                        PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL;";
/// The same for the log, where a loss of power may cost the last moments: `NORMAL` waits for the
/// disk only now and then. The larger the steps in which the WAL is taken over, the less often the
/// same page is written.
const LOG: &str = "PRAGMA page_size = 8192; PRAGMA busy_timeout = 5000; \
                   PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
                   PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; \
                   PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; \
                   PRAGMA journal_mode = WAL;";

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    place: Place,
    tables: Tables,
    pool: AnyPool,
    current: OnceCell<()>,
    /// Device and inode of an embedded database's file, as first seen.
    file: OnceLock<(u64, u64)>,
    /// When a server was last found not to take us, and why.
    away: Mutex<Option<(Instant, String)>>,
}

/// Whether the file of an embedded database is made where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made, and holds nothing.
    Make,
    /// It is lost: nothing is read or written until it is back.
    Lost,
}

impl Pool {
    /// Opens a database without reaching for it: it may be away. Must be called within a runtime.
    pub(crate) fn open(
        place: Place,
        tables: Tables,
        missing: Missing,
    ) -> Result<Self, OpenDatabase> {
        place.check()?;
        sqlx::any::install_default_drivers();
        let pragmas = match (place.kind(), tables) {
            (Kind::Postgres, _) => None,
            (Kind::Sqlite, Tables::Log) => Some(LOG),
            (Kind::Sqlite, Tables::Webhooks | Tables::All) => Some(WEBHOOKS),
        };
        let options = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let Some(pragmas) = pragmas else { return Ok(()) };
                    match connection.execute(pragmas).await {
                        // An error here would be tried again in silence.
                        Err(error) if is_lasting(&error) => Ok(()),
                        result => result.map(drop),
                    }
                })
            });
        let url = match &place {
            Place::Sqlite(path) => {
                if missing == Missing::Make {
                    make_private(path)
                        .map_err(|source| OpenDatabase::File { path: path.clone(), source })?;
                }
                url_of(path)
            }
            Place::Postgres(url) => url.clone(),
        };
        let pool = options.connect_lazy(&url).map_err(|_| OpenDatabase::Url)?;
        let (current, file, away) = (OnceCell::new(), OnceLock::new(), Mutex::default());
        Ok(Self { place, tables, pool, current, file, away })
    }

    /// The connections, once the tables are up to date.
    pub(crate) async fn ready(&self) -> Result<&AnyPool, DatabaseError> {
        self.is_there()?;
        self.is_reached().await?;
        let prepare = || async {
            let migrated = schema::migrate(&self.pool, self.place.kind(), self.tables);
            migrated.await.map_err(DatabaseError::from)
        };
        self.current.get_or_try_init(prepare).await?;
        Ok(&self.pool)
    }

    /// The connections, whatever version the tables have.
    pub(crate) fn as_it_is(&self) -> Result<&AnyPool, DatabaseError> {
        self.is_there()?;
        Ok(&self.pool)
    }

    /// Ends all connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// That a server takes us, where we have no connection. One that did not lately is not asked again
    /// by everybody who waits for a page: each would wait for as long.
    async fn is_reached(&self) -> Result<(), DatabaseError> {
        if self.kind() != Kind::Postgres || self.pool.size() > 0 {
            return Ok(());
        }
        let lately = || {
            let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
            away.as_ref().filter(|(at, _)| at.elapsed() < LATELY).map(|(_, why)| why.clone())
        };
        if let Some(why) = lately() {
            return Err(DatabaseError::Unreached { place: self.place.name(), why });
        }
        let reached = self.reach().await;
        let why = match &reached {
            Err(DatabaseError::Unreached { why, .. }) => Some((Instant::now(), why.clone())),
            _ => None,
        };
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = why;
        reached
    }

    /// Why a server does not take us, at once and in its own words: a pool would try again in
    /// silence, and then know no more than that time ran out.
    pub(super) async fn reach(&self) -> Result<(), DatabaseError> {
        let Place::Postgres(url) = &self.place else { return Ok(()) };
        let why = match timeout(PATIENCE, AnyConnection::connect(url)).await {
            // Its polite end is of no interest to anybody.
            Ok(Ok(connection)) => {
                connection.close().await.unwrap_or_default();
                return Ok(());
            }
            Ok(Err(error)) => told::error(&error),
            Err(_) => format!("it gives no answer within {PATIENCE:?}"),
        };
        Err(DatabaseError::Unreached { place: self.place.name(), why })
    }

    /// Whether the file is the one that was opened. A file that was removed or replaced goes on to be
    /// written to by who has it open, and nobody will ever read that.
    fn is_there(&self) -> Result<(), DatabaseError> {
        let Place::Sqlite(path) = &self.place else { return Ok(()) };
        let found = fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
        let same = found.is_some_and(|found| *self.file.get_or_init(|| found) == found);
        if same { Ok(()) } else { Err(DatabaseError::Lost(path.clone())) }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn kind(&self) -> Kind {
        self.place.kind()
    }
}

/// Whether the first statement will fail the same way: the file is read-only, damaged or none, or
/// its disk fails or is full (SQLITE_READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB).
fn is_lasting(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    // The lower byte is the kind, the others tell more about it.
    code.is_some_and(|code| matches!(code & 0xff, 8 | 10 | 11 | 13 | 14 | 26))
}

/// Makes the file, readable by its owner only, where it is not there.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // Opened to write as nobody does without the right to: a clear word instead of a late one.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// The path as it stands in a URL: what has a meaning there is encoded.
fn url_of(path: &Path) -> String {
    let path = path.to_string_lossy();
    let encoded = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("sqlite://{encoded}?mode=rw")
}
