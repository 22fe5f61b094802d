//! One row: a webhook as the table holds it, and back.
//!
//! What is sealed may be lost while everything else of the row is there: sealed with a key that is not
//! configured, or damaged. And any other column may be damaged. Such a row is a webhook without
//! secrets, so that nothing is sent to it, what waits for it waits on, and it can be seen and deleted.
//! Where it cannot be read what it wants, it wants nothing: anything else might be somebody else's.

use std::num::NonZeroU32;
use std::sync::Arc;

use event::ProjectId;
use serde::{Deserialize, Serialize};
use signing::Secret;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Row};
use subscriptions::{
    Condition, EventFilter, Headers, Secrets, Unopened, UrlRules, Webhook, WebhookId, WebhookUrl,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::database::parts::Parts;
use crate::database::{DatabaseError, Keys, SealError};
use crate::wire::{WireClause, WireRate, WireRetry};

/// Every column, in the order in which nothing depends on it.
pub(super) const COLUMNS: &str = "id, url, events, projects, description, enabled, \
     disabled_reason, settings, sealed, switches_at, created_at, updated_at, revision";

/// What a row says of a webhook: what people see of it, and what changes with time.
pub(super) struct Read {
    pub(super) webhook: Arc<Webhook>,
    pub(super) revision: i64,
    /// When the next secret takes the place of the present one, if one waits.
    pub(super) switches_at: Option<i64>,
    pub(super) key: Key,
    /// What is sealed of it; where anything of the row cannot be had, why.
    pub(super) sealed: Result<Sealed, Unopened>,
}

/// What a row says of the configured keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// One of them opens it.
    Fits,
    /// It was sealed with another one.
    Foreign,
    /// Nothing: it is damaged.
    Unknown,
}

