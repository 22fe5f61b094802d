//! From a URL to a kind of store, for the feed and for commands that look or change once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, access};
use subscriptions::Snapshot;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::backend::Backend;
use crate::database::{Database, Follower, Keys, Missing, Place, holds_secrets};
use crate::disabled::Disabled;
use crate::entry::Entry;
use crate::file::File;
use crate::key_file;
use crate::locator::Locator;
use crate::options::{OpenError, Options, ReadError};
use crate::saved;
use crate::store::build;

/// Reads all webhooks once, for commands that look and end. An embedded database that is not there
/// is not made, and says nothing of webhooks: theirs may be elsewhere.
///
/// Webhooks that the service has disabled are shown so, where the state directory can be read.
///
/// # Errors
///
/// [`LoadError`] with every mistake.
pub fn load_once(url: &str, options: &Options) -> Result<Snapshot, LoadError> {
    let locator = Locator::try_new(url).map_err(ReadError::from)?;
    if let Locator::Database(place) = &locator {
        place.check().map_err(OpenError::from)?;
    }
    let read = || -> Result<Vec<Entry>, LoadError> {
        let backend = backend(&locator, options, KeyUse::Open, &Arc::default())?;
        Ok(backend.list(&options.rules).entries?)
    };
    let entries = match &locator {
        Locator::File(_) => read()?,
        Locator::Database(Place::Sqlite(path))
            if !path.exists() && !was_there(&locator, options) =>
        {
            return Err(LoadError::NotThere(path.clone()));
        }
        Locator::Database(_) => on_a_runtime(read)??,
    };
    let disabled = Disabled::load(&options.state_dir).unwrap_or_default();
    Ok(build(&entries, &disabled, 1).map_err(ReadError::from)?)
}

/// What somebody needs the key for that an embedded database makes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// To seal secrets: where there is none one is made, unless something is sealed already.
    Seal,
    /// To open what is sealed: where there is none and nothing is sealed, none is needed.
    Open,
    /// For nothing: to delete, or to note something.
    Nothing,
}

/// Opens the database at `url` for a command that changes webhooks and ends; `None` where webhooks
/// are not kept in a database. Must be called within a runtime.
///
/// # Errors
///
/// [`OpenError`] where the URL names no store or the database cannot be opened.
pub fn open_database(
    url: &str,
    options: &Options,
    key: KeyUse,
) -> Result<Option<Database>, OpenError> {
    let backend = backend(&Locator::try_new(url)?, options, key, &Arc::default())?;
    Ok(backend.database().cloned())
}

/// The same where the database is there already, for a command that only adds to it: `None` where an
/// embedded one has not been made.
///
/// # Errors
///
/// As for [`open_database`].
pub fn open_present_database(url: &str, options: &Options) -> Result<Option<Database>, OpenError> {
    match Locator::try_new(url)? {
        Locator::Database(place) if place.is_there() => {
            open_database(url, options, KeyUse::Nothing)
        }
        Locator::Database(_) | Locator::File(_) => Ok(None),
    }
}

/// The same for a backup, which nobody could read without the key: where an embedded database's key
/// is lost, it is not replaced by a new one.
///
/// # Errors
///
/// As for [`open_database`], and [`OpenError::Key`] where there is no key.
pub fn open_database_with_key(url: &str, options: &Options) -> Result<Option<Database>, OpenError> {
    let mut options = options.clone();
    if let Locator::Database(place @ Place::Sqlite(_)) = Locator::try_new(url)?
        && place.is_there()
        && options.keys.is_none()
    {
        options.keys = Some(key_file::read(&options.state_dir)?);
    }
    open_present_database(url, &options)
}

/// Why webhooks could not be read once.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no file of an embedded database, and as far as can be seen here there never was.
    #[error(
        "there is no database {} (webhooks.store); `serve` makes it, or `webhooks create`",
        .0.display()
    )]
    NotThere(PathBuf),
    /// What it holds cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system gives no thread.
    #[error("no thread to read the database on")]
    Thread(#[from] io::Error),
}

