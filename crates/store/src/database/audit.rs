//! Who changed what, and when: written with every change (`change`), read and forgotten here, never
//! a secret.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};
use subscriptions::WebhookId;

use crate::database::{Action, Database, DatabaseError};
use crate::store::now_ms;

/// Rows at most that one call gives.
const MOST: u32 = 500;
/// Rows that are forgotten at once: a statement that nobody waits for long.
const CHUNK: i64 = 1_000;

/// How much of the audit is kept; what is beyond either is forgotten, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditBounds {
    /// How long.
    pub max_age: Duration,
    /// How many changes.
    pub max_rows: u64,
}

/// Which changes are asked for: all that fit every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this webhook.
    pub webhook: Option<WebhookId>,
    /// Made by exactly this actor.
    pub actor: Option<String>,
    /// Of exactly this action.
    pub action: Option<Action>,
}

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
    /// What was changed, the last change first: what fits the filter, before the row `before`, at most
    /// `limit` (and 500).
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, DatabaseError> {
        let AuditFilter { webhook, actor, action } = filter;
        let wanted = [
            ("webhook_id", webhook.as_ref().map(WebhookId::as_str)),
            ("actor", actor.as_deref()),
            ("action", action.map(Action::as_str)),
        ];
        let wanted: Vec<_> =
            wanted.iter().filter_map(|(column, value)| Some((column, (*value)?))).collect();
        let conditions = wanted.iter().zip(3..);
        let conditions: String =
            conditions.map(|((column, _), number)| format!(" AND {column} = ${number}")).collect();
        let query = format!(
            "SELECT id, at, actor, action, webhook_id, detail FROM audit \
             WHERE id < $1{conditions} ORDER BY id DESC LIMIT $2"
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit.min(MOST)));
        for (_, value) in wanted {
            query = query.bind(value);
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

    /// Forgets what is beyond the bounds, and says how many rows that were.
    ///
    /// # Errors
    ///
    /// The database's; what was forgotten before stays so.
    pub async fn prune_audit(&self, bounds: AuditBounds) -> Result<u64, DatabaseError> {
        let mut forgotten = 0;
        loop {
            let rows = self.prune_some(bounds).await?;
            forgotten += rows;
            if rows < CHUNK.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }

    /// At most [`CHUNK`] rows. Their numbers grow with time, so the oldest are the lowest.
    async fn prune_some(&self, bounds: AuditBounds) -> Result<u64, DatabaseError> {
        let pool = self.pool().await?;
        let oldest_kept = now_ms() - i64::try_from(bounds.max_age.as_millis()).unwrap_or(i64::MAX);
        let most = i64::try_from(bounds.max_rows).unwrap_or(i64::MAX);
        let beyond = sqlx::query("SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET $1");
        let beyond = beyond.bind(most).fetch_optional(pool).await?;
        let beyond: i64 = beyond.map_or(Ok(i64::MIN), |row| row.try_get("id"))?;
        let oldest = sqlx::query("SELECT id, at FROM audit ORDER BY id LIMIT $1");
        let mut last = None;
        for row in oldest.bind(CHUNK).fetch_all(pool).await? {
            let (id, at): (i64, i64) = (row.try_get("id")?, row.try_get("at")?);
            if id > beyond && at >= oldest_kept {
                break;
            }
            last = Some(id);
        }
        let Some(last) = last else { return Ok(0) };
        let delete = sqlx::query("DELETE FROM audit WHERE id <= $1").bind(last);
        Ok(delete.execute(pool).await?.rows_affected())
    }
}
