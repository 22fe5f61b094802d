//! Answers of the API, as JSON has them.
//!
//! Names are camelCase, times RFC 3339 in UTC, and what has no value is null and never left out.
//! **Invariant:** no secret, and no value of a header that an owner added.

use broker::DeadLetter;
use serde::Serialize;
use serde_json::{Value, json};
use store::{AttemptRow, DeliveryDetail, DeliveryRow, DeliveryState, LoggedEvent, Stretch};
use subscriptions::{Clause, RateLimit, RetryPolicy, WebhookUrl};
use utoipa::ToSchema;

use crate::auth::{Role, Viewer};
use crate::clock::{duration_text, text_of};
use crate::desk::{self, AuditEntry, EventTypeInfo, Found, Made, Recovered, Sent, TriedEvent};

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Webhook {
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
pub(super) struct ClauseOut {
    /// A JSON pointer.
    #[schema(example = "/deployment/meta/gitBranch")]
    pointer: String,
    #[serde(rename = "in")]
    values: Vec<Value>,
}

/// When a failed delivery is tried again. Durations are texts such as `5s` or `3days`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retry {
    first_delay: String,
    multiplier: f64,
    max_delay: String,
    jitter: f64,
    give_up_after: String,
    retry_after_max: String,
}

/// So many attempts a second, after a burst of so many at once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rate {
    per_second: f64,
    burst: u32,
}

/// A webhook and its secret, which is shown here and nowhere else but by reveal-secret.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookWithSecret {
    webhook: Webhook,
    /// Signs requests; to be given to the receiver.
    #[schema(example = "whsec_…")]
    secret: String,
    /// What its owner should know, such as a name that does not resolve.
    warnings: Vec<String>,
}

/// A webhook after a change.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangedWebhook {
    webhook: Webhook,
    /// What its owner should know, such as a name that does not resolve.
    warnings: Vec<String>,
}

/// The secrets that sign now.
#[derive(Serialize, ToSchema)]
pub(super) struct Secrets {
    /// The first signs `x-boottify-signature`; all of them sign `webhook-signature`.
    secrets: Vec<String>,
}

/// Webhooks, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Webhooks {
    items: Vec<Webhook>,
    /// The cursor of the next part; null at the end.
    next: Option<String>,
}

/// How a delivery stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum StateOut {
    Waiting,
    Delivered,
    Dead,
    Dropped,
}

/// One event for one webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    #[schema(example = "dlv_39a8e38f1fc3fd5754d7b44f5df65fb5")]
    id: String,
    webhook: String,
    event: String,
    #[serde(rename = "type")]
    kind: String,
    state: StateOut,
    /// Why it is dead.
    dead_reason: Option<String>,
    /// Attempts made.
    attempts: u32,
    /// When the last attempt began.
    #[schema(format = DateTime)]
    last_attempt_at: String,
    last_duration_ms: u32,
    /// The status of the last response.
    last_status: Option<u16>,
    /// The failure kind of the last attempt.
    last_failure: Option<String>,
    /// When the next attempt is due.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
}

/// Deliveries, the one that changed last first.
#[derive(Serialize, ToSchema)]
pub(super) struct Deliveries {
    items: Vec<Delivery>,
    /// The cursor of the next part; null at the end.
    next: Option<String>,
}

/// A delivery with its event and its attempts.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryOut {
    delivery: Delivery,
    event: EventOut,
    /// Those that the log still has, oldest first.
    attempts: Vec<Attempt>,
}

/// An event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventOut {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    project: Option<String>,
    #[schema(format = DateTime)]
    published_at: String,
    /// The exact body of the requests; null where the log has forgotten it.
    body: Option<String>,
}

/// One request, and what came of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attempt {
    attempt: u32,
    #[schema(format = DateTime)]
    at: String,
    duration_ms: u32,
    /// The status of the response.
    status: Option<u16>,
    /// The failure kind; null where it succeeded.
    failure: Option<String>,
    /// A line about the failure.
    detail: Option<String>,
    /// The headers of the request, but for those that the webhook adds.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    request_headers: Value,
    /// The beginning of the response.
    response: String,
}

