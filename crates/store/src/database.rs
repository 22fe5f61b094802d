//! Webhooks in a database: embedded SQLite, or PostgreSQL where several replicas share the work.
//!
//! One set of statements serves both. Who reads follows the number of changes (`follow`); who writes
//! takes the next number first and holds it until the commit (`change`), so that no reader misses a
//! change. Secrets are sealed (`seal`) before they get here and opened after.
//!
//! **Invariant:** nothing on the delivery path waits for a database. It may be away, slow or
//! read-only for as long as it likes: then the last good snapshot serves.

mod action;
mod audit;
mod change;
mod follow;
mod note;
mod once;
mod parts;
mod pool;
mod rotation;
mod row;
mod schema;
mod seal;
mod sessions;
mod told;

pub use self::action::Action;
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

use rustix::fs::{Access, access};
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

    /// That nothing stands in the way of the file of an embedded database, there or to be made.
    pub(crate) fn check(&self) -> Result<(), OpenDatabase> {
        let Self::Sqlite(path) = self else { return Ok(()) };
        if path.is_dir() {
            return Err(OpenDatabase::Folder(path.clone()));
        }
        match path.ancestors().skip(1).find(|above| above.exists()) {
            Some(above) if !above.is_dir() => {
                Err(OpenDatabase::BelowFile { path: path.clone(), file: above.to_owned() })
            }
            Some(above) if !path.exists() => access(above, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|why| OpenDatabase::Unwritable {
                    path: path.clone(),
                    folder: above.to_owned(),
                    source: why.into(),
                }),
            _ => Ok(()),
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
    #[error("the database: {}", told::error(.0))]
    Database(sqlx::Error),
    /// The server at this place takes no connection.
    #[error("the database {place}: {why}")]
    Unreached {
        /// Where it is, without a password.
        place: String,
        /// Why.
        why: String,
    },
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
    /// An embedded database was emptied, or is older than what was live.
    #[error(
        "the database {} is older than what was live last (change {seen} of {at_least}): put the newer \
         one back; where this one is meant, take webhooks.saved out of the state directory and start \
         anew",
        path.display()
    )]
    Behind {
        /// Its file.
        path: PathBuf,
        /// How many changes it has seen.
        seen: i64,
        /// How many it had seen.
        at_least: i64,
    },
    /// Its tables are not those of this version and cannot be brought up to date.
    #[error("the tables of the database cannot be brought up to date: {}", told::migration(.0))]
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

impl DatabaseError {
    /// Whether it may be over by itself; else somebody has to mend the database.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => !told::is_damage(error),
            Self::Unreached { .. } | Self::Ended | Self::Lost(_) | Self::Seal(_) => true,
            Self::Behind { .. } | Self::Schema(_) | Self::Newer(_) | Self::Row { .. } => false,
        }
    }
}

// Not as a source: its own words would be told, too.
impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<MigrateError> for DatabaseError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            MigrateError::Execute(error) => Self::Database(error),
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

    /// That it has seen fewer changes than it had.
    fn behind(&self, seen: i64, at_least: i64) -> DatabaseError {
        let path = self.file().unwrap_or(Path::new("")).to_owned();
        DatabaseError::Behind { path, seen, at_least }
    }

    /// Ends all connections; an embedded one is whole in its file then.
    pub async fn close(&self) {
        self.0.pool.close().await;
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

    /// What went wrong and where, in one line; of a server that gives no connection, why it does not.
    async fn reason(&self, error: DatabaseError) -> String {
        if matches!(error, DatabaseError::Database(sqlx::Error::PoolTimedOut))
            && let Err(why) = self.0.pool.reach().await
        {
            return why.to_string();
        }
        match error {
            DatabaseError::Database(error) => {
                format!("the database {}: {}", self.place().name(), told::error(&error))
            }
            error => error.to_string(),
        }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }
}

/// Whether the file of an embedded database holds sealed secrets, as far as can be told: what cannot
/// be read may. Must be called within a runtime.
///
/// # Errors
///
/// [`OpenDatabase::None`] where it is no database at all.
pub(crate) async fn holds_secrets(file: &Path) -> Result<bool, OpenDatabase> {
    if std::fs::metadata(file).is_ok_and(|file| file.len() == 0) || !file.exists() {
        return Ok(false);
    }
    let place = Place::Sqlite(file.to_owned());
    let pool = Pool::open(place, Tables::Webhooks, Missing::Lost)?;
    let Ok(pool) = pool.as_it_is() else { return Ok(true) };
    let row = sqlx::query("SELECT id FROM webhooks LIMIT 1").fetch_optional(pool).await;
    pool.close().await;
    let code = match row {
        Ok(row) => return Ok(row.is_some()),
        Err(error) => error.as_database_error().and_then(|error| error.code()?.parse().ok()),
    };
    match code.map(|code: u32| code & 0xff) {
        // SQLITE_ERROR: there is no such table.
        Some(1) => Ok(false),
        // SQLITE_NOTADB.
        Some(26) => Err(OpenDatabase::None(file.to_owned())),
        _ => Ok(true),
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
    /// A folder stands where its file should.
    #[error(
        "the database {} cannot be opened: it is a folder; name a file in it, such as \
         sqlite://{}/webhooks.db", .0.display(), .0.display()
    )]
    Folder(PathBuf),
    /// A file stands where the folder of its file should.
    #[error(
        "the database {} cannot be opened: {} is a file and no folder", path.display(),
        file.display()
    )]
    BelowFile {
        /// The database.
        path: PathBuf,
        /// What stands in its way.
        file: PathBuf,
    },
    /// Its file is not there, and cannot be made.
    #[error(
        "the database {} is not there and cannot be made in {}", path.display(), folder.display()
    )]
    Unwritable {
        /// The database.
        path: PathBuf,
        /// The folder in which it, or the folders above it, would have to be made.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Its file holds something else.
    #[error(
        "the file {} is no SQLite database, or is damaged: put the database back, or name another \
         file", .0.display()
    )]
    None(PathBuf),
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

    /// What may be shown and written down: never a password.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => {
                let (_, rest) = url.split_once("://").unwrap_or_default();
                let (_, place) = rest.rsplit_once('@').unwrap_or(("", rest));
                let (place, _) = place.split_once('?').unwrap_or((place, ""));
                format!("postgres://{place}")
            }
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

#[cfg(test)]
mod tests;
