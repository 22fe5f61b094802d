//! Changes of webhooks: each a transaction that takes the next number first.
//!
//! ```text
//! take the number (and with it the lock) ─► read the row ─► write it ─► note it (audit) ─► commit ─► wake the feeds
//! ```
//!
//! Who edits says which state of the webhook was seen (its fingerprint, the API's ETag); if another
//! one is there, nothing is changed.

use std::num::NonZeroU32;

use event::ProjectId;
use futures_util::TryStreamExt;
use serde_json::json;
use signing::Secret;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row, Transaction};
use subscriptions::{
    Condition, EventFilter, Headers, RateLimit, RetryPolicy, Unopened, Webhook, WebhookId,
    WebhookUrl,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::database::follow::CHANNEL;
use crate::database::row::{self, NAMED, Read, Sealed, Settings, row_of};
use crate::database::{Action, Database, DatabaseError, Keys, Kind, SealError};
use crate::entry::{Entry, Fingerprint};
use crate::store::now_ms;
use crate::wire::{WireClause, WireRate, WireRetry};

/// How long it is remembered that something was deleted: far longer than any replica is cut off
/// from the database and still serves.
const REMEMBER_DELETED_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// What an owner says about a webhook; every part is checked already.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where requests go.
    pub url: WebhookUrl,
    /// Which events are wanted.
    pub events: EventFilter,
    /// Of which projects; empty means of all.
    pub projects: Vec<ProjectId>,
    /// What the payload must hold besides.
    pub condition: Option<Condition>,
    /// What its owner says about it.
    pub description: Option<String>,
    /// Whether events are sent at all.
    pub enabled: bool,
    /// Whether the events that it matches while it is disabled are kept as dead letters.
    pub keep_while_disabled: bool,
    /// Its own retry policy.
    pub retry: Option<RetryPolicy>,
    /// Its own limit of attempts at the same time.
    pub max_in_flight: Option<NonZeroU32>,
    /// How many attempts may begin within a time.
    pub rate_limit: Option<RateLimit>,
    /// Headers that are added to every request.
    pub headers: Headers,
}

/// A secret that was made, and whose it is.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its id.
    pub id: WebhookId,
    /// Its secret, to be shown to its owner.
    pub secret: Secret,
    /// The number of the change, for [`Store::wait_live`](crate::Store::wait_live).
    pub revision: i64,
    /// Whether it was made before, by the same request.
    pub repeated: bool,
}

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// There is no such webhook.
    #[error("there is no webhook {0}")]
    Unknown(WebhookId),
    /// Somebody changed it since it was seen.
    #[error("webhook {0} was changed by somebody else meanwhile")]
    Stale(WebhookId),
    /// Not all of it can be had, and without that nothing but its end can be decided.
    #[error("webhook {id} cannot be opened: {why}; {}, or delete it", why.advice())]
    Unopened {
        /// The webhook.
        id: WebhookId,
        /// Why, without a secret.
        why: Unopened,
    },
    /// A rotation is under way; or none is, where one must be.
    #[error("{0}")]
    Rotation(&'static str),
    /// The idempotency key made this webhook within the last day, which is not there any more.
    #[error(
        "this idempotency key made the webhook {0}, which was deleted; make another with a new key"
    )]
    MadeAndDeleted(WebhookId),
    /// The idempotency key was used within the last day, for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for ChangeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// One change under way.
pub(super) struct Change<'a> {
    pub(super) database: &'a Database,
    pub(super) tx: Transaction<'static, Any>,
    pub(super) revision: i64,
    pub(super) now_ms: i64,
    actor: &'a str,
}

/// A webhook within a change.
pub(super) struct Found {
    webhook: Webhook,
    fingerprint: Fingerprint,
    sealed: Result<Sealed, Unopened>,
    pub(super) switches_at: Option<i64>,
}

impl Draft {
    /// What the owner of this webhook says now.
    #[must_use]
    pub fn of(webhook: &Webhook) -> Self {
        Self {
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            projects: webhook.projects.to_vec(),
            condition: webhook.condition.clone(),
            description: webhook.description.clone(),
            enabled: webhook.enabled,
            keep_while_disabled: webhook.keep_while_disabled,
            retry: webhook.retry,
            max_in_flight: webhook.max_in_flight,
            rate_limit: webhook.rate_limit,
            headers: webhook.headers.clone(),
        }
    }

