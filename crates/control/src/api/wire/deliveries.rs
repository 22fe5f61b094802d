//! Deliveries with their attempts, and what was sent again.

use serde::Serialize;
use serde_json::{Value, json};
use store::{AttemptRow, DeliveryDetail, DeliveryRow, DeliveryState};
use utoipa::ToSchema;

use super::EventOut;
use crate::clock::text_of;
use crate::desk::{Listed, Next, Recovered, Rest, Sent, request_headers};

/// How a delivery stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) enum StateOut {
    Waiting,
    Delivered,
    Dead,
    Dropped,
}

/// One event for one webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Delivery {
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
    /// How long the last attempt took; null where none was made.
    last_duration_ms: Option<u32>,
    /// The status of the last response.
    last_status: Option<u16>,
    /// The failure kind of the last attempt.
    last_failure: Option<String>,
    /// When the next attempt is due.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// Since when it has been due, where a bound holds it back: `heldBy` of its webhook's standing.
    #[schema(format = DateTime)]
    due_since: Option<String>,
}

/// Deliveries, the one that changed last first.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Deliveries {
    items: Vec<Delivery>,
    /// The cursor of the next part; null at the end.
    next: Option<String>,
}

/// A delivery with its event and its attempts.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct DeliveryOut {
    delivery: Delivery,
    event: EventOut,
    /// Those that the log still has, oldest first.
    attempts: Vec<Attempt>,
}

/// One request, and what came of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Attempt {
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

/// What was sent again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct RecoveredOut {
    /// The deliveries.
    deliveries: Vec<String>,
    /// How many could not be sent, because the log has forgotten what was sent.
    forgotten: u64,
    /// Whether it goes on by itself: these are those so far, and the rest follows.
    goes_on: bool,
    /// Whether there may be more that could not be looked at: ask again.
    more: bool,
}

/// A delivery that the broker holds and that is attempted at once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct SentOut {
    delivery: String,
    event: String,
    #[serde(rename = "type")]
    kind: String,
    /// Whether it is looked for among many dead letters still, and sent when it is met.
    goes_on: bool,
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

impl Delivery {
    fn of(row: DeliveryRow, now_ms: i64) -> Self {
        let (next_attempt_at, due_since) = match Next::of(&row, now_ms) {
            Some(Next::At(at)) => (Some(text_of(at)), None),
            Some(Next::DueSince(at)) => (None, Some(text_of(at))),
            None => (None, None),
        };
        Self {
            id: row.id,
            webhook: row.webhook.to_string(),
            event: row.event,
            kind: row.kind,
            state: row.state.into(),
            dead_reason: row.dead_reason,
            attempts: row.attempts,
            last_attempt_at: text_of(row.last_at_ms),
            last_duration_ms: (row.attempts > 0).then_some(row.last_duration_ms),
            last_status: row.last_status,
            last_failure: row.last_failure,
            next_attempt_at,
            due_since,
        }
    }
}

impl Deliveries {
    pub(in crate::api) fn of(listed: Listed<DeliveryRow>, now_ms: i64) -> Self {
        let items = listed.items.into_iter().map(|row| Delivery::of(row, now_ms));
        Self { items: items.collect(), next: listed.next }
    }
}

impl DeliveryOut {
    pub(in crate::api) fn of(detail: DeliveryDetail, now_ms: i64) -> Self {
        let attempts =
            detail.attempts.iter().map(|attempt| Attempt::of(&detail, attempt)).collect();
        let delivery = Delivery::of(detail.row, now_ms);
        Self { attempts, event: detail.event.into(), delivery }
    }
}

impl Attempt {
    fn of(detail: &DeliveryDetail, attempt: &AttemptRow) -> Self {
        let headers = request_headers(detail, attempt).into_iter();
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

impl From<Recovered> for RecoveredOut {
    fn from(recovered: Recovered) -> Self {
        let Recovered { deliveries, forgotten, rest } = recovered;
        Self {
            deliveries,
            forgotten: forgotten as u64,
            goes_on: rest == Rest::Follows,
            more: rest == Rest::Unseen,
        }
    }
}

impl From<Sent> for SentOut {
    fn from(Sent { delivery, event, kind, rest }: Sent) -> Self {
        Self { delivery, event, kind, goes_on: rest == Rest::Follows }
    }
}
