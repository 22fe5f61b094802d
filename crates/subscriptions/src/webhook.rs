//! One webhook: who wants which events, sent where, proven by what.
//!
//! A plain record: its parts were checked when they were made, and no two parts can contradict each
//! other.

use std::borrow::Borrow;
use std::num::NonZeroU32;
use std::sync::Arc;

use event::ProjectId;
use serde_json::Value;
use signing::Secret;
use thiserror::Error;

use crate::condition::Condition;
use crate::filter::EventFilter;
use crate::headers::Headers;
use crate::id::WebhookId;
use crate::rate_limit::RateLimit;
use crate::retry::RetryPolicy;
use crate::url::WebhookUrl;

/// The most projects of one webhook. Who wants more wants all.
pub const MAX_PROJECTS: usize = 1_000;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;
/// The most attempts at the same time that one webhook can ask for.
pub const MAX_IN_FLIGHT: u32 = 10_000;

/// A subscription of one receiver.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its name; unique in a snapshot.
    pub id: WebhookId,
    /// Where requests go.
    pub url: WebhookUrl,
    /// Which events are wanted.
    pub events: EventFilter,
    /// Of which projects; empty means of all, and then also events that belong to no project.
    pub projects: Box<[ProjectId]>,
    /// What the payload must hold besides; `None` where everything is wanted.
    pub condition: Option<Condition>,
    /// What its owner says about it.
    pub description: Option<String>,
    /// Whether events are sent at all.
    pub enabled: bool,
    /// Whether the events that it matches while it is disabled are kept as dead letters.
    pub keep_while_disabled: bool,
    /// What requests are signed with. Without it nothing is sent, and what is to be sent waits.
    pub secrets: Result<Secrets, Unopened>,
    /// Its own retry policy, where it differs from the service's.
    pub retry: Option<RetryPolicy>,
    /// Its own limit of attempts at the same time, where it differs from the service's.
    pub max_in_flight: Option<NonZeroU32>,
    /// How many attempts may begin within a time; `None` where there is no limit.
    pub rate_limit: Option<RateLimit>,
    /// Headers that are added to every request.
    pub headers: Headers,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_at_ms: i64,
    /// Why the service disabled it; `None` where it is enabled or its owner disabled it.
    pub disabled_reason: Option<String>,
    /// During a rotation: when the next secret signs alone, in milliseconds since 1970.
    pub switches_at_ms: Option<i64>,
}

impl Webhook {
    /// Whether its condition holds for the payload of an event, which is made only if there is one.
    pub fn condition_holds<P: Borrow<Value>>(&self, payload: impl FnOnce() -> P) -> bool {
        let condition = self.condition.as_ref();
        condition.is_none_or(|condition| condition.holds(payload().borrow()))
    }
}

/// Why the secrets of a webhook, and the headers that are kept with them, cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unopened {
    /// They are sealed with a key that is not here.
    #[error("{0}")]
    Sealed(Arc<str>),
    /// What is kept of it is damaged.
    #[error("damaged: {0}")]
    Damaged(Arc<str>),
}

impl Unopened {
    /// Why, in words.
    #[must_use]
    pub fn why(&self) -> &str {
        let (Self::Sealed(why) | Self::Damaged(why)) = self;
        why
    }

    /// What somebody can do about it, beside deleting the webhook.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Sealed(_) => {
                "give the service its key (webhooks.earlier_encryption_key_file), or put back the \
                 database that it was written in"
            }
            Self::Damaged(_) => "put back the database as it was before",
        }
    }
}

/// The active secrets of a webhook; there is always one.
#[derive(Clone, Debug)]
pub struct Secrets {
    primary: Secret,
    also: Vec<Secret>,
}

impl Secrets {
    /// One secret.
    #[must_use]
    pub fn new(primary: Secret) -> Self {
        Self { primary, also: Vec::new() }
    }

    /// During a rotation: the new secret, and those that receivers may still hold.
    #[must_use]
    pub fn rotating(primary: Secret, also: Vec<Secret>) -> Self {
        Self { primary, also }
    }

    /// The one that signs `x-boottify-signature`, which has room for one signature only.
    #[must_use]
    pub fn primary(&self) -> &Secret {
        &self.primary
    }

    /// Every active one, the primary first: all of them sign `webhook-signature`.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.primary).chain(&self.also)
    }
}