    /// The names, in the API's words, of what is not as in the other one.
    fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        let fields = [
            ("url", self.url != other.url),
            ("events", self.events != other.events),
            ("projects", self.projects != other.projects),
            ("condition", self.condition != other.condition),
            ("description", self.description != other.description),
            ("enabled", self.enabled != other.enabled),
            ("keepWhileDisabled", self.keep_while_disabled != other.keep_while_disabled),
            ("retry", self.retry != other.retry),
            ("maxInFlight", self.max_in_flight != other.max_in_flight),
            ("rateLimit", self.rate_limit != other.rate_limit),
            ("headers", self.headers != other.headers),
        ];
        fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

impl Database {
    /// One webhook as the database holds it now, and its fingerprint.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Unknown`], or the database's.
    pub async fn find(&self, id: &WebhookId) -> Result<(Webhook, String), ChangeError> {
        let connection = &mut *self.pool().await?.acquire().await?;
        let read = row::find(connection, self.keys(), id, now_ms()).await?;
        let read = read.ok_or_else(|| ChangeError::Unknown(id.clone()))?;
        let fingerprint = Entry::of(read.webhook.clone()).fingerprint.to_string();
        Ok((Webhook::clone(&read.webhook), fingerprint))
    }

    /// Makes a webhook with a new secret.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn create(&self, draft: &Draft, actor: &str) -> Result<Created, ChangeError> {
        let mut change = self.change(actor).await?;
        let (id, secret) = change.insert(draft).await?;
        let revision = change.commit(Action::Created, &id, &detail_of(draft)).await?;
        Ok(Created { id, secret, revision, repeated: false })
    }

