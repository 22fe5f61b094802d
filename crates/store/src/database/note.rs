//! What people did that changed no webhook, such as looking at a secret, for the audit.

use serde_json::Value;

use crate::database::{Action, Database, DatabaseError};
use crate::store::now_ms;

impl Database {
    /// Notes in the audit that somebody did something to a webhook (or to several: an empty text).
    ///
    /// # Errors
    ///
    /// The database's; nothing is noted then.
    pub async fn note(
        &self,
        action: Action,
        webhook: &str,
        detail: &Value,
        actor: &str,
    ) -> Result<(), DatabaseError> {
        let query = "INSERT INTO audit (at, actor, action, webhook_id, detail) \
                     VALUES ($1, $2, $3, $4, $5)";
        sqlx::query(query)
            .bind(now_ms())
            .bind(actor)
            .bind(action.as_str())
            .bind(webhook)
            .bind(detail.to_string())
            .execute(self.pool().await?)
            .await?;
        Ok(())
    }
}
