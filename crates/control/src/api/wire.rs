//! Answers of the API, as JSON has them.
//!
//! Names are camelCase, times RFC 3339 in UTC, and what has no value is null and never left out.
//! **Invariant:** no secret, and no value of a header that an owner added.

mod audit;
mod dead;
mod deliveries;
mod events;
mod webhooks;

pub(super) use self::audit::Audit;
pub(super) use self::dead::{DeadLetters, Replayed};
pub(super) use self::deliveries::{Deliveries, DeliveryOut, RecoveredOut, SentOut};
use self::events::EventOut;
pub(super) use self::events::{EventTypes, Tried};
pub(super) use self::webhooks::{
    ChangedWebhook, Secrets, Standing, Stats, Webhook, WebhookWithSecret, Webhooks,
};