    /// Replaces what an owner says about a webhook. Enabling forgets why it was disabled. Gives the
    /// number of the change, as all of these do.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Unknown`], [`ChangeError::Stale`] where `seen` is given and is not its
    /// fingerprint any more, or the database's.
    pub async fn update(
        &self,
        id: &WebhookId,
        draft: &Draft,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<i64, ChangeError> {
        let mut change = self.change(actor).await?;
        let found = change.find_seen(id, seen).await?;
        let sealed = Sealed { headers: header_texts(&draft.headers), ..found.opened()?.clone() };
        let changed = draft.differs_from(&Draft::of(&found.webhook));
        let reason = found.webhook.disabled_reason.filter(|_| !draft.enabled);
        let query = "UPDATE webhooks SET url = $2, events = $3, projects = $4, description = $5, \
                     enabled = $6, disabled_reason = $7, settings = $8, sealed = $9, \
                     updated_at = $10, revision = $11 WHERE id = $1";
        sqlx::query(query)
            .bind(id.as_str())
            .bind(draft.url.expose())
            .bind(events_text(&draft.events))
            .bind(projects_text(&draft.projects))
            .bind(draft.description.clone())
            .bind(i64::from(draft.enabled))
            .bind(reason)
            .bind(settings_text(draft))
            .bind(sealed.seal(self.keys(), id.as_str())?)
            .bind(change.now_ms)
            .bind(change.revision)
            .execute(&mut *change.tx)
            .await?;
        let mut detail = detail_of(draft);
        detail["changed"] = json!(changed);
        change.commit(Action::Updated, id, &detail).await
    }

    /// Deletes a webhook, also one whose row cannot be read. What waits for it ends.
    ///
    /// # Errors
    ///
    /// As for [`Database::update`].
    pub async fn delete(
        &self,
        id: &WebhookId,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<i64, ChangeError> {
        let mut change = self.change(actor).await?;
        let url = change.find_seen(id, seen).await?.webhook.url.to_string();
        let (revision, now) = (change.revision, change.now_ms);
        sqlx::query(AssertSqlSafe(format!("DELETE FROM webhooks WHERE {NAMED}")))
            .bind(id.as_str())
            .bind(row_of(id))
            .execute(&mut *change.tx)
            .await?;
        let query = "INSERT INTO deleted_webhooks (id, deleted_at, revision) VALUES ($1, $2, $3)";
        sqlx::query(query)
            .bind(id.as_str())
            .bind(now)
            .bind(revision)
            .execute(&mut *change.tx)
            .await?;
        sqlx::query("DELETE FROM deleted_webhooks WHERE deleted_at < $1")
            .bind(now - REMEMBER_DELETED_MS)
            .execute(&mut *change.tx)
            .await?;
        change.commit(Action::Deleted, id, &json!({ "url": url })).await
    }

    /// Disables a webhook on the service's behalf, if its owner has not changed it since `seen`.
    ///
    /// # Errors
    ///
    /// As for [`Database::update`].
    pub(crate) async fn disable(
        &self,
        id: &WebhookId,
        seen: Fingerprint,
        reason: &str,
    ) -> Result<(), ChangeError> {
        let mut change = self.change("boottify-webhooks").await?;
        let found = change.find(id).await?;
        if found.fingerprint != seen {
            return Err(ChangeError::Stale(id.clone()));
        }
        let query = "UPDATE webhooks SET enabled = 0, disabled_reason = $2, updated_at = $3, \
                     revision = $4 WHERE id = $1";
        sqlx::query(query)
            .bind(id.as_str())
            .bind(reason)
            .bind(change.now_ms)
            .bind(change.revision)
            .execute(&mut *change.tx)
            .await?;
        change.commit(Action::Disabled, id, &json!({ "reason": reason })).await?;
        Ok(())
    }

    pub(super) async fn change<'a>(&'a self, actor: &'a str) -> Result<Change<'a>, ChangeError> {
        let mut tx = self.pool().await?.begin().await?;
        let row =
            sqlx::query("UPDATE revision SET value = value + 1 WHERE only_row = 1 RETURNING value")
                .fetch_one(&mut *tx)
                .await?;
        let revision = row.try_get("value")?;
        Ok(Change { database: self, tx, revision, now_ms: now_ms(), actor })
    }
}

/// Whether the configured keys open any of the webhooks that are there: else the key itself is wrong.
/// What is sealed with it then nobody else could read, and who reads all webhooks would read none.
pub(super) async fn ensure_key_opens(
    from: &mut AnyConnection,
    keys: &Keys,
) -> Result<(), DatabaseError> {
    let mut foreign = None;
    // Nearly always the first one tells, of however many there are.
    for query in ["SELECT id, sealed FROM webhooks LIMIT 1", "SELECT id, sealed FROM webhooks"] {
        let mut rows = sqlx::query(query).fetch(&mut *from);
        while let Some(row) = rows.try_next().await? {
            // What is damaged says nothing about the key.
            let (Ok(id), Ok(sealed)) = (row.try_get::<String, _>("id"), row.try_get("sealed"))
            else {
                continue;
            };
            match keys.open(&id, sealed) {
                Ok(_) => return Ok(()),
                Err(error @ SealError::UnknownKey(_)) => {
                    foreign.get_or_insert(DatabaseError::Row { id, why: error.to_string() });
                }
                Err(SealError::Damaged | SealError::Randomness) => {}
            }
        }
    }
    foreign.map_or(Ok(()), Err)
}

impl Change<'_> {
    /// Writes a new webhook; gives its id and its secret.
    pub(super) async fn insert(
        &mut self,
        draft: &Draft,
    ) -> Result<(WebhookId, Secret), ChangeError> {
        ensure_key_opens(&mut self.tx, self.database.keys()).await?;
        let id = new_id()?;
        let secret = Secret::generate().map_err(|_| DatabaseError::Seal(SealError::Randomness))?;
        let sealed = Sealed {
            secret: Zeroizing::new(secret.expose().to_owned()),
            next: None,
            headers: header_texts(&draft.headers),
        };
        let query = "INSERT INTO webhooks (id, url, events, projects, description, enabled, settings, \
                     sealed, created_at, updated_at, revision) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)";
        sqlx::query(query)
            .bind(id.as_str())
            .bind(draft.url.expose())
            .bind(events_text(&draft.events))
            .bind(projects_text(&draft.projects))
            .bind(draft.description.clone())
            .bind(i64::from(draft.enabled))
            .bind(settings_text(draft))
            .bind(sealed.seal(self.database.keys(), id.as_str())?)
            .bind(self.now_ms)
            .bind(self.revision)
            .execute(&mut *self.tx)
            .await?;
        Ok((id, secret))
    }

    pub(super) async fn find(&mut self, id: &WebhookId) -> Result<Found, ChangeError> {
        let read = row::find(&mut self.tx, self.database.keys(), id, self.now_ms).await?;
        let Read { webhook, sealed, switches_at, .. } =
            read.ok_or_else(|| ChangeError::Unknown(id.clone()))?;
        let fingerprint = Entry::of(webhook.clone()).fingerprint;
        Ok(Found { webhook: Webhook::clone(&webhook), fingerprint, sealed, switches_at })
    }

    pub(super) async fn find_seen(
        &mut self,
        id: &WebhookId,
        seen: Option<&str>,
    ) -> Result<Found, ChangeError> {
        let found = self.find(id).await?;
        match seen {
            Some(seen) if found.fingerprint.to_string() != seen => {
                Err(ChangeError::Stale(id.clone()))
            }
            _ => Ok(found),
        }
    }

    /// Notes who did it, commits and tells the feeds. Gives the number of the change.
    pub(super) async fn commit(
        mut self,
        action: Action,
        id: &WebhookId,
        detail: &serde_json::Value,
    ) -> Result<i64, ChangeError> {
        let query = "INSERT INTO audit (at, actor, action, webhook_id, detail) \
                     VALUES ($1, $2, $3, $4, $5)";
        sqlx::query(query)
            .bind(self.now_ms)
            .bind(self.actor)
            .bind(action.as_str())
            .bind(id.as_str())
            .bind(detail.to_string())
            .execute(&mut *self.tx)
            .await?;
        self.announce().await
    }

    /// Commits and tells the feeds. Gives the number of the change.
    pub(super) async fn announce(mut self) -> Result<i64, ChangeError> {
        if self.database.place().kind() == Kind::Postgres {
            sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut *self.tx).await?;
        }
        self.tx.commit().await?;
        self.database.0.wake.notify_one();
        Ok(self.revision)
    }
}