impl Key {
    fn of<T>(opened: Option<&Result<T, OpenError>>) -> Self {
        match opened {
            Some(Ok(_)) => Self::Fits,
            Some(Err(OpenError::Seal(SealError::UnknownKey(_)))) => Self::Foreign,
            Some(Err(_)) | None => Self::Unknown,
        }
    }
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

impl Default for Settings {
    fn default() -> Self {
        let (retry, max_in_flight, rate_limit) = (None, None, None);
        Self { retry, max_in_flight, rate_limit, condition: Vec::new(), keep_while_disabled: true }
    }
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
        let headers = Headers::try_new(headers).map_err(|error| wrong(error.to_string()))?;
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

/// What decides which events are matched.
type Wanted = (EventFilter, Box<[ProjectId]>, Option<Condition>);

/// The condition among settings whose other parts cannot be read: a later version may have written
/// them.
#[derive(Deserialize)]
struct Clauses {
    #[serde(default)]
    condition: Vec<WireClause>,
}

/// The row of this webhook, as it is at `now_ms`, whatever is wrong with it.
pub(super) async fn find(
    connection: &mut AnyConnection,
    keys: &Keys,
    id: &WebhookId,
    now_ms: i64,
) -> Result<Option<Read>, DatabaseError> {
    let query = format!("SELECT {COLUMNS} FROM webhooks WHERE {NAMED}");
    let query = sqlx::query(AssertSqlSafe(query)).bind(id.as_str()).bind(row_of(id));
    let rules = UrlRules { allow_http: true };
    match query.fetch_optional(connection).await {
        Ok(row) => Ok(row.map(|row| read(Parts::of(&row), keys, rules, now_ms))),
        Err(error) if is_damage(&error) => {
            Ok(Some(read(Parts::none(id.clone(), 0, &error), keys, rules, now_ms)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The row of this number, whatever is wrong with it.
pub(super) async fn at(
    pool: &AnyPool,
    keys: &Keys,
    rules: UrlRules,
    revision: i64,
    now_ms: i64,
) -> Result<Option<Read>, DatabaseError> {
    let query = |columns| format!("SELECT {columns} FROM webhooks WHERE revision = $1");
    let found =
        sqlx::query(AssertSqlSafe(query(COLUMNS))).bind(revision).fetch_optional(pool).await;
    let error = match found {
        Err(error) if is_damage(&error) => error,
        found => return Ok(found?.map(|row| read(Parts::of(&row), keys, rules, now_ms))),
    };
    let id = sqlx::query(AssertSqlSafe(query("id"))).bind(revision).fetch_optional(pool).await;
    let id = id.ok().flatten().and_then(|row| WebhookId::try_new(row.try_get("id").ok()?).ok());
    let id = id.unwrap_or_else(|| WebhookId::unreadable(revision));
    Ok(Some(read(Parts::none(id, revision, &error), keys, rules, now_ms)))
}

/// Which row is that of a webhook: of its id, and where that cannot be read, of its number.
pub(super) const NAMED: &str = "(id = $1 OR revision = $2)";

/// The second value of [`NAMED`]; no row has the number -1.
pub(super) fn row_of(id: &WebhookId) -> i64 {
    id.unreadable_row().unwrap_or(-1)
}

/// Whether a row holds what no value can be made of, such as a text that is not UTF-8.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })
}

/// The webhook of a row, as it is at `now_ms`; unopened where anything of it cannot be had.
pub(super) fn read(mut parts: Parts<'_>, keys: &Keys, rules: UrlRules, now_ms: i64) -> Read {
    let switches_at = parts.column::<Option<i64>>("switches_at").flatten();
    let opened = parts.column("sealed").map(|bytes| {
        let sealed = Sealed::open(keys, parts.id.as_str(), bytes)?;
        Ok((sealed.content(switches_at, now_ms)?, sealed))
    });
    let key = Key::of(opened.as_ref());
    let text = parts.column::<String>("url");
    let url = text.as_ref().and_then(|text| {
        parts.sound("url", WebhookUrl::try_new(text, UrlRules { allow_http: true }))
    });
    let (settings, condition) = settings(&mut parts);
    let wanted = wanted(&mut parts, condition);
    let unwanted = wanted.is_none();
    let (events, projects, condition) =
        wanted.unwrap_or_else(|| (EventFilter::none(), Box::default(), None));
    let rate_limit = settings.rate_limit.and_then(|it| parts.sound("rate limit", it.restore()));
    let mut webhook = Webhook {
        id: parts.id.clone(),
        url: url.unwrap_or_else(WebhookUrl::unreadable),
        events,
        projects,
        condition,
        description: parts.column("description").flatten(),
        enabled: parts.column::<i64>("enabled") != Some(0),
        keep_while_disabled: settings.keep_while_disabled,
        secrets: Err(Unopened::Sealed("".into())),
        retry: settings.retry.and_then(|it| parts.sound("retry policy", it.restore())),
        max_in_flight: settings.max_in_flight,
        rate_limit,
        headers: Headers::default(),
        created_at_ms: parts.column("created_at").unwrap_or(0),
        updated_at_ms: parts.column("updated_at").unwrap_or(0),
        disabled_reason: parts.column("disabled_reason").flatten(),
        switches_at_ms: switches_at.filter(|at| *at > now_ms),
    };
    // The rule may have become stricter since it was written; one webhook must not stop the others.
    if let Some(Err(refused)) = text.map(|text| WebhookUrl::try_new(&text, rules))
        && webhook.url != WebhookUrl::unreadable()
    {
        webhook.enabled = false;
        webhook.disabled_reason = Some(refused.to_string());
    }
    let revision = parts.revision;
    let sealed = whole(opened, parts, unwanted).map(|((secrets, headers), sealed)| {
        (webhook.secrets, webhook.headers) = (Ok(secrets), headers);
        sealed
    });
    if let Err(why) = &sealed {
        webhook.secrets = Err(why.clone());
    }
    Read { webhook: Arc::new(webhook), revision, switches_at, key, sealed }
}

/// What was opened, where nothing else is wrong either.
fn whole(
    opened: Option<Result<(Content, Sealed), OpenError>>,
    parts: Parts<'_>,
    unwanted: bool,
) -> Result<(Content, Sealed), Unopened> {
    let key = Key::of(opened.as_ref());
    let shut = opened.as_ref().and_then(|opened| opened.as_ref().err()).map(ToString::to_string);
    match (opened, parts.wrong(), shut) {
        (Some(Ok(opened)), None, _) => Ok(opened),
        (_, None, shut) if key == Key::Foreign => {
            Err(Unopened::Sealed(shut.unwrap_or_default().into()))
        }
        (_, None, shut) => Err(Unopened::Damaged(shut.unwrap_or_default().into())),
        (_, Some(wrong), shut) => {
            let shut = shut.map(|why| format!("; {why}")).unwrap_or_default();
            let unmatched = "; what it wants is not known, so that no event is matched for it";
            let unmatched = if unwanted { unmatched } else { "" };
            Err(Unopened::Damaged(format!("{wrong}{shut}{unmatched}").into()))
        }
    }
}

/// The settings, or what stands for them; and the condition, where at least that can be read.
fn settings(parts: &mut Parts<'_>) -> (Settings, Option<Vec<WireClause>>) {
    let Some(text) = parts.column::<&str>("settings") else { return (Settings::default(), None) };
    match parts.sound("settings", serde_json::from_str::<Settings>(text)) {
        Some(mut settings) => {
            let condition = std::mem::take(&mut settings.condition);
            (settings, Some(condition))
        }
        None => (Settings::default(), condition_of(text)),
    }
}

fn condition_of(settings: &str) -> Option<Vec<WireClause>> {
    serde_json::from_str(settings).ok().map(|Clauses { condition }| condition)
}

/// What it wants; `None` where any of that cannot be read: a part of it would want too much.
fn wanted(parts: &mut Parts<'_>, condition: Option<Vec<WireClause>>) -> Option<Wanted> {
    let events = parts.json::<Vec<String>>("events");
    let events = events.and_then(|events| parts.sound("events", EventFilter::try_new(&events)));
    let projects = parts.json::<Vec<String>>("projects").and_then(|projects| {
        let projects: Result<_, _> = projects.iter().map(|id| ProjectId::try_new(id)).collect();
        parts.sound("projects", projects)
    });
    let condition =
        condition.and_then(|clauses| parts.sound("condition", WireClause::restore(clauses)));
    Some((events?, projects?, condition?))
}
