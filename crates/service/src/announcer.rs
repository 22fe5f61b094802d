//! Operational events: what the people who run webhooks want to be told, published to the exchange
//! `boottify.webhooks.ops` for whoever binds a queue to it.
//!
//! | type | when |
//! | --- | --- |
//! | `webhook.failing` | every attempt failed for half, then for four fifths of `webhooks.disable_after` |
//! | `webhook.disabled` | the service disabled a webhook |
//! | `delivery.dead` | a delivery became a dead letter |
//! | `secret.expiring` | a secret signs for a short time more |
//!
//! `delivery.dead` says how many attempts were made: 0 where none was, because the webhook was
//! disabled when the event came (`reason` is `disabled` then).
//!
//! Each has an id that is derived from what happened, so that one that is published twice can be
//! told. At most [`WAITING`] about webhooks and as many about deliveries wait for a broker that is
//! away; what comes beyond is dropped and counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::Client;
use bytes::Bytes;
use dispatch::AttemptReport;
use event::DeliveryId;
use jiff::Timestamp;
use metering::IntCounter;
use serde_json::{Value, json};
use subscriptions::Webhook;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// The most that wait for the broker: a webhook that is disabled may have thousands of deliveries die
/// within a moment.
const WAITING: usize = 16_384;

/// How often it is said that some were dropped, at most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A delivery became a dead letter.
const DEAD: &str = "delivery.dead";

/// Pause before the broker is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Something worth telling.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    kind: &'static str,
    id: String,
    at_ms: i64,
    body: Value,
}

/// Takes what happened and publishes it in its own time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Announcer {
    /// About webhooks: few, and nobody must miss them.
    webhooks: mpsc::Sender<Happening>,
    /// About deliveries: as many as fail.
    deliveries: mpsc::Sender<Happening>,
    dropped: IntCounter,
    /// When it was said last that some were dropped.
    told: Arc<Mutex<Option<Instant>>>,
}

impl Announcer {
    /// An announcer, and what publishes for it until the last copy of it is dropped.
    pub(crate) fn new(
        client: Client,
        dropped: IntCounter,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (webhooks, mut first) = mpsc::channel::<Happening>(WAITING);
        let (deliveries, mut then) = mpsc::channel::<Happening>(WAITING);
        let publish = async move {
            while let Some(happening) = tokio::select! {
                biased;
                happening = first.recv() => happening,
                happening = then.recv() => happening,
            } {
                let Happening { kind, id, .. } = &happening;
                let body = happening.bytes();
                while let Err(error) = client.announce(kind, id, body.clone()).await {
                    tracing::debug!(%error, "an operational event could not be published yet");
                    sleep(PAUSE).await;
                }
            }
        };
        (Self { webhooks, deliveries, dropped, told: Arc::default() }, publish)
    }

    /// Tells it; never waits.
    pub(crate) fn tell(&self, happening: Happening) {
        let about_delivery = happening.kind == DEAD;
        let queue = if about_delivery { &self.deliveries } else { &self.webhooks };
        if queue.try_send(happening).is_err() {
            self.dropped.inc();
            self.tell_dropped();
        }
    }
}

impl Announcer {
    fn tell_dropped(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                "operational events are dropped: {WAITING} wait for the broker \
                 (operational_events_dropped_total counts them)"
            );
        }
    }
}

impl Happening {
    /// A delivery became a dead letter.
    pub(crate) fn dead(report: &AttemptReport, reason: &str) -> Self {
        let delivery: &DeliveryId = &report.delivery;
        Self {
            kind: DEAD,
            // A delivery that is sent again may die again.
            id: format!("{DEAD}:{}:{}", delivery.as_str(), report.at_ms),
            at_ms: report.at_ms,
            body: json!({
                "delivery": { "id": delivery.as_str(), "attempts": report.attempts },
                "webhook": { "id": report.webhook.as_str() },
                "event": { "id": report.event.id().as_str(), "type": report.event.kind().as_str() },
                "reason": reason,
                "lastFailure": report.failure.map(|kind| kind.to_string()),
                "lastFailureDetail": report.detail,
                "traceId": report.trace.map(|trace| trace.to_string()),
            }),
        }
    }

    /// Every attempt to this webhook failed since then; it will be disabled at that time.
    pub(crate) fn failing(
        webhook: &Webhook,
        since_ms: i64,
        disable_at_ms: i64,
        now_ms: i64,
    ) -> Self {
        Self {
            kind: "webhook.failing",
            id: format!("webhook.failing:{}:{since_ms}:{now_ms}", webhook.id),
            at_ms: now_ms,
            body: json!({
                "webhook": shown(webhook),
                "failingSince": time(since_ms),
                // The first failure after that: while nothing is sent, nothing is decided.
                "disabledFrom": time(disable_at_ms),
            }),
        }
    }

    /// The service disabled this webhook.
    pub(crate) fn disabled(webhook: &Webhook, reason: &str, now_ms: i64) -> Self {
        Self {
            kind: "webhook.disabled",
            id: format!("webhook.disabled:{}:{now_ms}", webhook.id),
            at_ms: now_ms,
            body: json!({ "webhook": shown(webhook), "reason": reason }),
        }
    }

    /// The old secret of this webhook signs until then and no longer.
    pub(crate) fn secret_expiring(webhook: &Webhook, until_ms: i64, now_ms: i64) -> Self {
        Self {
            kind: "secret.expiring",
            id: format!("secret.expiring:{}:{until_ms}", webhook.id),
            at_ms: now_ms,
            body: json!({ "webhook": shown(webhook), "oldSecretSignsUntil": time(until_ms) }),
        }
    }

    fn bytes(&self) -> Bytes {
        let mut all = json!({ "type": self.kind, "createdAt": time(self.at_ms) });
        if let (Value::Object(all), Value::Object(body)) = (&mut all, &self.body) {
            all.extend(body.clone());
        }
        all.to_string().into()
    }
}

fn shown(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id.as_str(),
        "url": webhook.url.to_string(),
        "description": webhook.description,
    })
}

/// RFC 3339 with milliseconds; `null` for what no calendar knows.
fn time(ms: i64) -> Value {
    Timestamp::from_millisecond(ms).map_or(Value::Null, |time| format!("{time:.3}").into())
}
