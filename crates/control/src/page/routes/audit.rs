//! To look at who changed what.

use store::{Action, AuditFilter};
use subscriptions::WebhookId;

use super::super::answer::{Answer, Reply};
use super::super::fields::{Fields, address};
use super::super::gate::Asked;
use super::super::view::audit::{Audit, AuditRow, Filter, audit};
use crate::desk::{AuditAsked, AuditEntry, Listed};
use crate::problem::Problem;

/// Changes on one part of the list.
const CHANGES: u32 = 50;

pub(super) async fn list(asked: Asked) -> Answer {
    let filter = filter(&asked.query);
    let cursor = asked.query.given("cursor");
    let later = cursor.is_some();
    let listed = listed(&asked, &filter, cursor).await?;
    let at = |cursor: &str| {
        let Filter { webhook, actor, action } = &filter;
        let pairs = [("webhook", webhook), ("actor", actor), ("action", action)];
        let pairs = pairs.map(|(name, value)| (name, value.as_str()));
        address("/admin/audit", &[&pairs[..], &[("cursor", cursor)]].concat())
    };
    let rows = rows_of(&listed.items);
    let view = Audit {
        rows: asked.desk.has_audit().then_some(&rows[..]),
        filter: &filter,
        first: later.then(|| at("")),
        next: listed.next.as_deref().map(at),
    };
    Ok(Reply::Screen(audit(&asked.frame, &view)))
}

fn filter(query: &Fields) -> Filter {
    let text = |name| query.get(name).to_owned();
    Filter { webhook: text("webhook"), actor: text("actor"), action: text("action") }
}

async fn listed(
    asked: &Asked,
    filter: &Filter,
    cursor: Option<String>,
) -> Result<Listed<AuditEntry>, Problem> {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let webhook = given(&filter.webhook).map(|id| WebhookId::try_new(&id)).transpose();
    // Nothing was ever done to what is no webhook.
    let Ok(webhook) = webhook else { return Ok(Listed { items: Vec::new(), next: None }) };
    let action = given(&filter.action)
        .map(|action| Action::ALL.into_iter().find(|known| known.as_str() == action));
    // Nor was what nobody can do.
    let Ok(action) = action.map(|known| known.ok_or(())).transpose() else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    let filter = AuditFilter { webhook, actor: given(&filter.actor), action };
    asked.desk.audit(&AuditAsked { filter, cursor, limit: CHANGES }).await
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
