//! Webhooks: look, create, change, delete, and their secrets.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use signing::Secret;
use store::{Action, Created, Database, LONGEST_OVERLAP, ReadError};
use subscriptions::{Secrets, Snapshot, Webhook, WebhookId};

use super::draft::{self, Drafted};
use super::{
    AuditAsked, AuditEntry, Desk, Edit, EventTypeInfo, Found, Listed, MAX_PAGE, Made, Reach, State,
    WebhooksAsked, sample, trouble,
};
use crate::clock::text_of;
use crate::cursor::List;
use crate::problem::{FieldError, Problem, ProblemKind};

/// How long a change may take until it is live here; contract: within a second.
const LIVE: Duration = Duration::from_secs(1);

impl Desk {
    /// How many webhooks there are, and how many of them are enabled.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let snapshot = self.0.store.snapshots().load_full();
        (snapshot.len(), snapshot.enabled())
    }

    /// Why there are no webhooks to be seen: none are live, and they cannot be read. `None` where they
    /// can.
    #[must_use]
    pub fn unread(&self) -> Option<String> {
        let trouble = self.0.store.status().trouble();
        trouble.filter(|_| self.count().0 == 0).map(|trouble| trouble.to_string())
    }

    /// Why the webhooks cannot be read, while those that are live go on; `None` where they can.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.0.store.status().trouble();
        trouble.filter(|_| self.count().0 > 0).map(|trouble| trouble.to_string())
    }

    /// Why webhooks cannot be changed here; `None` where they can.
    #[must_use]
    pub fn read_only(&self) -> Option<String> {
        self.database().err().map(|problem| problem.detail)
    }

    /// What all replicas share, where webhooks are kept in a database.
    pub(crate) fn shared(&self) -> Option<&Database> {
        self.0.store.database()
    }

    /// Webhooks, newest first, as they are live.
    ///
    /// # Errors
    ///
    /// A cursor that is none.
    pub fn webhooks(&self, asked: &WebhooksAsked) -> Result<Listed<Found>, Problem> {
        Self::webhooks_of(&self.0.store.snapshots().load_full(), asked)
    }

    /// The same of any snapshot: looks at all of its webhooks and sorts those that are shown.
    ///
    /// # Errors
    ///
    /// A cursor that is none.
    pub fn webhooks_of(
        snapshot: &Snapshot,
        asked: &WebhooksAsked,
    ) -> Result<Listed<Found>, Problem> {
        let list = List::Webhooks.of(&(&asked.search, &asked.state));
        let after = asked.cursor.as_deref().map(|cursor| list.place(cursor));
        let after = after.transpose()?;
        let mut matcher = Matcher::new(asked);
        let beyond = |webhook: &Webhook| {
            after.as_ref().is_none_or(|(created, id)| {
                let place = (webhook.created_at_ms, webhook.id.as_str());
                order(place, (*created, id)) == Ordering::Greater
            })
        };
        let mut fitting: Vec<&Arc<Webhook>> =
            snapshot.iter().filter(|webhook| beyond(webhook) && matcher.fits(webhook)).collect();
        let limit = asked.limit.clamp(1, MAX_PAGE) as usize;
        let newest = |a: &&Arc<Webhook>, b: &&Arc<Webhook>| {
            order((a.created_at_ms, a.id.as_str()), (b.created_at_ms, b.id.as_str()))
        };
        let more = fitting.len() > limit;
        if more {
            // Only those of this part are sorted, however many there are.
            fitting.select_nth_unstable_by(limit, newest);
            fitting.truncate(limit);
        }
        fitting.sort_unstable_by(newest);
        let last = fitting.last().filter(|_| more);
        let next = last.map(|last| list.cursor(last.created_at_ms, last.id.as_str()));
        Ok(Listed { items: fitting.into_iter().map(found).collect(), next })
    }

    /// One webhook, as the database has it; as it is live where that is away or there is none.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn webhook(&self, id: &WebhookId) -> Result<Found, Problem> {
        let live = self.0.store.snapshots().load().get(id).map(Arc::clone);
        let Some(database) = self.0.store.database() else {
            return live.as_ref().map(found).ok_or_else(|| unknown(id));
        };
        match (database.find(id).await, live) {
            (Ok((webhook, fingerprint)), live) => {
                // What the service decided about it is known here only, until it is written down.
                let same = live.filter(|live| live.updated_at_ms == webhook.updated_at_ms);
                let webhook = same.unwrap_or_else(|| Arc::new(webhook));
                Ok(Found { webhook, fingerprint })
            }
            (Err(store::ChangeError::Database(error)), Some(live)) => {
                tracing::warn!(error = %broker::in_one_line(&error), "showing a webhook as it is live");
                Ok(found(&live))
            }
            (Err(error), _) => Err(trouble::change(&error)),
        }
    }

    /// What is wrong with an edit of this webhook, or of a new one. Asks no name server.
    pub async fn mistakes(&self, id: Option<&WebhookId>, edit: &Edit) -> Vec<FieldError> {
        let present = match id {
            Some(id) => self.webhook(id).await.ok(),
            None => None,
        };
        let webhook = present.as_ref().map(|found| &*found.webhook);
        draft::draft(edit, webhook, &self.rules()).errors
    }

    /// Makes a webhook. `key` is an idempotency key: who asks again with the same for the same gets
    /// the same webhook and secret.
    ///
    /// # Errors
    ///
    /// All mistakes of the fields; a key that was used for something else, or for a webhook that was
    /// deleted; the store.
    pub async fn create(
        &self,
        edit: &Edit,
        key: Option<&str>,
        actor: &str,
    ) -> Result<Made, Problem> {
        let database = self.database()?;
        let drafted = draft::draft(edit, None, &self.rules());
        let (draft, warnings) = self.judged(drafted).await?;
        let made = match key {
            None => database.create(&draft, actor).await,
            Some(key) => database.create_once(&draft, actor, key).await,
        };
        let made = made.map_err(|error| trouble::change(&error))?;
        told(Action::Created, made.id.as_str(), actor);
        self.made(made, warnings).await
    }

    /// Changes a webhook, if it still is as it was `seen` (its fingerprint). Returns it as it is
    /// now, and warnings.
    ///
    /// # Errors
    ///
    /// All mistakes of the fields; somebody else changed it; there is none; the store.
    pub async fn update(
        &self,
        id: &WebhookId,
        edit: &Edit,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<(Found, Vec<String>), Problem> {
        let database = self.database()?;
        let (present, fingerprint) =
            database.find(id).await.map_err(|error| trouble::change(&error))?;
        if seen.is_some_and(|seen| seen != fingerprint) {
            return Err(trouble::change(&store::ChangeError::Stale(id.clone())));
        }
        opened(&present)?;
        let drafted = draft::draft(edit, Some(&present), &self.rules());
        let (draft, warnings) = self.judged(drafted).await?;
        // The draft was made of this very state: whatever came between must not be lost.
        let changed = database.update(id, &draft, Some(&fingerprint), actor).await;
        self.live(changed.map_err(|error| trouble::change(&error))?).await;
        told(Action::Updated, id.as_str(), actor);
        Ok((self.webhook(id).await?, warnings))
    }

    /// Enables or disables a webhook; enabling forgets why it was disabled.
    ///
    /// # Errors
    ///
    /// As for [`Desk::update`].
    pub async fn set_enabled(
        &self,
        id: &WebhookId,
        enabled: bool,
        actor: &str,
    ) -> Result<Found, Problem> {
        let edit = Edit { enabled: super::Change::Set(enabled), ..Edit::default() };
        self.update(id, &edit, None, actor).await.map(|(found, _)| found)
    }

    /// Deletes a webhook, if it still is as it was `seen`. What waits for it ends.
    ///
    /// # Errors
    ///
    /// As for [`Desk::update`].
    pub async fn delete(
        &self,
        id: &WebhookId,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<(), Problem> {
        let deleted = self.database()?.delete(id, seen, actor).await;
        self.live(deleted.map_err(|error| trouble::change(&error))?).await;
        told(Action::Deleted, id.as_str(), actor);
        Ok(())
    }

    /// Makes a new secret, if the webhook still is as it was `seen`; the old one signs beside it for
    /// `overlap` (`None`: as configured).
    ///
    /// # Errors
    ///
    /// As for [`Desk::update`]; an overlap of more than 30 days.
    pub async fn rotate(
        &self,
        id: &WebhookId,
        overlap: Option<Duration>,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<Made, Problem> {
        let database = self.database()?;
        let overlap = overlap.unwrap_or(self.0.overlap);
        if overlap > LONGEST_OVERLAP {
            let error = FieldError::new("/overlap", "must be at most 30days");
            return Err(Problem::fields(vec![error]));
        }
        let (before, fingerprint) =
            database.find(id).await.map_err(|error| trouble::change(&error))?;
        // Who rotated between is not overruled without a word.
        let seen = Some(seen.unwrap_or(&fingerprint));
        let made = database.rotate(id, overlap, seen, actor).await;
        let made = made.map_err(|error| trouble::change(&error))?;
        told(Action::SecretRotated, id.as_str(), actor);
        let mut made = self.made(made, Vec::new()).await?;
        made.warnings.extend(rotated_again(&before, &made.found.webhook));
        Ok(made)
    }

    /// Ends the overlap of a rotation now, if the webhook still is as it was `seen`.
    ///
    /// # Errors
    ///
    /// No rotation is under way; else as for [`Desk::update`].
    pub async fn promote(
        &self,
        id: &WebhookId,
        seen: Option<&str>,
        actor: &str,
    ) -> Result<Found, Problem> {
        let promoted = self.database()?.promote(id, seen, actor).await;
        self.live(promoted.map_err(|error| trouble::change(&error))?).await;
        told(Action::SecretPromoted, id.as_str(), actor);
        self.webhook(id).await
    }

    /// The secrets that sign now: the first signs `x-boottify-signature`, all sign
    /// `webhook-signature`. The audit notes it before anything is shown.
    ///
    /// # Errors
    ///
    /// There is no such webhook; the store, for what cannot be noted is not shown.
    pub async fn reveal(&self, id: &WebhookId, actor: &str) -> Result<Vec<Secret>, Problem> {
        let database = self.database()?;
        let (webhook, _) = database.find(id).await.map_err(|error| trouble::change(&error))?;
        opened(&webhook)?;
        let noted = database.note(Action::SecretRevealed, id.as_str(), &json!({}), actor).await;
        noted.map_err(|error| trouble::database(&error))?;
        told(Action::SecretRevealed, id.as_str(), actor);
        Ok(webhook.secrets.iter().flat_map(Secrets::iter).cloned().collect())
    }

    /// Whether it is kept who changed what: not where webhooks are kept in a file.
    #[must_use]
    pub fn has_audit(&self) -> bool {
        self.0.store.database().is_some()
    }

    /// Who changed what, newest first; nothing where webhooks are kept in a file.
    ///
    /// # Errors
    ///
    /// A cursor that is none; the store.
    pub async fn audit(&self, asked: &AuditAsked) -> Result<Listed<AuditEntry>, Problem> {
        let list = List::Audit.of(&asked.filter);
        let before = asked.cursor.as_deref().map(|cursor| list.place(cursor));
        let before = before.transpose()?.map(|(id, _)| id);
        let Some(database) = self.0.store.database() else {
            return Ok(Listed { items: Vec::new(), next: None });
        };
        let limit = asked.limit.clamp(1, MAX_PAGE);
        let rows = database.audit(&asked.filter, before, limit + 1).await;
        let mut rows = rows.map_err(|error| trouble::database(&error))?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| list.cursor(row.id, ""));
        let entry = |row: store::AuditRow| AuditEntry {
            at_ms: row.at_ms,
            actor: row.actor,
            action: row.action,
            webhook: row.webhook,
            detail: serde_json::from_str(&row.detail).unwrap_or_default(),
        };
        Ok(Listed { items: rows.into_iter().map(entry).collect(), next })
    }

    /// The known event types: those of the customer page in its order, then the others by name.
    #[must_use]
    pub fn event_types(&self) -> Vec<EventTypeInfo> {
        let catalog = self.rules().catalog;
        let described = sample::DESCRIBED.iter().filter_map(|(name, description)| {
            let kind = catalog.get(name)?.clone();
            Some(EventTypeInfo { kind, description: Some(description) })
        });
        let known = |name: &str| sample::DESCRIBED.iter().any(|(described, _)| *described == name);
        let mut others: Vec<EventTypeInfo> = catalog
            .iter()
            .filter(|kind| !known(kind.as_str()))
            .map(|kind| EventTypeInfo { kind: kind.clone(), description: None })
            .collect();
        others.sort_by(|a, b| a.kind.cmp(&b.kind));
        described.chain(others).collect()
    }

    /// The database, where webhooks can be changed. While it cannot be read nobody could see a
    /// change, nor know whether it will last.
    fn database(&self) -> Result<&Database, Problem> {
        let database = self.0.store.database().ok_or_else(|| {
            let why = "the webhooks are kept in a file that its owner writes: change them there";
            Problem::new(ProblemKind::ReadOnlyStore, why)
        })?;
        if let Some(trouble) = self.0.store.status().trouble() {
            let passes = !matches!(*trouble, ReadError::Database { passes: false, .. });
            let why = format!("the webhooks cannot be read, and so not be changed: {trouble}");
            return Err(trouble::store(passes, why));
        }
        Ok(database)
    }

    /// The draft, if nothing is wrong with it and its URL leads where it may; and warnings.
    async fn judged(&self, drafted: Drafted) -> Result<(store::Draft, Vec<String>), Problem> {
        let Drafted { draft, url, mut errors } = drafted;
        let mut warnings = Vec::new();
        if let Some(url) = url {
            match (self.0.check)(&url).await {
                Reach::Allowed => {}
                Reach::Refused(why) => errors.push(FieldError::new("/url", why)),
                Reach::Unresolved(why) => warnings.push(why),
            }
        }
        match draft {
            Some(draft) if errors.is_empty() => Ok((draft, warnings)),
            _ => Err(Problem::fields(errors)),
        }
    }

    async fn made(&self, made: Created, warnings: Vec<String>) -> Result<Made, Problem> {
        self.live(made.revision).await;
        let found = self.webhook(&made.id).await?;
        Ok(Made { found, secret: made.secret, warnings })
    }

    /// Waits until a change is live here. If that takes too long it is made all the same.
    async fn live(&self, revision: i64) {
        if !self.0.store.wait_live(revision, LIVE).await {
            tracing::warn!(?LIVE, "a change of a webhook is not live yet");
        }
    }

    /// Notes in the log and, where there is one, in the audit what somebody did. What was done is
    /// done, so that nothing waits for a database that is away.
    pub(super) async fn note(
        &self,
        action: Action,
        webhook: &str,
        detail: &serde_json::Value,
        actor: &str,
    ) {
        told(action, webhook, actor);
        let Some(database) = self.0.store.database() else { return };
        if let Err(error) = database.note(action, webhook, detail, actor).await {
            tracing::error!(error = %broker::in_one_line(&error), "the audit lacks an entry");
        }
    }
}

/// What is to be known where a rotation took the place of another that was under way: the webhook as
/// it was before, and as it is now.
#[must_use]
pub fn rotated_again(before: &Webhook, after: &Webhook) -> Option<String> {
    before.switches_at_ms?;
    let signs = after.switches_at_ms.map_or_else(
        || "the secret made now signs alone".to_owned(),
        |until| {
            let until = text_of(until);
            format!("the old secret and the one made now sign until {until}, then the latter alone")
        },
    );
    Some(format!(
        "a rotation was under way: the secret that it had made signs no more, whoever was given it; \
         {signs}"
    ))
}

fn told(action: Action, webhook: &str, actor: &str) {
    tracing::info!(webhook.id = webhook, actor, "by the Control Center: {action}");
}

/// That its secrets can be had.
pub(super) fn opened(webhook: &Webhook) -> Result<(), Problem> {
    let Err(why) = &webhook.secrets else { return Ok(()) };
    let (id, why) = (webhook.id.clone(), why.clone());
    Err(trouble::change(&store::ChangeError::Unopened { id, why }).about(webhook.id.as_str()))
}

/// There is no such webhook.
pub(super) fn unknown(id: &WebhookId) -> Problem {
    Problem::new(ProblemKind::UnknownWebhook, format!("there is no webhook {id}"))
}

fn found(webhook: &Arc<Webhook>) -> Found {
    Found { webhook: Arc::clone(webhook), fingerprint: store::fingerprint(webhook) }
}

/// Newest first; by id where two were made at the same time.
fn order(a: (i64, &str), b: (i64, &str)) -> Ordering {
    b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1))
}

/// Which webhooks of a list are asked for.
struct Matcher {
    enabled: Option<bool>,
    search: Option<String>,
    text: String,
}

impl Matcher {
    fn new(asked: &WebhooksAsked) -> Self {
        let search = asked.search.as_deref().map(|text| text.trim().to_lowercase());
        Self {
            enabled: asked.state.map(|state| state == State::Enabled),
            search: search.filter(|text| !text.is_empty()),
            text: String::new(),
        }
    }

    /// What a query of a URL holds is not shown and cannot be searched for.
    fn fits(&mut self, webhook: &Webhook) -> bool {
        if self.enabled.is_some_and(|enabled| enabled != webhook.enabled) {
            return false;
        }
        let Some(search) = &self.search else { return true };
        self.text.clear();
        let description = webhook.description.as_deref().unwrap_or_default();
        // Writing into a String cannot fail.
        write!(self.text, "{}\n{}\n{description}", webhook.id, webhook.url).unwrap_or_default();
        if self.text.is_ascii() {
            self.text.make_ascii_lowercase();
            self.text.contains(search)
        } else {
            self.text.to_lowercase().contains(search)
        }
    }
}

#[cfg(test)]
mod tests;