/// A delivery that was given up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dead {
    delivery: String,
    webhook: String,
    event: String,
    #[serde(rename = "type")]
    kind: String,
    /// Why: `gave_up`, `gone`, `disabled`; `malformed` for what is no delivery and can only be dropped.
    reason: String,
    attempts: u32,
    /// Null where it does not say.
    #[schema(format = DateTime)]
    published_at: Option<String>,
    /// Null where it does not say.
    #[schema(format = DateTime)]
    dead_at: Option<String>,
    last_failure: Option<String>,
    last_failure_detail: Option<String>,
}

/// Dead letters, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct DeadLetters {
    items: Vec<Dead>,
    /// The cursor of the next part; null at the end.
    next: Option<String>,
    /// How many fit the filter.
    matching: u64,
    /// How many there are.
    total: u64,
    /// Whether there are more than could be looked at.
    truncated: bool,
}

/// Dead letters that were sent again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replayed {
    /// The deliveries.
    pub(super) deliveries: Vec<String>,
    /// How many were not sent and stay, because their webhook was deleted.
    pub(super) left_alone: u64,
    /// Whether there may be more: ask again.
    pub(super) more: bool,
}

/// What was sent again.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveredOut {
    /// The deliveries.
    deliveries: Vec<String>,
    /// How many could not be sent, because the log has forgotten what was sent.
    forgotten: u64,
    /// Whether there may be more: ask again.
    more: bool,
}

/// A delivery that the broker holds and that is attempted at once.
#[derive(Serialize, ToSchema)]
pub(super) struct SentOut {
    delivery: String,
    event: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The known event types.
#[derive(Serialize, ToSchema)]
pub(super) struct EventTypes {
    items: Vec<EventTypeOut>,
}

/// An event type.
#[derive(Serialize, ToSchema)]
pub(super) struct EventTypeOut {
    #[serde(rename = "type")]
    #[schema(example = "deployment.succeeded")]
    kind: String,
    description: Option<String>,
}

/// Recent events, and whether the filter wants them.
#[derive(Serialize, ToSchema)]
pub(super) struct Tried {
    /// How many of them it wants.
    wanted: u64,
    items: Vec<TriedOut>,
}

/// A recent event.
#[derive(Serialize, ToSchema)]
pub(super) struct TriedOut {
    event: EventOut,
    wanted: bool,
}

/// What was done, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Audit {
    items: Vec<AuditOut>,
    /// The cursor of the next part; null at the end.
    next: Option<String>,
}

/// Who did what, and when.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditOut {
    #[schema(format = DateTime)]
    at: String,
    /// The token's name, or `command line`, or `boottify-webhooks` for the service itself.
    actor: String,
    action: String,
    /// The webhook's id; empty where it was done to several.
    webhook: String,
    /// More about it.
    detail: Value,
}

/// What happened to a webhook, hour by hour.
#[derive(Serialize, ToSchema)]
pub(super) struct Stats {
    /// Hours in which nothing happened are left out.
    hours: Vec<Hour>,
}

/// What happened in an hour.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hour {
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

impl Webhook {
    /// What this viewer may see of it.
    pub(super) fn of(found: &Found, viewer: &Viewer) -> Self {
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
    pub(super) fn of(made: &Made, viewer: &Viewer) -> Self {
        let webhook = Webhook::of(&made.found, viewer);
        let (secret, warnings) = (made.secret.expose().to_owned(), made.warnings.clone());
        Self { webhook, secret, warnings }
    }
}

impl ChangedWebhook {
    pub(super) fn of(found: &Found, warnings: Vec<String>, viewer: &Viewer) -> Self {
        Self { webhook: Webhook::of(found, viewer), warnings }
    }
}

impl Secrets {
    pub(super) fn of(secrets: &[signing::Secret]) -> Self {
        Self { secrets: secrets.iter().map(|secret| secret.expose().to_owned()).collect() }
    }
}

impl Webhooks {
    pub(super) fn of(listed: &desk::Listed<Found>, viewer: &Viewer) -> Self {
        let items = listed.items.iter().map(|found| Webhook::of(found, viewer)).collect();
        Self { items, next: listed.next.clone() }
    }
}

impl From<DeliveryState> for StateOut {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Waiting => Self::Waiting,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Dead => Self::Dead,
            DeliveryState::Dropped => Self::Dropped,
        }
    }
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            webhook: row.webhook.to_string(),
            event: row.event,
            kind: row.kind,
            state: row.state.into(),
            dead_reason: row.dead_reason,
            attempts: row.attempts,
            last_attempt_at: text_of(row.last_at_ms),
            last_duration_ms: row.last_duration_ms,
            last_status: row.last_status,
            last_failure: row.last_failure,
            next_attempt_at: row.next_at_ms.map(text_of),
        }
    }
}

