//! Webhooks as the state directory holds them: private shapes, checked again when they come back.
//!
//! Durations are milliseconds. Unknown fields are refused: another version wrote them, and what it
//! meant is not known here.

use std::num::NonZeroU32;
use std::time::Duration;

use event::ProjectId;
use serde::{Deserialize, Serialize};
use signing::Secret;
use subscriptions::{
    Clause, Condition, EventFilter, Headers, RateLimit, RetryPolicy, RetryValues, Secrets,
    Unopened, UrlRules, Webhook, WebhookId, WebhookUrl,
};

/// One webhook.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireWebhook {
    pub(crate) id: String,
    url: String,
    events: Vec<String>,
    projects: Vec<String>,
    #[serde(default)]
    condition: Vec<WireClause>,
    description: Option<String>,
    enabled: bool,
    #[serde(default = "yes")]
    keep_while_disabled: bool,
    /// The primary one first; none where they cannot be had.
    secrets: Vec<String>,
    /// Why they cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unopened: Option<String>,
    /// Whether that is damage, and not a key that is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    damaged: bool,
    retry: Option<WireRetry>,
    max_in_flight: Option<NonZeroU32>,
    #[serde(default)]
    rate_limit: Option<WireRate>,
    headers: Vec<(String, String)>,
    created_at_ms: i64,
    updated_at_ms: i64,
}

/// One clause of a condition: pointer and values.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireClause(String, Vec<serde_json::Value>);

fn yes() -> bool {
    true
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireRetry {
    first_delay_ms: u64,
    multiplier: f64,
    max_delay_ms: u64,
    jitter: f64,
    give_up_after_ms: u64,
    retry_after_max_ms: u64,
}

/// A rate limit: attempts per second, and at once.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireRate(f64, u32);

impl WireWebhook {
    pub(crate) fn of(webhook: &Webhook) -> Self {
        let headers = webhook.headers.iter();
        Self {
            id: webhook.id.to_string(),
            url: webhook.url.expose(),
            events: webhook.events.patterns().iter().map(ToString::to_string).collect(),
            projects: webhook.projects.iter().map(|id| id.as_str().to_owned()).collect(),
            condition: WireClause::all(webhook.condition.as_ref()),
            description: webhook.description.clone(),
            enabled: webhook.enabled,
            keep_while_disabled: webhook.keep_while_disabled,
            secrets: webhook.secrets.iter().flat_map(Secrets::iter).map(exposed).collect(),
            unopened: webhook.secrets.as_ref().err().map(|why| why.why().to_owned()),
            damaged: matches!(webhook.secrets, Err(Unopened::Damaged(_))),
            retry: webhook.retry.map(|policy| WireRetry::of(policy.values())),
            max_in_flight: webhook.max_in_flight,
            rate_limit: webhook.rate_limit.map(WireRate::of),
            // Checked header values are printable ASCII.
            headers: headers
                .map(|(name, value)| {
                    (name.to_string(), value.to_str().unwrap_or_default().to_owned())
                })
                .collect(),
            created_at_ms: webhook.created_at_ms,
            updated_at_ms: webhook.updated_at_ms,
        }
    }

    /// What its owner wrote, whenever that was.
    pub(crate) fn without_times(self) -> Self {
        Self { created_at_ms: 0, updated_at_ms: 0, ..self }
    }

    /// The webhook again; the error says what is wrong with it, without quoting secrets.
    pub(crate) fn restore(self, rules: UrlRules) -> Result<Webhook, String> {
        let secrets = self.secrets.iter().map(|text| Secret::try_new(text).map_err(text_of));
        let mut secrets = secrets.collect::<Result<Vec<_>, _>>()?;
        let secrets = match self.unopened {
            Some(why) if self.damaged => Err(Unopened::Damaged(why.into())),
            Some(why) => Err(Unopened::Sealed(why.into())),
            None if secrets.is_empty() => return Err("no secret".to_owned()),
            None => {
                let primary = secrets.remove(0);
                Ok(Secrets::rotating(primary, secrets))
            }
        };
        let events = match &secrets {
            // What it wants could not be read either.
            Err(_) if self.events.is_empty() => EventFilter::none(),
            _ => EventFilter::try_new(&self.events).map_err(text_of)?,
        };
        let projects = self.projects.iter().map(|id| ProjectId::try_new(id).map_err(text_of));
        Ok(Webhook {
            id: WebhookId::try_new(&self.id).map_err(text_of)?,
            url: WebhookUrl::try_new(&self.url, rules).map_err(text_of)?,
            events,
            projects: projects.collect::<Result<_, _>>()?,
            condition: WireClause::restore(self.condition)?,
            description: self.description,
            enabled: self.enabled,
            keep_while_disabled: self.keep_while_disabled,
            secrets,
            retry: self.retry.map(WireRetry::restore).transpose()?,
            max_in_flight: self.max_in_flight,
            rate_limit: self.rate_limit.map(WireRate::restore).transpose()?,
            headers: Headers::try_new(self.headers).map_err(text_of)?,
            created_at_ms: self.created_at_ms,
            updated_at_ms: self.updated_at_ms,
            disabled_reason: None,
            switches_at_ms: None,
        })
    }
}

impl WireClause {
    pub(crate) fn all(condition: Option<&Condition>) -> Vec<Self> {
        let clauses = condition.map(Condition::clauses).unwrap_or_default();
        let values =
            |clause: &Clause| clause.values().iter().map(serde_json::Value::from).collect();
        clauses.iter().map(|clause| Self(clause.pointer().to_owned(), values(clause))).collect()
    }

    pub(crate) fn restore(clauses: Vec<Self>) -> Result<Option<Condition>, String> {
        let pairs = clauses.into_iter().map(|Self(pointer, values)| (pointer, values));
        Condition::try_new(pairs).map_err(text_of)
    }
}

impl WireRate {
    pub(crate) fn of(limit: RateLimit) -> Self {
        Self(limit.per_second(), limit.burst().get())
    }

    pub(crate) fn restore(self) -> Result<RateLimit, String> {
        RateLimit::try_new(self.0, self.1).map_err(text_of)
    }
}

impl WireRetry {
    pub(crate) fn of(values: RetryValues) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            first_delay_ms: ms(values.first_delay),
            multiplier: values.multiplier,
            max_delay_ms: ms(values.max_delay),
            jitter: values.jitter,
            give_up_after_ms: ms(values.give_up_after),
            retry_after_max_ms: ms(values.retry_after_max),
        }
    }

    pub(crate) fn restore(self) -> Result<RetryPolicy, String> {
        let values = RetryValues {
            first_delay: Duration::from_millis(self.first_delay_ms),
            multiplier: self.multiplier,
            max_delay: Duration::from_millis(self.max_delay_ms),
            jitter: self.jitter,
            give_up_after: Duration::from_millis(self.give_up_after_ms),
            retry_after_max: Duration::from_millis(self.retry_after_max_ms),
        };
        RetryPolicy::try_new(values).map_err(text_of)
    }
}

fn exposed(secret: &Secret) -> String {
    secret.expose().to_owned()
}

fn text_of(error: impl std::fmt::Display) -> String {
    error.to_string()
}
