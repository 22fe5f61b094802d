//! The last good list of webhooks, kept on disk for a start at which the store is away.
//!
//! It holds webhooks as their owner wrote them; what the service disabled stands in another file
//! (`disabled`). It serves only the store that it came from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use subscriptions::UrlRules;

use crate::entry::Entry;
use crate::state_file::{self, Format, StateError, StateProblem};
use crate::wire::WireWebhook;

const FORMAT: Format = Format { name: "boottify-webhooks saved webhooks", version: 1 };

/// What was saved; sorted by id, as it was when it was saved.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) entries: Vec<Entry>,
    /// As of when the store held these webhooks, in milliseconds since 1970.
    pub(crate) read_at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    store: String,
    read_at_ms: i64,
}

/// Saves what was read from the store at `url`.
pub(crate) fn save(
    state_dir: &Path,
    url: &str,
    entries: &[Entry],
    read_at_ms: i64,
) -> Result<(), StateError> {
    let records = entries.iter().map(|entry| WireWebhook::of(&entry.webhook));
    state_file::write(&path(state_dir), FORMAT, Head { store: url.to_owned(), read_at_ms }, records)
}

/// What was saved last; `None` where nothing was.
pub(crate) fn load(
    state_dir: &Path,
    url: &str,
    rules: UrlRules,
) -> Result<Option<Saved>, StateError> {
    let path = path(state_dir);
    let mut entries = Vec::new();
    let head = state_file::read(&path, FORMAT, |record: WireWebhook| {
        let id = record.id.clone();
        let webhook = record.restore(rules).map_err(|why| format!("{id:?}: {why}"))?;
        entries.push(Entry::new(webhook));
        Ok(())
    })?;
    match head {
        None => Ok(None),
        Some(Head { store, read_at_ms }) if store == url => Ok(Some(Saved { entries, read_at_ms })),
        Some(Head { store, .. }) => {
            Err(StateError { path, problem: StateProblem::OtherStore(store) })
        }
    }
}

/// The file in the state directory.
fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("webhooks.saved")
}
