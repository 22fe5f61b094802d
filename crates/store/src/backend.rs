//! The kinds of store, as the feed sees them: list everything, tell cheaply whether it may have
//! changed, wake whoever waits for a change.
//!
//! Another kind is another variant; the feed (`store`) does not change with it.

use std::path::PathBuf;
use std::sync::Arc;

use notify::RecommendedWatcher;
use subscriptions::WebhookId;
use tokio::sync::Notify;

use crate::database::{Database, Follower, Keys, Watch};
use crate::entry::{Entry, Fingerprint};
use crate::file::{self, File, FileStamps};
use crate::options::{ReadError, Rules};

/// Where webhooks are kept.
#[derive(Debug)]
pub(crate) enum Backend {
    /// A TOML file; its owner writes it, we never do.
    File(File),
    /// A database, with what was last read from it.
    Database(Follower),
}

/// What a store holds, or why it cannot be said.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) entries: Result<Vec<Entry>, ReadError>,
    /// Files beside the store whose change is a change of the webhooks: those of secrets.
    pub(crate) secret_files: Vec<PathBuf>,
}

/// What changes when a store does, read without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stamps {
    File(FileStamps),
    /// The number of changes, and how often a waiting secret took its place; `None` where the
    /// database does not answer.
    Database(Option<(i64, u64)>),
}

/// Wakes the feed until it is dropped.
#[derive(Debug)]
pub(crate) enum Watcher {
    File(#[expect(dead_code, reason = "dropping it ends the watch")] RecommendedWatcher),
    Database(#[expect(dead_code, reason = "dropping it ends the watch")] Watch),
}

impl Backend {
    /// The database, where this is one.
    pub(crate) fn database(&self) -> Option<&Database> {
        match self {
            Self::File(_) => None,
            Self::Database(follower) => Some(follower.database()),
        }
    }

    /// The number of the last change that [`Backend::list`] gave; -1 where changes have none.
    pub(crate) fn revision(&self) -> i64 {
        match self {
            Self::File(_) => -1,
            Self::Database(follower) => follower.revision(),
        }
    }

    /// What secrets are sealed with, where they are.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        self.database().map(Database::keys)
    }

    /// Reads everything. Blocking.
    pub(crate) fn list(&self, rules: &Rules) -> Listing {
        match self {
            Self::File(file) => file.list(rules),
            Self::Database(follower) => follower.list(rules),
        }
    }

    /// Blocking, but quick.
    pub(crate) fn stamps(&self, secret_files: &[PathBuf]) -> Stamps {
        match self {
            Self::File(file) => Stamps::File(FileStamps::of(file.path(), secret_files)),
            Self::Database(follower) => follower.stamps(),
        }
    }

    /// Writes down that the service disabled a webhook, where the store can be written. `true` where
    /// nothing is left to be remembered beside it. Blocking.
    pub(crate) fn disable(&self, id: &WebhookId, seen: Fingerprint, reason: &str) -> bool {
        match self {
            Self::File(_) => false,
            Self::Database(follower) => follower.disable(id, seen, reason),
        }
    }

    /// Ends what is under way and would wait for a server, and lets nothing of that kind begin.
    pub(crate) fn end(&self) {
        match self {
            Self::File(_) => {}
            Self::Database(follower) => follower.end(),
        }
    }

    /// Whether nothing is read any more, so that what cannot be read says nothing of the store.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Database(follower) => follower.has_ended(),
        }
    }

    /// Wakes `wake` at every change that the system tells of, until the watcher is dropped.
    pub(crate) fn watch(&self, wake: Arc<Notify>) -> notify::Result<Watcher> {
        match self {
            Self::File(file) => file::watch(file.path(), wake).map(Watcher::File),
            Self::Database(follower) => Ok(Watcher::Database(follower.watch(wake))),
        }
    }
}

impl Stamps {
    /// Whether a later change is certain to show in the stamps.
    pub(crate) fn settled(&self) -> bool {
        match self {
            Self::File(stamps) => stamps.settled(),
            Self::Database(_) => true,
        }
    }

    /// Whether what they stand for may be half written, so that it has to rest before it is read.
    pub(crate) fn has_to_rest(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
