//! What is asked of the desk, and what it answers.

use std::sync::Arc;

use broker::{DeadFilter, DeadLetter};
use event::{EventId, EventType};
use serde_json::Value;
use signing::Secret;
use store::{AuditFilter, DeliveryState, LoggedEvent};
use subscriptions::{Webhook, WebhookId};

use super::moving::Left;

/// The most items of one page of any list.
pub const MAX_PAGE: u32 = 200;

/// What becomes of one field of a webhook. Texts are as somebody wrote them: the desk checks them.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Change<T> {
    /// It stays as it is; for a new webhook, it has its default.
    #[default]
    Keep,
    /// It gets its default.
    Clear,
    /// It becomes this.
    Set(T),
}

/// What somebody wants a webhook to be, in the words in which it was written. Nothing in it is
/// checked; all mistakes are told at once, by pointers in the API's words (`/url`, `/events/0`,
/// `/retry/firstDelay`, `/condition/0/in/1`, `/headers/x-team`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// Where requests go. Needed for a new webhook, and cannot be cleared.
    pub url: Change<String>,
    /// Which events are wanted: types, families such as `deployment.*`, or `*`. Needed as the URL.
    pub events: Change<Vec<String>>,
    /// Ids of projects; cleared or empty means all.
    pub projects: Change<Vec<String>>,
    /// What the payload must hold besides; cleared or empty means nothing.
    pub condition: Change<Vec<ClauseEdit>>,
    /// What its owner says about it.
    pub description: Change<String>,
    /// Whether events are sent; the default is yes.
    pub enabled: Change<bool>,
    /// Whether events are kept as dead letters while it is disabled; the default is yes.
    pub keep_while_disabled: Change<bool>,
    /// Its own retry policy; cleared means the service's.
    pub retry: Change<RetryEdit>,
    /// Its own limit of attempts at the same time; cleared means the service's.
    pub max_in_flight: Change<i64>,
    /// How many attempts may begin within a time; cleared means that there is no limit.
    pub rate_limit: Change<RateEdit>,
    /// Headers by name; each is set or, where its value is `None`, removed. Those that are not
    /// named stay as they are. Cleared means that all are removed.
    pub headers: Change<Vec<(String, Option<String>)>>,
}

/// One clause of a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct ClauseEdit {
    /// The place in the payload, as a JSON pointer.
    pub pointer: String,
    /// The values that may stand there.
    pub values: Vec<Value>,
}

/// A rate limit. A burst that is not set is what the rate gives in a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateEdit {
    /// Attempts per second.
    pub per_second: Change<f64>,
    /// Attempts at once after a pause.
    pub burst: Change<i64>,
}

/// Parts of a retry policy; what is kept or cleared is as in the webhook's present one, or the
/// service's. Durations are texts such as `5s` or `3days`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetryEdit {
    /// Delay before the second attempt.
    pub first_delay: Change<String>,
    /// Each further delay is the one before times this.
    pub multiplier: Change<f64>,
    /// What no delay exceeds.
    pub max_delay: Change<String>,
    /// Part by which a delay is spread at random.
    pub jitter: Change<f64>,
    /// When a delivery is given up.
    pub give_up_after: Change<String>,
    /// The longest wait that a receiver can ask for.
    pub retry_after_max: Change<String>,
}

/// A webhook, and which state of it was seen.
#[derive(Clone, Debug)]
pub struct Found {
    /// The webhook. Its secrets are in it: mind what is shown.
    pub webhook: Arc<Webhook>,
    /// Changes with every change of the webhook; the API's ETag.
    pub fingerprint: String,
}

/// A webhook that was made, or a secret.
#[derive(Clone, Debug)]
pub struct Made {
    /// The webhook as it is now.
    pub found: Found,
    /// The secret to be shown to its owner.
    pub secret: Secret,
    /// What its owner should know, such as a name that does not resolve.
    pub warnings: Vec<String>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the next part, if there is more.
    pub next: Option<String>,
}

