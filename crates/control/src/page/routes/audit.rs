//! To look at who changed what.

use super::super::answer::{Answer, Reply};
use super::super::fields::address;
use super::super::gate::Asked;
use super::super::view::audit::{Audit, AuditRow, audit};
use crate::desk::{AuditAsked, AuditEntry};

/// Changes on one part of the list.
const CHANGES: u32 = 50;

pub(super) async fn list(asked: Asked) -> Answer {
    let cursor = asked.query.given("cursor");
    let later = cursor.is_some();
    let listed = match asked.desk.audit(&AuditAsked { webhook: None, cursor, limit: CHANGES }).await
    {
        Ok(listed) => listed,
        // A file has its own history; the banner says that it is one.
        Err(_) if asked.frame.read_only.is_some() => {
            crate::desk::Listed { items: Vec::new(), next: None }
        }
        Err(problem) => return Err(problem.into()),
    };
    let next = listed.next.as_deref().map(|cursor| address("/admin/audit", &[("cursor", cursor)]));
    let view = Audit {
        rows: &rows_of(&listed.items),
        first: later.then_some("/admin/audit"),
        next: next.as_deref(),
    };
    Ok(Reply::Screen(audit(&asked.frame, view)))
}

/// Changes as they are shown.
pub(super) fn rows_of(entries: &[AuditEntry]) -> Vec<AuditRow> {
    let row = |entry: &AuditEntry| AuditRow {
        at_ms: entry.at_ms,
        actor: entry.actor.clone(),
        action: entry.action.clone(),
        webhook: entry.webhook.clone(),
        detail: entry.detail.to_string(),
    };
    entries.iter().map(row).collect()
}