impl From<desk::Listed<DeliveryRow>> for Deliveries {
    fn from(listed: desk::Listed<DeliveryRow>) -> Self {
        Self { items: listed.items.into_iter().map(Delivery::from).collect(), next: listed.next }
    }
}

impl From<DeliveryDetail> for DeliveryOut {
    fn from(detail: DeliveryDetail) -> Self {
        let attempts =
            detail.attempts.iter().map(|attempt| Attempt::of(&detail, attempt)).collect();
        Self { attempts, event: detail.event.into(), delivery: detail.row.into() }
    }
}

impl From<LoggedEvent> for EventOut {
    fn from(event: LoggedEvent) -> Self {
        let body = String::from_utf8_lossy(&event.body).into_owned();
        Self {
            id: event.id,
            kind: event.kind,
            project: event.project,
            published_at: text_of(event.published_ms),
            body: Some(body).filter(|body| !body.is_empty()),
        }
    }
}

impl Attempt {
    fn of(detail: &DeliveryDetail, attempt: &AttemptRow) -> Self {
        let headers = desk::request_headers(detail, attempt).into_iter();
        Self {
            attempt: attempt.attempt,
            at: text_of(attempt.at_ms),
            duration_ms: attempt.duration_ms,
            status: attempt.status,
            failure: attempt.failure.clone(),
            detail: attempt.detail.clone(),
            request_headers: headers.map(|(name, value)| (name.to_owned(), json!(value))).collect(),
            response: String::from_utf8_lossy(&attempt.response).into_owned(),
        }
    }
}

impl From<DeadLetter> for Dead {
    fn from(letter: DeadLetter) -> Self {
        // What is no delivery has no times.
        let time = |ms| Some(ms).filter(|ms| *ms > 0).map(text_of);
        Self {
            delivery: letter.delivery,
            webhook: letter.webhook,
            event: letter.event,
            kind: letter.kind,
            reason: letter.reason,
            attempts: letter.attempts,
            published_at: time(letter.published_ms),
            dead_at: time(letter.dead_ms),
            last_failure: letter.last_failure,
            last_failure_detail: letter.last_failure_detail,
        }
    }
}

impl From<desk::DeadPage> for DeadLetters {
    fn from(page: desk::DeadPage) -> Self {
        Self {
            items: page.letters.into_iter().map(Dead::from).collect(),
            next: page.next,
            matching: page.matching as u64,
            total: page.total as u64,
            truncated: page.truncated,
        }
    }
}

impl From<Recovered> for RecoveredOut {
    fn from(recovered: Recovered) -> Self {
        let Recovered { deliveries, forgotten, more } = recovered;
        Self { deliveries, forgotten: forgotten as u64, more }
    }
}

impl From<Sent> for SentOut {
    fn from(Sent { delivery, event, kind }: Sent) -> Self {
        Self { delivery, event, kind }
    }
}

impl From<Vec<EventTypeInfo>> for EventTypes {
    fn from(types: Vec<EventTypeInfo>) -> Self {
        let out = |info: EventTypeInfo| EventTypeOut {
            kind: info.kind.to_string(),
            description: info.description.map(str::to_owned),
        };
        Self { items: types.into_iter().map(out).collect() }
    }
}

impl From<Vec<TriedEvent>> for Tried {
    fn from(tried: Vec<TriedEvent>) -> Self {
        let wanted = tried.iter().filter(|tried| tried.wanted).count() as u64;
        let out = |tried: TriedEvent| TriedOut { event: tried.event.into(), wanted: tried.wanted };
        Self { wanted, items: tried.into_iter().map(out).collect() }
    }
}

impl From<desk::Listed<AuditEntry>> for Audit {
    fn from(listed: desk::Listed<AuditEntry>) -> Self {
        let out = |entry: AuditEntry| AuditOut {
            at: text_of(entry.at_ms),
            actor: entry.actor,
            action: entry.action,
            webhook: entry.webhook,
            detail: entry.detail,
        };
        Self { items: listed.items.into_iter().map(out).collect(), next: listed.next }
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