/// Does blocking work on a thread with a runtime of its own, for callers with one and without.
fn on_a_runtime<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ended = std::thread::scope(|scope| {
        let (handle, work) = (runtime.handle(), work);
        let thread = scope.spawn(move || {
            let _within = handle.enter();
            work()
        });
        thread.join()
    });
    runtime.shutdown_background();
    ended.map_err(|_| io::Error::other("reading the database broke off"))
}

/// Opens what the locator names, for whoever needs its key for this. `wake` is notified of changes made
/// through it.
pub(crate) fn backend(
    locator: &Locator,
    options: &Options,
    key: KeyUse,
    wake: &Arc<Notify>,
) -> Result<Backend, OpenError> {
    let place = match locator {
        Locator::File(path) => return Ok(Backend::File(File::new(path.clone()))),
        Locator::Database(place) => place.clone(),
    };
    place.check()?;
    let keys = match (&options.keys, &place) {
        (Some(keys), _) => keys.clone(),
        (None, Place::Sqlite(path)) => own_keys(path, &options.state_dir, key)?,
        (None, Place::Postgres(_)) => return Err(OpenError::NoKey),
    };
    // An empty database in the place of a lost one would end every webhook without a word; and one that
    // cannot be written is no reason to deliver nothing.
    let lost = |path: &Path| {
        access(path, Access::WRITE_OK).is_err() && holds_webhooks(locator, options, &keys)
    };
    let missing = match &place {
        Place::Sqlite(path) if lost(path) => Missing::Lost,
        Place::Sqlite(_) | Place::Postgres(_) => Missing::Make,
    };
    // Nor may an emptied or older one take the place of what was live. A server's own history is its
    // administrators' business, and replicas may disagree about it.
    let at_least = match &place {
        Place::Sqlite(_) => saved::changes_seen(&options.state_dir, &locator.name()),
        Place::Postgres(_) => 0,
    };
    let database = Database::open(place, missing, keys, Arc::clone(wake))?;
    Ok(Backend::Database(Follower::new(database, at_least)))
}

/// The keys of an embedded database that has none but its own. Nobody could ever open what is sealed
/// with a lost one, so that another one is made only where nothing is.
fn own_keys(database: &Path, state_dir: &Path, key: KeyUse) -> Result<Keys, OpenError> {
    if let Some(keys) = key_file::find(state_dir)? {
        return Ok(keys);
    }
    let path = key_file::own_key(state_dir);
    let is_sealed = || on_a_runtime(|| Handle::current().block_on(holds_secrets(database)));
    if key != KeyUse::Nothing && is_sealed().unwrap_or(Ok(true))? {
        return Err(OpenError::KeyLost { path, database: database.to_owned() });
    }
    if key == KeyUse::Seal {
        return key_file::make(state_dir);
    }
    // It opens nothing, and nothing is sealed with it.
    let why = |error: &dyn std::fmt::Display| OpenError::Key {
        path: path.clone(),
        why: error.to_string(),
    };
    let passing = Keys::generate().map_err(|error| why(&error))?;
    Keys::try_new(&passing, &[]).map_err(|error| why(&error))
}

/// Whether something was saved in the state directory: then there was a store.
fn was_there(locator: &Locator, options: &Options) -> bool {
    let keys = || options.keys.clone().or_else(|| key_file::read(&options.state_dir).ok());
    keys().is_some_and(|keys| holds_webhooks(locator, options, &keys))
}

/// Whether what was saved of this store holds webhooks.
fn holds_webhooks(locator: &Locator, options: &Options, keys: &Keys) -> bool {
    let name = locator.name();
    let of = saved::Of { store: &name, keys: Some(keys) };
    let saved = saved::load(&options.state_dir, &of, options.rules.url);
    matches!(saved, Ok(Some(saved)) if !saved.entries.is_empty())
}
