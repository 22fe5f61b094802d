//! Webhooks in a database: embedded SQLite, or PostgreSQL where several replicas share the work.
//!
//! One set of statements serves both. Who reads follows the number of changes (`follow`); who writes
//! takes the next number first and holds it until the commit (`change`), so that no reader misses a
//! change. Secrets are sealed (`seal`) before they get here and opened after.
//!
//! **Invariant:** nothing on the delivery path waits for a database. It may be away, slow or
//! read-only for as long as it likes: then the last good snapshot serves.

mod audit;
mod change;
mod follow;
mod note;
mod once;
mod pool;
mod rotation;
mod row;
mod schema;
mod seal;
mod sessions;

pub use self::audit::{AuditBounds, AuditFilter, AuditRow};
pub use self::change::{ChangeError, Created, Draft};
pub(crate) use self::follow::{Follower, Watch};
pub(crate) use self::pool::{Missing, Pool};
pub use self::rotation::LONGEST_OVERLAP;
pub(crate) use self::schema::Tables;
pub use self::seal::{InvalidKey, Keys, SealError};
pub use self::sessions::EndedSession;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::migrate::MigrateError;
use thiserror::Error;
use tokio::sync::Notify;

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

impl Place {
    /// Whether there is something, as far as can be told without reaching for it: an embedded
    /// database is made when it is opened.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }
}

/// A database of webhooks; cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    pool: Pool,
    keys: Keys,
    wake: Arc<Notify>,
}

/// Why something could not be read from or written to a database.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// It cannot be reached, or refuses.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// It did not answer in this time.
    #[error("the database gives no answer within {0:?}")]
    Silent(Duration),
    /// Nobody waits for it any more.
    #[error("the program ends")]
    Ended,
    /// The file of an embedded database was removed or replaced.
    #[error(
        "the database {} is not there, or is not the one that was opened: put it back, and start \
         anew where it is another file",
        .0.display()
    )]
    Lost(PathBuf),
    /// Its tables are not those of this version and cannot be brought up to date.
    #[error("the tables of the database cannot be brought up to date: {0}")]
    Schema(MigrateError),
    /// It was written by a later version.
    #[error(
        "the database has tables of a newer version of this program (schema {0}); start that \
         version, or restore a backup from before it"
    )]
    Newer(i64),
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

impl From<MigrateError> for DatabaseError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            error => Self::Schema(error),
        }
    }
}

impl Database {
    /// Opens a database without reaching for it: it may be away. Must be called within a runtime.
    ///
    /// `wake` is notified at every change that is made through this handle.
    ///
    /// # Errors
    ///
    /// Where the file of an embedded one cannot be made, or the URL is none.
    pub(crate) fn open(
        place: Place,
        missing: Missing,
        keys: Keys,
        wake: Arc<Notify>,
    ) -> Result<Self, OpenDatabase> {
        let tables = match place.kind() {
            Kind::Sqlite => Tables::Webhooks,
            Kind::Postgres => Tables::All,
        };
        Ok(Self(Arc::new(Inner { pool: Pool::open(place, tables, missing)?, keys, wake })))
    }

    /// The pool, once the tables are up to date.
    async fn pool(&self) -> Result<&AnyPool, DatabaseError> {
        self.0.pool.ready().await
    }

    fn place(&self) -> &Place {
        self.0.pool.place()
    }

    /// The file of an embedded one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self.place() {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    /// Copies an embedded one into `file`, which must not be there: whole, as of one moment, and
    /// while others write. Tables of another version are copied as they are.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Row`] where the configured keys open nothing of what is in it; what the database
    /// says.
    pub async fn copy_into(&self, file: &Path) -> Result<(), DatabaseError> {
        let pool = self.0.pool.as_it_is()?;
        let opens = change::ensure_key_opens(&mut *pool.acquire().await?, self.keys()).await;
        // Tables of another version may have no such row.
        if let Err(error @ DatabaseError::Row { .. }) = opens {
            return Err(error);
        }
        let copy = sqlx::query("VACUUM INTO $1").bind(file.to_string_lossy().into_owned());
        copy.execute(pool).await?;
        Ok(())
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }
}

/// Whether the file of an embedded database holds sealed secrets, as far as can be told: what cannot
/// be read may. Must be called within a runtime.
pub(crate) async fn holds_secrets(file: &Path) -> bool {
    if std::fs::metadata(file).is_ok_and(|file| file.len() == 0) || !file.exists() {
        return false;
    }
    let place = Place::Sqlite(file.to_owned());
    let Ok(pool) = Pool::open(place, Tables::Webhooks, Missing::Lost) else { return true };
    let Ok(pool) = pool.as_it_is() else { return true };
    let row = sqlx::query("SELECT id FROM webhooks LIMIT 1").fetch_optional(pool).await;
    pool.close().await;
    match row {
        Ok(row) => row.is_some(),
        // There is no such table, or it is no database at all (SQLITE_ERROR, NOTADB).
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
            !code.is_some_and(|code: u32| matches!(code & 0xff, 1 | 26))
        }
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
        write!(f, "Database({:?})", self.place())
    }
}

/// Whatever a JSON column holds.
fn from_json<T: serde::de::DeserializeOwned>(id: &str, text: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(text)
        .map_err(|error| DatabaseError::Row { id: id.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests;
