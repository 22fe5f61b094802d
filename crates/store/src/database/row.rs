//! One row: a webhook as the table holds it, and back.
//!
//! What is sealed may be lost while everything else of the row is there: sealed with a key that is not
//! configured, or damaged. Such a row is a webhook without secrets.

use std::num::NonZeroU32;
use std::sync::Arc;

use event::ProjectId;
use serde::{Deserialize, Serialize};
use signing::Secret;
use sqlx::Row;
use sqlx::any::AnyRow;
use subscriptions::{
    EventFilter, Headers, Secrets, Unopened, UrlRules, Webhook, WebhookId, WebhookUrl,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::database::{DatabaseError, Keys, SealError, from_json};
use crate::wire::{WireClause, WireRate, WireRetry};

/// Every column, in the order in which nothing depends on it.
pub(super) const COLUMNS: &str = "id, url, events, projects, description, enabled, \
     disabled_reason, settings, sealed, switches_at, created_at, updated_at, revision";

/// What a row says of a webhook: what people see of it, and what changes with time.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) webhook: Arc<Webhook>,
    pub(super) revision: i64,
    /// When the next secret takes the place of the present one, if one waits.
    pub(super) switches_at: Option<i64>,
    /// Whether it was sealed with a key that is not configured.
    pub(super) foreign: bool,
}

/// Why what is sealed cannot be had, without a secret.
#[derive(Clone, Debug, Error)]
pub(super) enum OpenError {
    /// It does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It opens, and this is wrong with what is in it.
    #[error("its sealed part {0}")]
    Content(String),
}

/// What is neither secret nor searched for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) retry: Option<WireRetry>,
    pub(super) max_in_flight: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rate_limit: Option<WireRate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) condition: Vec<WireClause>,
    #[serde(default = "yes")]
    pub(super) keep_while_disabled: bool,
}

fn yes() -> bool {
    true
}

/// What is sealed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    pub(super) secret: Zeroizing<String>,
    /// During a rotation: what takes its place.
    pub(super) next: Option<Zeroizing<String>>,
    pub(super) headers: Vec<(String, Zeroizing<String>)>,
}

impl Sealed {
    pub(super) fn open(keys: &Keys, id: &str, bytes: &[u8]) -> Result<Self, OpenError> {
        let text = keys.open(id, bytes)?;
        // The error would quote what it could not read.
        serde_json::from_slice(&text).map_err(|_| OpenError::Content("is no record".to_owned()))
    }

    pub(super) fn seal(&self, keys: &Keys, id: &str) -> Result<Vec<u8>, DatabaseError> {
        // Texts only: this serialises always.
        let text = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        Ok(keys.seal(id, &text)?)
    }

    /// The secrets as they are active at `now_ms`, and the headers.
    fn content(&self, switches_at: Option<i64>, now_ms: i64) -> Result<Content, OpenError> {
        let wrong = |why: String| OpenError::Content(format!("holds what cannot be: {why}"));
        let headers = self.headers.iter().map(|(name, value)| (name, value.as_str()));
        let headers = Headers::try_new(headers).map_err(told).map_err(wrong)?;
        Ok((self.secrets(switches_at, now_ms).map_err(wrong)?, headers))
    }

    fn secrets(&self, switches_at: Option<i64>, now_ms: i64) -> Result<Secrets, String> {
        let secret = |text: &str| Secret::try_new(text).map_err(|error| error.to_string());
        let present = secret(&self.secret)?;
        match &self.next {
            None => Ok(Secrets::new(present)),
            Some(next) if switches_at.is_none_or(|at| at <= now_ms) => {
                Ok(Secrets::new(secret(next)?))
            }
            Some(next) => Ok(Secrets::rotating(present, vec![secret(next)?])),
        }
    }
}

type Content = (Secrets, Headers);

/// The webhook of a row, as it is at `now_ms`; without secrets where they cannot be had.
pub(super) fn read(
    row: &AnyRow,
    keys: &Keys,
    rules: UrlRules,
    now_ms: i64,
) -> Result<Read, DatabaseError> {
    let id: String = row.try_get("id")?;
    let switches_at: Option<i64> = row.try_get("switches_at")?;
    let opened = Sealed::open(keys, &id, row.try_get("sealed")?)
        .and_then(|sealed| sealed.content(switches_at, now_ms));
    let foreign = matches!(opened, Err(OpenError::Seal(SealError::UnknownKey(_))));
    let (secrets, headers) = match opened {
        Ok((secrets, headers)) => (Ok(secrets), headers),
        Err(why) => (Err(Unopened(why.to_string().into())), Headers::default()),
    };
    let settings: Settings = from_json(&id, row.try_get("settings")?)?;
    let events: Vec<String> = from_json(&id, row.try_get("events")?)?;
    let projects: Vec<String> = from_json(&id, row.try_get("projects")?)?;
    let url: String = row.try_get("url")?;
    let wrong = |why: String| DatabaseError::Row { id: id.clone(), why };

    let projects = projects.iter().map(|id| ProjectId::try_new(id).map_err(told));
    let retry = settings.retry.map(WireRetry::restore).transpose();
    let mut webhook = Webhook {
        id: WebhookId::try_new(&id).map_err(told).map_err(wrong)?,
        url: WebhookUrl::try_new(&url, UrlRules { allow_http: true })
            .map_err(told)
            .map_err(wrong)?,
        events: EventFilter::try_new(&events).map_err(told).map_err(wrong)?,
        projects: projects.collect::<Result<_, _>>().map_err(wrong)?,
        condition: WireClause::restore(settings.condition).map_err(wrong)?,
        description: row.try_get("description")?,
        enabled: row.try_get::<i64, _>("enabled")? != 0,
        keep_while_disabled: settings.keep_while_disabled,
        secrets,
        retry: retry.map_err(wrong)?,
        max_in_flight: settings.max_in_flight,
        rate_limit: settings.rate_limit.map(WireRate::restore).transpose().map_err(wrong)?,
        headers,
        created_at_ms: row.try_get("created_at")?,
        updated_at_ms: row.try_get("updated_at")?,
        disabled_reason: row.try_get("disabled_reason")?,
        switches_at_ms: switches_at.filter(|at| *at > now_ms),
    };
    // The rule may have become stricter since it was written; one webhook must not stop the others.
    if let Err(refused) = WebhookUrl::try_new(&url, rules) {
        webhook.enabled = false;
        webhook.disabled_reason = Some(refused.to_string());
    }
    let revision = row.try_get("revision")?;
    Ok(Read { webhook: Arc::new(webhook), revision, switches_at, foreign })
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
