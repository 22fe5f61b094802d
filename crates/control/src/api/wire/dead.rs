//! Dead letters.

use broker::DeadLetter;
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::text_of;
use crate::desk::{DeadPage, Left, Moved, Rest};

/// A delivery that was given up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Dead {
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
pub(in crate::api) struct DeadLetters {
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
pub(in crate::api) struct Replayed {
    /// The deliveries.
    deliveries: Vec<String>,
    /// How many were not sent and stay, because their webhook was deleted.
    left_alone: u64,
    /// How many were not sent and stay, because their webhook is disabled: enable it, then ask again.
    disabled: u64,
    /// How many were not sent and stay, because their webhook cannot be opened.
    unopened: u64,
    /// Whether it goes on by itself: these are those so far, and the rest follows.
    goes_on: bool,
    /// Whether there may be more that could not be looked at: ask again.
    more: bool,
}

impl From<Moved> for Replayed {
    fn from(Moved { deliveries, left, rest }: Moved) -> Self {
        let Left { deleted, disabled, unopened } = left;
        Self {
            deliveries,
            left_alone: deleted as u64,
            disabled: disabled as u64,
            unopened: unopened as u64,
            goes_on: rest == Rest::Follows,
            more: rest == Rest::Unseen,
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

impl From<DeadPage> for DeadLetters {
    fn from(page: DeadPage) -> Self {
        Self {
            items: page.letters.into_iter().map(Dead::from).collect(),
            next: page.next,
            matching: page.matching as u64,
            total: page.total as u64,
            truncated: page.truncated,
        }
    }
}
