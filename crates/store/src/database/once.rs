//! Creating once: a request that is repeated, because its answer was lost, makes no second webhook.

use sha2::{Digest, Sha256};
use signing::Secret;
use sqlx::Row;
use subscriptions::WebhookId;

use crate::database::change::{Change, ChangeError, Created, Draft, detail_of};
use crate::database::{Database, DatabaseError};

/// How long a key is remembered.
const REMEMBER_MS: i64 = 24 * 60 * 60 * 1_000;

impl Database {
    /// [`Database::create`], once for each key of an actor within a day: the same request again
    /// gives the same webhook, with the secret that signs for it now, and says so.
    ///
    /// # Errors
    ///
    /// [`ChangeError::KeyReused`] where the key came with another request, [`ChangeError::Unknown`]
    /// where the webhook was deleted meanwhile, or the database's.
    pub async fn create_once(
        &self,
        draft: &Draft,
        actor: &str,
        key: &str,
        request_hash: [u8; 32],
    ) -> Result<Created, ChangeError> {
        let key = key_of(actor, key);
        let mut change = self.change(actor).await?;
        sqlx::query("DELETE FROM idempotency WHERE at < $1")
            .bind(change.now_ms - REMEMBER_MS)
            .execute(&mut *change.tx)
            .await?;
        let known = sqlx::query("SELECT request, webhook_id FROM idempotency WHERE key = $1")
            .bind(key.clone())
            .fetch_optional(&mut *change.tx)
            .await?;
        if let Some(known) = known {
            let (request, id): (Vec<u8>, String) =
                (known.try_get("request")?, known.try_get("webhook_id")?);
            return if request == request_hash {
                change.again(id).await
            } else {
                Err(ChangeError::KeyReused)
            };
        }
        let (id, secret) = change.insert(draft).await?;
        let query =
            "INSERT INTO idempotency (key, request, webhook_id, at) VALUES ($1, $2, $3, $4)";
        sqlx::query(query)
            .bind(key)
            .bind(request_hash.to_vec())
            .bind(id.as_str())
            .bind(change.now_ms)
            .execute(&mut *change.tx)
            .await?;
        let revision = change.commit("created", &id, &detail_of(draft)).await?;
        Ok(Created { id, secret, revision, repeated: false })
    }
}

impl Change<'_> {
    /// What was made before; changes nothing.
    async fn again(mut self, id: String) -> Result<Created, ChangeError> {
        let wrong = |id: &str, why: String| DatabaseError::Row { id: id.to_owned(), why };
        let id = WebhookId::try_new(&id).map_err(|error| wrong(&id, error.to_string()))?;
        let sealed = self.find(&id).await?.settled(self.now_ms);
        let secret = Secret::try_new(&sealed.secret)
            .map_err(|error| wrong(id.as_str(), error.to_string()))?;
        // The number that was taken for this change goes back with it.
        Ok(Created { id, secret, revision: self.revision - 1, repeated: true })
    }
}

/// Keys are compared by hash: bounded, whatever was sent. Each actor has its own.
fn key_of(actor: &str, key: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(actor.len().to_le_bytes());
    hash.update(actor);
    hash.update(key);
    hash.finalize().to_vec()
}
