//! The last good list of webhooks, kept on disk for a start at which the store is away.
//!
//! It holds webhooks as their owner wrote them; what the service disabled stands in another file
//! (`disabled`). It serves only the store that it came from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use subscriptions::UrlRules;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::database::Keys;
use crate::entry::Entry;
use crate::state_file::{self, Format, StateError, StateProblem};
use crate::wire::WireWebhook;

const FORMAT: Format = Format { name: "boottify-webhooks saved webhooks", version: 1 };

/// The same with every record sealed, where the store keeps its secrets so.
const SEALED: Format = Format { name: "boottify-webhooks saved and sealed webhooks", version: 1 };

/// What saving may take without a rest after it.
const CHEAP: Duration = Duration::from_millis(50);
/// The rest after a saving that was not cheap is so many times as long: a long list costs far more to
/// write out than one of its webhooks to change, and may be changed all the time.
const PARTS: u32 = 20;
/// The longest rest, and the one after a saving that failed. Where saving works, what a kill leaves is
/// hardly older.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// When webhooks are saved: at once, unless that took long lately.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// As of when the store held what is not saved yet, in milliseconds since 1970.
    unsaved: Option<i64>,
    rests_until: Option<Instant>,
    /// Whether what is not saved waits for no rest.
    urgent: bool,
}

impl Pace {
    /// What the store held at this time differs from what is saved.
    pub(crate) fn changed(&mut self, read_at_ms: i64) {
        self.unsaved = Some(read_at_ms);
    }

    /// What is not saved yet is due now, whatever saving took lately.
    pub(crate) fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Whether to save now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let rested = self.rests_until.is_none_or(|until| until <= now);
        self.unsaved.is_some() && (self.urgent || rested)
    }

    /// Saving begins: as of when the store held what is saved then. `None` where all is saved.
    pub(crate) fn begin(&mut self) -> Option<i64> {
        self.urgent = false;
        self.unsaved.take()
    }

    /// It was saved, and that took so long.
    pub(crate) fn saved(&mut self, now: Instant, took: Duration) {
        let rest = (took * PARTS).min(LONGEST_REST);
        self.rests_until = (took > CHEAP).then(|| now + rest);
    }

    /// What the store held at this time could not be saved: it is tried again, with what is newer, after
    /// the longest rest and at the end.
    pub(crate) fn failed(&mut self, now: Instant, read_at_ms: i64) {
        self.unsaved.get_or_insert(read_at_ms);
        self.rests_until = Some(now + LONGEST_REST);
    }
}

/// Which store webhooks are saved of, and what its secrets are sealed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub(crate) store: &'a str,
    pub(crate) keys: Option<&'a Keys>,
}

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
    /// How many changes the store had seen, where it counts them and there were webhooks.
    #[serde(default)]
    revision: i64,
}

/// One webhook, sealed as a whole under its id.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedRecord {
    id: String,
    sealed: String,
}

impl SealedRecord {
    fn of(webhook: &WireWebhook, keys: &Keys) -> Self {
        let text = Zeroizing::new(serde_json::to_vec(webhook).unwrap_or_default());
        let sealed = keys.seal(&webhook.id, &text).unwrap_or_default();
        Self { id: webhook.id.clone(), sealed: STANDARD.encode(sealed) }
    }

    fn open(self, keys: &Keys) -> Result<WireWebhook, String> {
        let Self { id, sealed } = self;
        let wrong = |why: &dyn std::fmt::Display| format!("{id:?}: {why}");
        let sealed = STANDARD.decode(sealed).map_err(|_| wrong(&"no base64"))?;
        let text = keys.open(&id, &sealed).map_err(|error| wrong(&error))?;
        // The error would quote what it could not read.
        serde_json::from_slice(&text).map_err(|_| wrong(&"no webhook"))
    }
}

