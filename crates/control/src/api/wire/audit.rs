//! Who did what.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::text_of;
use crate::desk::{AuditEntry, Listed};

/// What was done, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Audit {
    items: Vec<AuditOut>,
    /// The cursor of the next part; null at the end.
    next: Option<String>,
}

/// Who did what, and when.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct AuditOut {
    #[schema(format = DateTime)]
    at: String,
    /// The token's name, or `command line`, or `boottify-webhooks` for the service itself.
    actor: String,
    action: String,
    /// The webhook's id; empty where it was done to several.
    webhook: String,
    /// More about it.
    detail: Value,
}

impl From<Listed<AuditEntry>> for Audit {
    fn from(listed: Listed<AuditEntry>) -> Self {
        let out = |entry: AuditEntry| AuditOut {
            at: text_of(entry.at_ms),
            actor: entry.actor,
            action: entry.action,
            webhook: entry.webhook,
            detail: entry.detail,
        };
        Self { items: listed.items.into_iter().map(out).collect(), next: listed.next }
    }
}