impl Found {
    /// What is sealed of it.
    pub(super) fn opened(&self) -> Result<&Sealed, ChangeError> {
        self.sealed
            .as_ref()
            .map_err(|why| ChangeError::Unopened { id: self.webhook.id.clone(), why: why.clone() })
    }
}

/// What the audit keeps of a webhook that was made or changed.
pub(super) fn detail_of(draft: &Draft) -> serde_json::Value {
    json!({ "url": draft.url.to_string(), "enabled": draft.enabled })
}

/// A new id: 128 random bits.
fn new_id() -> Result<WebhookId, ChangeError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| DatabaseError::Seal(SealError::Randomness))?;
    let text = format!("whk_{}", hex::encode(random));
    let id = WebhookId::try_new(&text);
    Ok(id.map_err(|error| DatabaseError::Row { id: text, why: error.to_string() })?)
}

pub(super) fn events_text(events: &EventFilter) -> String {
    json!(events.patterns().iter().map(ToString::to_string).collect::<Vec<_>>()).to_string()
}

pub(super) fn projects_text(projects: &[ProjectId]) -> String {
    json!(projects.iter().map(ProjectId::as_str).collect::<Vec<_>>()).to_string()
}

pub(super) fn settings_text(draft: &Draft) -> String {
    let retry = draft.retry.map(|policy| WireRetry::of(policy.values()));
    let settings = Settings {
        retry,
        max_in_flight: draft.max_in_flight,
        rate_limit: draft.rate_limit.map(WireRate::of),
        condition: WireClause::all(draft.condition.as_ref()),
        keep_while_disabled: draft.keep_while_disabled,
    };
    // Numbers only: this serialises always.
    serde_json::to_string(&settings).unwrap_or_default()
}

/// Checked header values are printable ASCII.
pub(super) fn header_texts(headers: &Headers) -> Vec<(String, Zeroizing<String>)> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    headers.iter().map(|(name, value)| (name.to_string(), Zeroizing::new(text(value)))).collect()
}
