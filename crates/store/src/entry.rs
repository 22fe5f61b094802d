//! One webhook as its owner wrote it, and the fingerprint of that writing.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subscriptions::{Unopened, Webhook, WebhookId};

use crate::wire::WireWebhook;

/// A webhook as the store holds it: without what the service itself decided about it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Shared with the snapshot, so that it is in memory once.
    pub(crate) webhook: Arc<Webhook>,
    pub(crate) fingerprint: Fingerprint,
}

/// Names what the owner of this webhook says about it: it changes whenever any of that does.
#[must_use]
pub fn fingerprint(webhook: &Webhook) -> String {
    Fingerprint::of(webhook).to_string()
}

/// Changes whenever its owner changes anything about a webhook: half a SHA-256 over all of it but
/// the times. Comments, order and spelling of a file do not count.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 16]);

impl Entry {
    pub(crate) fn new(webhook: Webhook) -> Self {
        Self::of(Arc::new(webhook))
    }

    pub(crate) fn of(webhook: Arc<Webhook>) -> Self {
        let fingerprint = Fingerprint::of(&webhook);
        Self { webhook, fingerprint }
    }

    /// Its id and why it cannot be opened, where it cannot.
    pub(crate) fn unopened(&self) -> Option<(WebhookId, Unopened)> {
        let why = self.webhook.secrets.as_ref().err()?;
        Some((self.webhook.id.clone(), why.clone()))
    }

    /// Sorts by id, as [`Entry::find`] and [`Entry::same`] need it.
    pub(crate) fn sort(entries: &mut [Self]) {
        entries.sort_by(|a, b| a.webhook.id.cmp(&b.webhook.id));
    }

    /// The entry of this webhook among sorted ones.
    pub(crate) fn find<'a>(entries: &'a [Self], id: &WebhookId) -> Option<&'a Self> {
        let place = entries.binary_search_by(|entry| entry.webhook.id.cmp(id)).ok()?;
        entries.get(place)
    }

    /// Whether both, sorted, say the same.
    pub(crate) fn same(a: &[Self], b: &[Self]) -> bool {
        let fingerprints = a.iter().zip(b).all(|(a, b)| a.fingerprint == b.fingerprint);
        a.len() == b.len() && fingerprints
    }
}

impl Fingerprint {
    fn of(webhook: &Webhook) -> Self {
        let wire = WireWebhook::of(webhook).without_times();
        // Texts and numbers only: this serialises always.
        let json = serde_json::to_vec(&wire).unwrap_or_default();
        let digest: [u8; 32] = Sha256::digest(json).into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