/// Saves what was read from a store, which had seen so many changes then.
pub(crate) fn save(
    state_dir: &Path,
    origin: &Of<'_>,
    entries: &[Entry],
    read_at_ms: i64,
    revision: i64,
) -> Result<(), StateError> {
    let path = path(state_dir);
    let revision = if entries.is_empty() { 0 } else { revision };
    let head = Head { store: origin.store.to_owned(), read_at_ms, revision };
    let records = entries.iter().map(|entry| WireWebhook::of(&entry.webhook));
    match origin.keys {
        None => state_file::write(&path, FORMAT, head, records),
        Some(keys) => {
            // A record that cannot be sealed is damaged when it is read, and said to be.
            let records = records.map(|record| SealedRecord::of(&record, keys));
            state_file::write(&path, SEALED, head, records)
        }
    }
}

/// What was saved last; `None` where nothing was.
pub(crate) fn load(
    state_dir: &Path,
    origin: &Of<'_>,
    rules: UrlRules,
) -> Result<Option<Saved>, StateError> {
    let path = path(state_dir);
    let mut entries = Vec::new();
    let mut take = |record: WireWebhook| {
        let id = record.id.clone();
        let webhook = record.restore(rules).map_err(|why| format!("{id:?}: {why}"))?;
        entries.push(Entry::new(webhook));
        Ok(())
    };
    let head = match origin.keys {
        None => state_file::read(&path, FORMAT, take)?,
        Some(keys) => {
            state_file::read(&path, SEALED, |record: SealedRecord| take(record.open(keys)?))?
        }
    };
    match head {
        None => Ok(None),
        Some(Head { store, read_at_ms, .. }) if store == origin.store => {
            Ok(Some(Saved { entries, read_at_ms }))
        }
        Some(Head { store, .. }) => {
            Err(StateError { path, problem: StateProblem::OtherStore(store) })
        }
    }
}

/// How many changes this database had seen at least when it was saved last with any webhook.
pub(crate) fn changes_seen(state_dir: &Path, store: &str) -> i64 {
    let head: Option<Head> = state_file::head(&path(state_dir), SEALED);
    head.filter(|head| head.store == store).map_or(0, |head| head.revision)
}

/// The file in the state directory.
fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("webhooks.saved")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_done_seldom() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        assert!(!pace.is_due(now));
        for (took_ms, rest_ms) in [(20, 0), (50, 0), (500, 10_000), (5_000, 30_000), (1, 0)] {
            pace.changed(1);
            pace.changed(2);
            assert!(pace.is_due(now), "{took_ms} ms");
            assert_eq!((pace.begin(), pace.begin()), (Some(2), None));
            // What comes meanwhile is for the next time.
            pace.changed(3);
            pace.saved(now, Duration::from_millis(took_ms));
            let end = now + Duration::from_millis(rest_ms);
            assert_eq!(pace.is_due(now), rest_ms == 0, "{took_ms} ms");
            assert!(rest_ms == 0 || !pace.is_due(end - Duration::from_millis(1)));
            assert!(pace.is_due(end), "{took_ms} ms");
            now = end;
        }
    }

    #[test]
    fn what_is_urgent_waits_for_no_rest() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.changed(1);
        pace.begin();
        // It becomes urgent while something older is being saved.
        pace.changed(2);
        pace.hurry();
        pace.saved(now, LONGEST_REST);
        assert!(pace.is_due(now));
        assert_eq!(pace.begin(), Some(2));
        pace.changed(3);
        assert!(!pace.is_due(now));
    }

    #[test]
    fn what_could_not_be_saved_is_tried_again_after_a_rest() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.changed(1);
        pace.hurry();
        pace.begin();
        pace.failed(now, 1);
        assert!(!pace.is_due(now) && pace.is_due(now + LONGEST_REST));
        assert_eq!(pace.begin(), Some(1));
        // What came meanwhile counts.
        pace.changed(2);
        pace.failed(now, 1);
        assert_eq!(pace.begin(), Some(2));
    }
}