/// Which webhooks are asked for; newest first.
#[derive(Clone, Debug, Default)]
pub struct WebhooksAsked {
    /// A text in the id, the URL as it is shown, or the description, in any case.
    pub search: Option<String>,
    /// Which state.
    pub state: Option<State>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// At most so many; what is beyond [`MAX_PAGE`] counts as that.
    pub limit: u32,
}

/// Whether a webhook sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Enabled,
    /// Its owner or the service disabled it.
    Disabled,
}

/// Which deliveries are asked for; the one that changed last first.
#[derive(Clone, Debug, Default)]
pub struct DeliveriesAsked {
    /// Of which webhook.
    pub webhook: Option<WebhookId>,
    /// Of which event, among the webhooks that there are.
    pub event: Option<EventId>,
    /// How they stand.
    pub state: Option<DeliveryState>,
    /// Of which event type.
    pub kind: Option<String>,
    /// Those whose last attempt was at or after this time, ms since 1970.
    pub since_ms: Option<i64>,
    /// Those whose last attempt was before this time, ms since 1970.
    pub until_ms: Option<i64>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// At most so many; what is beyond [`MAX_PAGE`] counts as that.
    pub limit: u32,
}

/// A delivery that was handed to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub delivery: String,
    /// The event's id.
    pub event: String,
    /// The event's type.
    pub kind: String,
    /// Whether it is still looked for, and sent when it is met.
    pub rest: Rest,
}

/// Dead letters that were sent again or dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The deliveries.
    pub deliveries: Vec<String>,
    /// How many were not sent and stay, and why.
    pub left: Left,
    /// What becomes of the others.
    pub rest: Rest,
}

/// What was sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The deliveries.
    pub deliveries: Vec<String>,
    /// How many could not be sent, because what was sent is not kept any more.
    pub forgotten: usize,
    /// What becomes of the others.
    pub rest: Rest,
}

/// What becomes of those that an answer does not tell of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// There are no others.
    #[default]
    None,
    /// The work goes on with them by itself.
    Follows,
    /// There may be some that could not be looked at: ask again.
    Unseen,
}

/// Which dead letters are asked for; newest first.
#[derive(Clone, Debug, Default)]
pub struct DeadAsked {
    /// Which.
    pub filter: DeadFilter,
    /// Where to go on.
    pub cursor: Option<String>,
    /// At most so many; what is beyond [`MAX_PAGE`] counts as that.
    pub limit: u32,
}

/// Dead letters, newest first.
#[derive(Clone, Debug)]
pub struct DeadPage {
    /// Those that were asked for.
    pub letters: Vec<DeadLetter>,
    /// The cursor of the next part, if there is more.
    pub next: Option<String>,
    /// How many fit the filter.
    pub matching: usize,
    /// How many there are.
    pub total: usize,
    /// Whether there are more than could be looked at.
    pub truncated: bool,
}

/// A known event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypeInfo {
    /// The type.
    pub kind: EventType,
    /// What it means, for those of the customer page.
    pub description: Option<&'static str>,
}

/// A filter to be tried against recent events before it is saved.
#[derive(Clone, Debug, Default)]
pub struct TryOut {
    /// Events as in [`Edit`]; empty means all.
    pub events: Vec<String>,
    /// Projects as in [`Edit`].
    pub projects: Vec<String>,
    /// The condition.
    pub condition: Vec<ClauseEdit>,
}

/// A recent event, and whether it would have been wanted.
#[derive(Clone, Debug)]
pub struct TriedEvent {
    /// The event.
    pub event: LoggedEvent,
    /// Whether type, project and condition want it.
    pub wanted: bool,
}

/// Which part of the audit is asked for; newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditAsked {
    /// Which.
    pub filter: AuditFilter,
    /// Where to go on.
    pub cursor: Option<String>,
    /// At most so many; what is beyond [`MAX_PAGE`] counts as that.
    pub limit: u32,
}

/// Who did what, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// What was done, such as `secret rotated`.
    pub action: String,
    /// To which webhook.
    pub webhook: String,
    /// More about it, as JSON; never a secret.
    pub detail: Value,
}
