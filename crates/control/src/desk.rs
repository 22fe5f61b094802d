//! The desk: all that people can do, said once, for the page and the API alike.
//!
//! Webhooks are read from the live snapshot and written to the database; after a write the desk
//! waits until the change is live here, so that who looks next sees it. Deliveries come from the
//! delivery log, dead letters through the broker.
//!
//! **Invariant:** nothing here knows HTTP, HTML or who may do what: the caller has asked for the
//! role, and hands in the actor's name for the audit.

mod asked;
mod dead;
mod deliveries;
mod draft;
mod labour;
mod moving;
mod sample;
mod trouble;
mod webhooks;

pub use self::asked::{
    AuditAsked, AuditEntry, Change, ClauseEdit, DeadAsked, DeadPage, DeliveriesAsked, Edit,
    EventTypeInfo, Found, Listed, MAX_PAGE, Made, Moved, RateEdit, Recovered, Rest, RetryEdit,
    Sent, State, TriedEvent, TryOut, WebhooksAsked,
};

pub(crate) use self::dead::DEAD_REASONS;
pub use self::dead::dead_reason;
pub(crate) use self::deliveries::Next;
pub use self::deliveries::request_headers;
#[cfg(any(test, fuzzing))]
pub(crate) use self::draft::drafted;
pub(crate) use self::draft::duration;
pub(crate) use self::labour::Ended;
pub use self::labour::{Course, Progress};
pub use self::moving::{DeadAct, DeadWork, DeadWorked, Left, Stayed, Stays, Webhooks};
pub(crate) use self::sample::TEST;
pub use self::webhooks::rotated_again;

use std::sync::Arc;
use std::time::Duration;

use broker::Client;
use event::Catalog;
use futures_util::future::BoxFuture;
use store::{DeliveryLog, Store};
use subscriptions::{RetryPolicy, UrlRules, WebhookId, WebhookUrl};

use self::labour::Labour;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Parts>, Labour);

/// What the desk works with.
pub struct Parts {
    /// The webhooks.
    pub store: Store,
    /// The delivery log, unless it is switched off.
    pub log: Option<DeliveryLog>,
    /// The broker.
    pub broker: Client,
    /// What the configuration says about webhooks; read anew for each request, for it may change.
    pub rules: Box<dyn Fn() -> Rules + Send + Sync>,
    /// Whether an address may be reached.
    pub check: AddressCheck,
    /// How long the old secret goes on signing after a rotation, if nobody says otherwise.
    pub overlap: Duration,
    /// How long a request waits for work on dead letters, before it is answered that the rest follows.
    pub patience: Duration,
    /// How a webhook's receiver stands, as far as this replica has seen.
    pub standing: Standings,
}

/// Tells how a webhook's receiver stands.
pub type Standings = Box<dyn Fn(&WebhookId) -> Option<Standing> + Send + Sync>;

/// What a webhook's receiver has shown this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Attempts under way.
    pub in_flight: u32,
    /// Attempts at the same time that the receiver gets now.
    pub limit: u32,
    /// Failures in a row, of those after which an endpoint is left alone.
    pub failures: u32,
    /// The kind of the last of them.
    pub last_failure: Option<String>,
    /// For how long it has been left alone, and in how long it is probed next.
    pub left_alone: Option<(Duration, Duration)>,
    /// Which bound held back a delivery of the webhook last, and how long ago.
    pub held: Option<(&'static str, Duration)>,
}

impl Standing {
    /// Since when it is left alone, and when it is probed next, ms since 1970.
    pub(crate) fn left_alone_ms(&self, now_ms: i64) -> Option<(i64, i64)> {
        let (since, next) = self.left_alone?;
        Some((now_ms.saturating_sub(ms(since)), now_ms.saturating_add(ms(next))))
    }

    /// Which bound held back a delivery last, and when, ms since 1970.
    pub(crate) fn held_ms(&self, now_ms: i64) -> Option<(&'static str, i64)> {
        let (bound, ago) = self.held?;
        Some((bound, now_ms.saturating_sub(ms(ago))))
    }
}

fn ms(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// What the configuration says about webhooks.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The known event types.
    pub catalog: Catalog,
    /// Which URLs are accepted.
    pub url: UrlRules,
    /// The retry policy of which a webhook may change parts.
    pub retry: RetryPolicy,
    /// Attempts at the same time of one webhook that sets no limit of its own.
    pub max_in_flight: u32,
}

/// Judges where a URL leads, as it is judged at delivery.
pub type AddressCheck = Arc<dyn Fn(&WebhookUrl) -> BoxFuture<'static, Reach> + Send + Sync>;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To an address that webhooks may reach.
    Allowed,
    /// To one that they must not reach, and why.
    Refused(String),
    /// Nobody knows at this moment: its name does not resolve. A warning and no refusal, for a
    /// receiver is often set up before its name is; whatever it resolves to later is judged then.
    Unresolved(String),
}

impl Desk {
    /// A desk that works with these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts), Labour::default())
    }

    /// What the configuration says about webhooks now.
    #[must_use]
    pub fn rules(&self) -> Rules {
        (self.0.rules)()
    }

    /// Whether there is a delivery log.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.0.log.is_some()
    }

    /// How a webhook's receiver stands, as far as this replica has seen; `None` where it has sent
    /// nothing lately.
    #[must_use]
    pub fn standing(&self, webhook: &WebhookId) -> Option<Standing> {
        (self.0.standing)(webhook)
    }

    /// How long the old secret goes on signing after a rotation, if nobody says otherwise.
    #[must_use]
    pub fn overlap(&self) -> Duration {
        self.0.overlap
    }
}
