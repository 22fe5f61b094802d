//! What a store is opened with, and why it may not open or be read.

use std::io;
use std::path::PathBuf;

use event::Catalog;
use settings::Report;
use subscriptions::{DuplicateId, RetryPolicy, UrlRules};
use thiserror::Error;

use crate::database::{Keys, OpenDatabase};
use crate::locator::InvalidStoreUrl;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder for what has to survive a restart; made if it is not there.
    pub state_dir: PathBuf,
    /// What webhooks may be.
    pub rules: Rules,
    /// What secrets in a database are sealed with. An embedded database makes its own where none is
    /// given, and keeps it in the state directory.
    pub keys: Option<Keys>,
}

/// What the service's configuration says about webhooks.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Which URLs are accepted.
    pub url: UrlRules,
    /// The service's retry policy, of which a webhook may change parts.
    pub retry: RetryPolicy,
    /// The known event types; a webhook that wants another one is refused.
    pub catalog: Catalog,
}

/// A store that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL names no store.
    #[error(transparent)]
    Url(#[from] InvalidStoreUrl),
    /// A database of several replicas without a key that they share.
    #[error(
        "a PostgreSQL store needs an encryption key that all replicas share: set \
         webhooks.encryption_key_file, and make one with `openssl rand -base64 32`"
    )]
    NoKey,
    /// The key of the embedded database cannot be read or made.
    #[error("the encryption key {} cannot be used: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key of the embedded database is not there, and its webhooks are sealed.
    #[error(
        "the encryption key {} is not there, and the webhooks in {} are sealed with one: put it back \
         (a backup holds it), or say where it is (webhooks.encryption_key_file); to begin anew \
         without those webhooks, take the database away",
        path.display(), database.display()
    )]
    KeyLost {
        /// The file.
        path: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] OpenDatabase),
    /// The state directory cannot be made.
    #[error("the state directory {} cannot be used", path.display())]
    StateDir {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Webhooks that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReadError {
    /// The store's URL names no store.
    #[error(transparent)]
    Url(#[from] InvalidStoreUrl),
    /// The file cannot be read, or has mistakes: one line for each.
    #[error(transparent)]
    File(#[from] Report),
    /// The database cannot be read.
    #[error("{why}")]
    Database {
        /// Why, in one line.
        why: String,
        /// Whether it may be over by itself.
        passes: bool,
    },
    /// Two webhooks have one id.
    #[error(transparent)]
    Duplicate(#[from] DuplicateId),
}
