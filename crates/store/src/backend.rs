//! The kinds of store, as the feed sees them: list everything, tell cheaply whether it may have
//! changed, wake whoever waits for a change.
//!
//! Another kind is another variant; the feed (`store`) does not change with it.

use std::path::PathBuf;
use std::sync::Arc;

use notify::RecommendedWatcher;
use settings::Report;
use tokio::sync::Notify;

use crate::entry::Entry;
use crate::file::{self, File};
use crate::locator::{InvalidStoreUrl, Locator};
use crate::options::Rules;

pub(crate) use crate::file::Stamps;

/// Where webhooks are kept.
#[derive(Debug)]
pub(crate) enum Backend {
    /// A TOML file.
    File(File),
}

/// What a store holds, or why it cannot be said.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) entries: Result<Vec<Entry>, Report>,
    /// Files beside the store whose change is a change of the webhooks: those of secrets.
    pub(crate) secret_files: Vec<PathBuf>,
}

impl Backend {
    pub(crate) fn open(url: &str) -> Result<Self, InvalidStoreUrl> {
        match Locator::try_new(url)? {
            Locator::File(path) => Ok(Self::File(File::new(path))),
        }
    }

    /// Reads everything. Blocking.
    pub(crate) fn list(&self, rules: &Rules) -> Listing {
        match self {
            Self::File(file) => file.list(rules),
        }
    }

    /// What changes when the store does, read without reading it. Blocking, but quick.
    pub(crate) fn stamps(&self, secret_files: &[PathBuf]) -> Stamps {
        match self {
            Self::File(file) => Stamps::of(file.path(), secret_files),
        }
    }

    /// Wakes `wake` at every change that the system tells of, until the watcher is dropped.
    pub(crate) fn watch(&self, wake: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
        match self {
            Self::File(file) => file::watch(file.path(), wake),
        }
    }
}
