//! Webhooks, their secrets, and what happened to them hour by hour.

use serde::Serialize;
use serde_json::Value;
use store::Stretch;
use subscriptions::{Clause, RateLimit, RetryPolicy, WebhookUrl};
use utoipa::ToSchema;

use crate::auth::{Role, Viewer};
use crate::clock::{duration_text, text_of};
use crate::desk::{self, Found, Listed, Made};

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Webhook {
    #[schema(example = "whk_0c9f1f6d8a3b4e5f9d2c7b6a5e4f3d2c")]
    id: String,
    /// Where requests go. Who may only look sees `?…` in place of a query, which may hold a token.
    #[schema(example = "https://example.com/hooks/boottify")]
    url: String,
    /// Which events are wanted: types, families such as `deployment.*`, or `*`.
    events: Vec<String>,
    /// Of which projects; empty means of all.
    projects: Vec<String>,
    /// What the payload must hold besides; empty means nothing.
    condition: Vec<ClauseOut>,
    description: Option<String>,
    enabled: bool,
    /// Whether the events that it matches while it is disabled are kept as dead letters.
    keep_while_disabled: bool,
    /// Why the service disabled it; null where its owner did, or where it is enabled.
    disabled_reason: Option<String>,
    /// Why not all of it can be had (sealed with another key, or damaged), so that what is for it waits
    /// and nothing but its end can be decided; null where it can. What is damaged is left out, or
    /// stands as `https://unreadable.invalid/`.
    unopened: Option<String>,
    /// Its own retry policy; null where it has the service's.
    retry: Option<Retry>,
    /// Its own limit of attempts at the same time; null where it has the service's.
    max_in_flight: Option<u32>,
    /// How many attempts may begin within a time; null where there is no limit.
    rate_limit: Option<Rate>,
    /// The names of the headers that it adds; their values are not shown.
    header_names: Vec<String>,
    /// During a rotation: when the next secret signs alone.
    #[schema(format = DateTime)]
    secret_switches_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// At this place of the payload stands one of these values.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ClauseOut {
    /// A JSON pointer.
    #[schema(example = "/deployment/meta/gitBranch")]
    pointer: String,
    #[serde(rename = "in")]
    values: Vec<Value>,
}

/// So many attempts a second, after a burst of so many at once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Rate {
    per_second: f64,
    burst: u32,
}

/// When a failed delivery is tried again. Durations are texts such as `5s` or `3days`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Retry {
    first_delay: String,
    multiplier: f64,
    max_delay: String,
    jitter: f64,
    give_up_after: String,
    retry_after_max: String,
}

/// A webhook and its secret, which is shown here and nowhere else but by reveal-secret.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct WebhookWithSecret {
    webhook: Webhook,
    /// Signs requests; to be given to the receiver.
    #[schema(example = "whsec_…")]
    secret: String,
    /// What its owner should know, such as a name that does not resolve.
    warnings: Vec<String>,
}

/// A webhook after a change.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ChangedWebhook {
    webhook: Webhook,
    /// What its owner should know, such as a name that does not resolve.
    warnings: Vec<String>,
}

/// The secrets that sign now.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Secrets {
    /// The first signs `x-boottify-signature`; all of them sign `webhook-signature`.
    secrets: Vec<String>,
}

/// Webhooks, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Webhooks {
    items: Vec<Webhook>,
    /// The cursor of the next part; null at the end.
    next: Option<String>,
}

/// What happened to a webhook, hour by hour.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Stats {
    /// Hours in which nothing happened are left out.
    hours: Vec<Hour>,
}

/// What happened in an hour.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Hour {
    #[schema(format = DateTime)]
    from: String,
    /// Attempts that succeeded.
    delivered: u64,
    /// Attempts that failed.
    failed: u64,
    /// Half of the attempts took at most so long.
    p50_ms: Option<f64>,
    /// Of a hundred attempts, 95 took at most so long.
    p95_ms: Option<f64>,
}

/// What a webhook's receiver has shown the replica that answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Standing {
    /// Attempts under way.
    in_flight: u32,
    /// Attempts at the same time that the receiver gets now; null where nothing was sent lately.
    limit: Option<u32>,
    /// Failures in a row, of those after which it is left alone: no answer, a redirect, 401, 403,
    /// 404, 405, 408, 410, 425, 429, or 5xx.
    failures: u32,
    /// The kind of the last of them, such as `timeout` or `http_503`; null where there is none.
    last_failure: Option<String>,
    /// Since when it is left alone but for single probes; null where it is not.
    #[schema(format = DateTime)]
    left_alone_since: Option<String>,
    /// When it is probed next.
    #[schema(format = DateTime)]
    next_probe_at: Option<String>,
    /// The bound that held back a delivery last: breaker, rate, webhook_in_flight, share, slow or
    /// host, as the metric deliveries_postponed_total has them.
    held_by: Option<&'static str>,
    /// When that was.
    #[schema(format = DateTime)]
    held_at: Option<String>,
}

