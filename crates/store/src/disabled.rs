//! Which webhooks the service itself disabled, and why.
//!
//! The store is its owner's and is not written to. So the decision is kept in the state directory,
//! tied to the fingerprint of what the owner had written: when the owner changes anything about the
//! webhook, it is enabled again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use subscriptions::WebhookId;

use crate::entry::{Entry, Fingerprint};
use crate::state_file::{self, Format, StateError};

const FORMAT: Format = Format { name: "boottify-webhooks disabled webhooks", version: 1 };

/// The decisions that hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disabled(BTreeMap<WebhookId, Decision>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    fingerprint: Fingerprint,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: String,
    fingerprint: String,
    reason: String,
}

impl Disabled {
    /// What was saved; nothing where there is no file.
    pub(crate) fn load(state_dir: &Path) -> Result<Self, StateError> {
        let mut disabled = Self::default();
        let head = state_file::read(&path(state_dir), FORMAT, |record: Record| {
            let id = WebhookId::try_new(&record.id).map_err(|why| why.to_string())?;
            let fingerprint =
                Fingerprint::parse(&record.fingerprint).ok_or("not a fingerprint".to_owned())?;
            disabled.0.insert(id, Decision { fingerprint, reason: record.reason });
            Ok(())
        })?;
        Ok(head.map_or_else(Self::default, |()| disabled))
    }

    pub(crate) fn save(&self, state_dir: &Path) -> Result<(), StateError> {
        let records = self.0.iter().map(|(id, decision)| Record {
            id: id.to_string(),
            fingerprint: decision.fingerprint.to_string(),
            reason: decision.reason.clone(),
        });
        state_file::write(&path(state_dir), FORMAT, (), records)
    }

    /// Disables the webhook of this entry.
    pub(crate) fn disable(&mut self, entry: &Entry, reason: String) {
        let decision = Decision { fingerprint: entry.fingerprint, reason };
        self.0.insert(entry.webhook.id.clone(), decision);
    }

    /// The same decisions, and those of others about other webhooks.
    pub(crate) fn join(&mut self, others: Self) {
        for (id, decision) in others.0 {
            self.0.entry(id).or_insert(decision);
        }
    }

    /// Every decision: the webhook, what its owner had written, and the reason.
    pub(crate) fn decisions(&self) -> impl Iterator<Item = (&WebhookId, Fingerprint, &str)> {
        self.0.iter().map(|(id, decision)| (id, decision.fingerprint, &*decision.reason))
    }

    /// Forgets the decision about a webhook: its store has taken it over.
    pub(crate) fn hand_over(&mut self, id: &WebhookId) {
        self.0.remove(id);
    }

    /// Why the webhook of this entry is disabled, if it is and its owner has not changed it since.
    pub(crate) fn reason(&self, entry: &Entry) -> Option<&str> {
        let decision = self.0.get(&entry.webhook.id)?;
        (decision.fingerprint == entry.fingerprint).then_some(&*decision.reason)
    }

    /// Forgets the decisions about webhooks that are gone or were changed, and names them. The
    /// entries are sorted.
    pub(crate) fn lift(&mut self, entries: &[Entry]) -> Vec<WebhookId> {
        let lifted = self.0.extract_if(.., |id, decision| {
            Entry::find(entries, id).is_none_or(|entry| entry.fingerprint != decision.fingerprint)
        });
        lifted.map(|(id, _)| id).collect()
    }
}

/// The file in the state directory.
fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("webhooks.disabled")
}
