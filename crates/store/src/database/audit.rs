//! Who changed what, and when: written with every change (`change`), read here, never a secret.

use sqlx::{AssertSqlSafe, Row};
use subscriptions::WebhookId;

use crate::database::{Database, DatabaseError};

/// Rows at most that one call gives.
const MOST: u32 = 500;

/// One change that somebody made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; later ones are higher.
    pub id: i64,
    /// When, in ms since 1970.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// What was done, such as `created` or `secret rotated`.
    pub action: String,
    /// The webhook's id, which may not be there any more.
    pub webhook: String,
    /// More about it: a JSON object.
    pub detail: String,
}

impl Database {
    /// What was changed, the last change first: of one webhook or of all, before the row `before`,
    /// at most `limit` (and 500).
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn audit(
        &self,
        webhook: Option<&WebhookId>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, DatabaseError> {
        let of_webhook = if webhook.is_some() { "webhook_id = $3 AND " } else { "" };
        let query = format!(
            "SELECT id, at, actor, action, webhook_id, detail FROM audit \
             WHERE {of_webhook}id < $1 ORDER BY id DESC LIMIT $2"
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit.min(MOST)));
        if let Some(webhook) = webhook {
            query = query.bind(webhook.as_str());
        }
        let rows = query.fetch_all(self.pool().await?).await?;
        let read = rows.iter().map(|row| {
            Ok(AuditRow {
                id: row.try_get("id")?,
                at_ms: row.try_get("at")?,
                actor: row.try_get("actor")?,
                action: row.try_get("action")?,
                webhook: row.try_get("webhook_id")?,
                detail: row.try_get("detail")?,
            })
        });
        read.collect()
    }
}