impl Standing {
    pub(in crate::api) fn of(seen: Option<&desk::Standing>, now_ms: i64) -> Self {
        let left_alone = seen.and_then(|seen| seen.left_alone_ms(now_ms));
        let held = seen.and_then(|seen| seen.held_ms(now_ms));
        Self {
            in_flight: seen.map_or(0, |seen| seen.in_flight),
            limit: seen.map(|seen| seen.limit),
            failures: seen.map_or(0, |seen| seen.failures),
            last_failure: seen.and_then(|seen| seen.last_failure.clone()),
            left_alone_since: left_alone.map(|(since, _)| text_of(since)),
            next_probe_at: left_alone.map(|(_, next)| text_of(next)),
            held_by: held.map(|(bound, _)| bound),
            held_at: held.map(|(_, at)| text_of(at)),
        }
    }
}

impl Webhook {
    /// What this viewer may see of it.
    pub(in crate::api) fn of(found: &Found, viewer: &Viewer) -> Self {
        let webhook = &*found.webhook;
        let condition = webhook.condition.as_ref().map(subscriptions::Condition::clauses);
        Self {
            id: webhook.id.to_string(),
            url: url(&webhook.url, viewer.role),
            events: webhook.events.patterns().iter().map(ToString::to_string).collect(),
            projects: webhook.projects.iter().map(ToString::to_string).collect(),
            condition: condition.unwrap_or_default().iter().map(ClauseOut::of).collect(),
            description: webhook.description.clone(),
            enabled: webhook.enabled,
            keep_while_disabled: webhook.keep_while_disabled,
            disabled_reason: webhook.disabled_reason.clone(),
            unopened: webhook.secrets.as_ref().err().map(ToString::to_string),
            retry: webhook.retry.as_ref().map(Retry::of),
            max_in_flight: webhook.max_in_flight.map(Into::into),
            rate_limit: webhook.rate_limit.map(Rate::of),
            header_names: webhook.headers.iter().map(|(name, _)| name.to_string()).collect(),
            secret_switches_at: webhook.switches_at_ms.map(text_of),
            created_at: text_of(webhook.created_at_ms),
            updated_at: text_of(webhook.updated_at_ms),
        }
    }
}

fn url(url: &WebhookUrl, role: Role) -> String {
    match role {
        Role::Admin => url.expose(),
        Role::Read => url.to_string(),
    }
}

impl ClauseOut {
    fn of(clause: &Clause) -> Self {
        let values = clause.values().iter().map(Value::from).collect();
        Self { pointer: clause.pointer().to_owned(), values }
    }
}

impl Retry {
    fn of(policy: &RetryPolicy) -> Self {
        let values = policy.values();
        Self {
            first_delay: duration_text(values.first_delay),
            multiplier: values.multiplier,
            max_delay: duration_text(values.max_delay),
            jitter: values.jitter,
            give_up_after: duration_text(values.give_up_after),
            retry_after_max: duration_text(values.retry_after_max),
        }
    }
}

impl Rate {
    fn of(limit: RateLimit) -> Self {
        Self { per_second: limit.per_second(), burst: limit.burst().get() }
    }
}

impl WebhookWithSecret {
    pub(in crate::api) fn of(made: &Made, viewer: &Viewer) -> Self {
        let webhook = Webhook::of(&made.found, viewer);
        let (secret, warnings) = (made.secret.expose().to_owned(), made.warnings.clone());
        Self { webhook, secret, warnings }
    }
}

impl ChangedWebhook {
    pub(in crate::api) fn of(found: &Found, warnings: Vec<String>, viewer: &Viewer) -> Self {
        Self { webhook: Webhook::of(found, viewer), warnings }
    }
}

impl Secrets {
    pub(in crate::api) fn of(secrets: &[signing::Secret]) -> Self {
        Self { secrets: secrets.iter().map(|secret| secret.expose().to_owned()).collect() }
    }
}

impl Webhooks {
    pub(in crate::api) fn of(listed: &Listed<Found>, viewer: &Viewer) -> Self {
        let items = listed.items.iter().map(|found| Webhook::of(found, viewer)).collect();
        Self { items, next: listed.next.clone() }
    }
}

impl From<Vec<Stretch>> for Stats {
    fn from(stretches: Vec<Stretch>) -> Self {
        let hour = |stretch: Stretch| Hour {
            from: text_of(stretch.from_ms),
            delivered: stretch.delivered,
            failed: stretch.failed,
            p50_ms: stretch.p50_ms,
            p95_ms: stretch.p95_ms,
        };
        Self { hours: stretches.into_iter().map(hour).collect() }
    }
}
