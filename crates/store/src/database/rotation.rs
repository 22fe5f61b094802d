//! Secrets change: a new one beside the present one, then alone; and all of them under a new key.

use std::time::Duration;

use serde_json::json;
use signing::Secret;
use sqlx::Row;
use subscriptions::WebhookId;
use zeroize::Zeroizing;

use crate::database::change::{Change, ChangeError, Created, Found};
use crate::database::parts::Parts;
use crate::database::row::Sealed;
use crate::database::{Action, Database, DatabaseError, SealError};

/// The longest that two secrets of a webhook sign beside each other.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Database {
    /// Makes a new secret, if the webhook still is as it was `seen`. Until `overlap` is over it signs
    /// beside the present one, then alone. During a rotation, the secret that waits is replaced.
    ///
    /// # Errors
    ///
    /// As for [`Database::update`].
    pub async fn rotate(
        &self,
        id: &WebhookId,
        overlap: Duration,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<Created, ChangeError> {
        let mut change = self.change(actor).await?;
        let found = change.find_seen(id, seen).await?;
        let secret = Secret::generate().map_err(|_| DatabaseError::Seal(SealError::Randomness))?;
        let switches_at =
            change.now_ms.saturating_add(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
        let next = Some(Zeroizing::new(secret.expose().to_owned()));
        let sealed = Sealed { next, ..found.settled(change.now_ms)? };
        change.write_secrets(id, &sealed, Some(switches_at)).await?;
        let detail = json!({ "overlapUntil": switches_at });
        let revision = change.commit(Action::SecretRotated, id, &detail).await?;
        Ok(Created { id: id.clone(), secret, revision, repeated: false })
    }

    /// Ends the overlap of a rotation now, if the webhook still is as it was `seen`: the new secret
    /// signs alone.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Rotation`] where none is under way; else as for [`Database::update`].
    pub async fn promote(
        &self,
        id: &WebhookId,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<i64, ChangeError> {
        let mut change = self.change(actor).await?;
        let found = change.find_seen(id, seen).await?;
        let sealed = found.settled(change.now_ms)?;
        let Some(next) = sealed.next.clone() else {
            return Err(ChangeError::Rotation("no new secret waits for its time"));
        };
        let sealed = Sealed { secret: next, next: None, ..sealed };
        change.write_secrets(id, &sealed, None).await?;
        change.commit(Action::SecretPromoted, id, &json!({})).await
    }

    /// Seals every secret anew that is sealed with an earlier key; says how many there were, and which
    /// webhooks could not be opened and were left as they are.
    ///
    /// # Errors
    ///
    /// The database's; what was sealed before the error stays so.
    pub async fn reseal(&self) -> Result<(usize, Vec<ChangeError>), ChangeError> {
        let ids = sqlx::query("SELECT id, revision, sealed FROM webhooks")
            .fetch_all(self.pool().await?)
            .await?;
        let (mut done, mut left) = (0, Vec::new());
        for row in ids {
            let parts = Parts::of(&row);
            // What is damaged is tried, so that it is told.
            let sealed: &[u8] = row.try_get("sealed").unwrap_or_default();
            if self.keys().is_present(sealed) {
                continue;
            }
            let id = parts.id;
            let mut change = self.change("boottify-webhooks").await?;
            match change.find(&id).await {
                Ok(found) => match found.opened() {
                    Ok(sealed) => {
                        change.write_secrets(&id, sealed, found.switches_at).await?;
                        change.commit(Action::SecretSealedAnew, &id, &json!({})).await?;
                        done += 1;
                    }
                    Err(unopened) => left.push(unopened),
                },
                Err(ChangeError::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((done, left))
    }
}

impl Change<'_> {
    async fn write_secrets(
        &mut self,
        id: &WebhookId,
        sealed: &Sealed,
        switches_at: Option<i64>,
    ) -> Result<(), ChangeError> {
        let query = "UPDATE webhooks SET sealed = $2, switches_at = $3, updated_at = $4, \
                     revision = $5 WHERE id = $1";
        sqlx::query(query)
            .bind(id.as_str())
            .bind(sealed.seal(self.database.keys(), id.as_str())?)
            .bind(switches_at)
            .bind(self.now_ms)
            .bind(self.revision)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }
}

impl Found {
    /// The secrets with a rotation whose time has come carried out.
    pub(super) fn settled(&self, now_ms: i64) -> Result<Sealed, ChangeError> {
        let sealed = self.opened()?;
        Ok(match &sealed.next {
            Some(next) if self.switches_at.is_none_or(|at| at <= now_ms) => {
                Sealed { secret: next.clone(), next: None, headers: sealed.headers.clone() }
            }
            _ => sealed.clone(),
        })
    }
}
