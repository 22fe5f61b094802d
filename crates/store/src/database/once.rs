//! Creating once: a request that is repeated, because its answer was lost, makes no second webhook.

use serde_json::json;
use sha2::{Digest, Sha256};
use signing::Secret;
use sqlx::Row;
use subscriptions::WebhookId;

use crate::database::change::{
    Change, ChangeError, Created, Draft, detail_of, events_text, header_texts, projects_text,
    settings_text,
};
use crate::database::{Action, Database, DatabaseError};

/// How long a key is remembered.
const REMEMBER_MS: i64 = 24 * 60 * 60 * 1_000;

impl Database {
    /// [`Database::create`], once for each key of an actor within a day: the same draft again gives
    /// the same webhook, with the secret that signs for it now, and says so.
    ///
    /// # Errors
    ///
    /// [`ChangeError::KeyReused`] where the key came with another request, [`ChangeError::MadeAndDeleted`]
    /// where the webhook was deleted meanwhile, or the database's.
    pub async fn create_once(
        &self,
        draft: &Draft,
        actor: &str,
        key: &str,
    ) -> Result<Created, ChangeError> {
        let (key, meaning) = (key_of(actor, key), meaning(draft));
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
            return if request == meaning {
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
            .bind(meaning)
            .bind(id.as_str())
            .bind(change.now_ms)
            .execute(&mut *change.tx)
            .await?;
        let revision = change.commit(Action::Created, &id, &detail_of(draft)).await?;
        Ok(Created { id, secret, revision, repeated: false })
    }
}

impl Change<'_> {
    /// What was made before; changes nothing.
    async fn again(mut self, id: String) -> Result<Created, ChangeError> {
        let wrong = |id: &str, why: String| DatabaseError::Row { id: id.to_owned(), why };
        let id = WebhookId::try_new(&id).map_err(|error| wrong(&id, error.to_string()))?;
        let found = self.find(&id).await.map_err(|error| match error {
            ChangeError::Unknown(id) => ChangeError::MadeAndDeleted(id),
            error => error,
        })?;
        let sealed = found.settled(self.now_ms)?;
        let secret = Secret::try_new(&sealed.secret)
            .map_err(|error| wrong(id.as_str(), error.to_string()))?;
        // The number that was taken for this change goes back with it.
        Ok(Created { id, secret, revision: self.revision - 1, repeated: true })
    }
}

/// What is asked for, however it was written; headers count in any order. A hash, for the values of
/// headers are secrets.
fn meaning(draft: &Draft) -> Vec<u8> {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    add(&draft.url.expose());
    add(&events_text(&draft.events));
    add(&projects_text(&draft.projects));
    add(&json!([draft.description, draft.enabled]).to_string());
    add(&settings_text(draft));
    let mut headers = header_texts(&draft.headers);
    headers.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    for (name, value) in headers {
        add(&name);
        add(&value);
    }
    hash.finalize().to_vec()
}

/// Keys are compared by hash: bounded, whatever was sent. Each actor has its own.
fn key_of(actor: &str, key: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(actor.len().to_le_bytes());
    hash.update(actor);
    hash.update(key);
    hash.finalize().to_vec()
}
