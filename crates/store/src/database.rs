//! Webhooks in a database: embedded SQLite, or PostgreSQL where several replicas share the work.
//!
//! One set of statements serves both. Who reads follows the number of changes (`follow`); who writes
//! takes the next number first and holds it until the commit (`change`), so that no reader misses a
//! change. Secrets are sealed (`seal`) before they get here and opened after.
//!
//! **Invariant:** nothing on the delivery path waits for a database. It may be away, slow or
//! read-only for as long as it likes: then the last good snapshot serves.

mod change;
mod follow;
mod row;
mod schema;
mod seal;

pub use self::change::{ChangeError, Created, Draft};
pub(crate) use self::follow::{Follower, Watch};
pub use self::seal::{InvalidKey, Keys, SealError};

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::MigrateError;
use sqlx::{AnyPool, Executor};
use thiserror::Error;
use tokio::sync::{Notify, OnceCell};

/// Connections at most: a page, the log and the feed at the same time, and little else.
const CONNECTIONS: u32 = 8;
/// How long anything may wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// What every connection to SQLite begins with. WAL lets readers go on beside the one writer; with
/// it, `FULL` makes every commit survive a loss of power.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;";

/// Which database it is; they differ in the words of their schema only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file at this absolute path.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, which may hold a password.
    Postgres(String),
}

/// A database of webhooks; cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    place: Place,
    pool: AnyPool,
    keys: Keys,
    current: OnceCell<()>,
    wake: Arc<Notify>,
}

/// Why something could not be read from or written to a database.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// It cannot be reached, or refuses.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// Its tables are not those of this version and cannot be brought up to date.
    #[error("the tables of the database cannot be brought up to date: {0}")]
    Schema(#[from] MigrateError),
    /// A webhook in it is not what this version writes.
    #[error("webhook {id} in the database: {why}")]
    Row {
        /// The webhook's id.
        id: String,
        /// What is wrong, without a secret.
        why: String,
    },
    /// No random bytes.
    #[error("a secret could not be sealed: {0}")]
    Seal(#[from] SealError),
}

impl Database {
    /// Opens a database without reaching for it: it may be away. Must be called within a runtime.
    ///
    /// `wake` is notified at every change that is made through this handle.
    ///
    /// # Errors
    ///
    /// Where the file of an embedded one cannot be made, or the URL is none.
    pub(crate) fn open(place: Place, keys: Keys, wake: Arc<Notify>) -> Result<Self, OpenDatabase> {
        sqlx::any::install_default_drivers();
        let kind = place.kind();
        let options = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if kind == Kind::Sqlite {
                        connection.execute(PRAGMAS).await?;
                    }
                    Ok(())
                })
            });
        let url = match &place {
            Place::Sqlite(path) => {
                make_private(path)
                    .map_err(|source| OpenDatabase::File { path: path.clone(), source })?;
                url_of(path)
            }
            Place::Postgres(url) => url.clone(),
        };
        let pool = options.connect_lazy(&url).map_err(|_| OpenDatabase::Url)?;
        Ok(Self(Arc::new(Inner { place, pool, keys, current: OnceCell::new(), wake })))
    }

    /// The pool, once the tables are up to date.
    async fn pool(&self) -> Result<&AnyPool, DatabaseError> {
        let Inner { place, pool, current, .. } = &*self.0;
        current.get_or_try_init(|| schema::migrate(pool, place.kind())).await?;
        Ok(pool)
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }
}

/// A database that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenDatabase {
    /// Its file cannot be made.
    #[error("the database {} cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The URL is none; it is not quoted, for it may hold a password.
    #[error("not a database URL such as postgres://user:password@host:5432/name")]
    Url,
}

impl Place {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(_) => Kind::Postgres,
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({:?})", self.0.place)
    }
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
    format!("sqlite://{encoded}?mode=rwc")
}

/// Whatever a JSON column holds.
fn from_json<T: serde::de::DeserializeOwned>(id: &str, text: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(text)
        .map_err(|error| DatabaseError::Row { id: id.to_owned(), why: error.to_string() })
}
