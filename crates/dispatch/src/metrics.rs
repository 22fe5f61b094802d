//! The flow's side of `/metrics`: ready handles, built once against the registry.

use crate::gate::Bound;
use delivery::{FailureKind, NotSent};
use event::{Catalog, Reason};
use metering::{
    Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Meter, Registry,
};
use subscriptions::WebhookId;

/// Why a delivery is a dead letter: its last attempt failed too late for another one.
pub(crate) const GAVE_UP: &str = "gave_up";
/// The receiver answered 410.
pub(crate) const GONE: &str = "gone";
/// Its webhook is disabled: it is dead, or dropped where nothing is kept.
pub(crate) const DISABLED: &str = "disabled";
/// A delivery is dropped, for there is no such webhook any more.
pub(crate) const DELETED: &str = "webhook_deleted";
/// A test that failed is dropped.
pub(crate) const TEST: &str = "test";

/// Why a message on the deliveries queue is rejected.
pub(crate) const MALFORMED: &str = "malformed_delivery";

/// A delivery waits, for as many attempts are under way as may be.
pub(crate) const IN_FLIGHT: &str = "in_flight";
/// A delivery waits, for the secrets of its webhook cannot be had.
pub(crate) const UNOPENED: &str = "unopened";

/// From a publish to a 2xx. A healthy delivery takes milliseconds, a retried one hours; the
/// contract's objective is stated in seconds.
const LATENCY_BUCKETS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3_600.0, 21_600.0,
    86_400.0,
];

/// Handles of all metrics that this crate writes. The help texts say what each one counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) events_consumed: IntCounterVec,
    pub(crate) events_rejected: IntCounterVec,
    pub(crate) postponed: IntCounterVec,
    pub(crate) backlog_oldest_age: Gauge,
    pub(crate) breakers: Breakers,
    unsettled: IntGauge,
    in_flight: IntGauge,
    delivered: IntCounter,
    outcomes: IntCounterVec,
    by_webhook: Option<IntCounterVec>,
    latency_at_once: Histogram,
    latency_retried: Histogram,
    first_attempt_delay: Histogram,
}

/// Of webhooks that are left alone.
#[derive(Clone, Debug)]
pub(crate) struct Breakers {
    pub(crate) opened: IntCounter,
    open: IntGaugeVec,
    by_webhook: Option<IntGaugeVec>,
}

impl Metrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    ///
    /// `by_webhook` adds a counter with a webhook's id as its label, which has as many values as
    /// there are webhooks.
    pub fn register(registry: &Registry, by_webhook: bool) -> metering::Result<Self> {
        let meter = Meter::new(registry);
        let outcomes = meter.counters(
            "deliveries_total",
            "Deliveries by what an attempt came to: delivered, failed (tried again), dead \
             (given up, gone, disabled) or dropped (its webhook was deleted)",
            &["outcome", "failure"],
        )?;
        let latency = meter.histograms(
            "delivery_latency_seconds",
            "Time from the publish of an event to the 2xx of a delivery of it, by whether it \
             needed more than one attempt",
            &LATENCY_BUCKETS,
            &["retried"],
        )?;
        let breakers = Breakers::register(&meter, by_webhook)?;
        let labels = ["webhook", "outcome"];
        let help = "Deliveries by webhook and outcome; see deliveries_total";
        let by_webhook =
            by_webhook.then(|| meter.counters("webhook_deliveries_total", help, &labels));
        let metrics = Self {
            breakers,
            events_consumed: meter.counters(
                "events_consumed_total",
                "Events taken from the broker, by type",
                &["type"],
            )?,
            events_rejected: meter.counters(
                "events_rejected_total",
                "Messages that were no event and went to the rejected queue, by reason",
                &["reason"],
            )?,
            unsettled: meter.gauge(
                "messages_unsettled",
                "Messages taken from the broker and not settled yet; bounded by the prefetch",
            )?,
            in_flight: meter.gauge("attempts_in_flight", "Attempts under way")?,
            postponed: meter.counters(
                "deliveries_postponed_total",
                "Deliveries that wait in the broker without an attempt, by the bound that bit",
                &["bound"],
            )?,
            backlog_oldest_age: meter.seconds(
                "backlog_oldest_age_seconds",
                "Time since the first attempt of the oldest delivery that this replica parked \
                 and that still waits",
            )?,
            latency_at_once: latency.with_label_values(&["false"]),
            latency_retried: latency.with_label_values(&["true"]),
            first_attempt_delay: meter.histogram(
                "first_attempt_delay_seconds",
                "Time from the publish of an event to the first attempt of a delivery of it",
                &LATENCY_BUCKETS,
            )?,
            delivered: outcomes.with_label_values(&["delivered", ""]),
            outcomes,
            by_webhook: by_webhook.transpose()?,
        };
        metrics.begin();
        Ok(metrics)
    }

    /// What is counted by a closed set of words begins at 0: a rate over something that begins with
    /// its first happening misses just that one.
    fn begin(&self) {
        for reason in Reason::ALL.map(Reason::as_str).into_iter().chain([MALFORMED]) {
            self.events_rejected.with_label_values(&[reason]);
        }
        let ours = [IN_FLIGHT, UNOPENED, NotSent::Connections.as_str()];
        for bound in Bound::ALL.map(Bound::as_str).into_iter().chain(ours) {
            self.postponed.with_label_values(&[bound]);
        }
        self.breakers.are_open(&[]);
        for kind in FailureKind::WORDS.map(|kind| kind.to_string()) {
            self.outcomes.with_label_values(&["failed", &kind]);
            self.outcomes.with_label_values(&["dead", &kind]);
        }
        for (outcome, why) in
            [("dead", DISABLED), ("dropped", DELETED), ("dropped", DISABLED), ("dropped", TEST)]
        {
            self.outcomes.with_label_values(&[outcome, why]);
        }
    }

    /// The types of events that are counted from now on, from 0.
    pub(crate) fn know(&self, catalog: &Catalog) {
        for kind in catalog.iter() {
            self.events_consumed.with_label_values(&[kind.as_str()]);
        }
    }

    /// Counts one message more until the guard is dropped, by whatever end its task comes to.
    pub(crate) fn unsettled(&self) -> impl Drop {
        Counted::new(&self.unsettled)
    }

    /// Counts one attempt more until the guard is dropped.
    pub(crate) fn in_flight(&self) -> impl Drop {
        Counted::new(&self.in_flight)
    }

    /// A delivery succeeded, so long after its event was published.
    pub(crate) fn delivered(&self, webhook: &str, latency_ms: i64, retried: bool) {
        self.delivered.inc();
        self.count_webhook(webhook, "delivered");
        let latency = if retried { &self.latency_retried } else { &self.latency_at_once };
        latency.observe(seconds(latency_ms));
    }

    /// A first attempt began, so long after its event was published.
    pub(crate) fn first_attempt(&self, delay_ms: i64) {
        self.first_attempt_delay.observe(seconds(delay_ms));
    }

    /// A delivery came to another end, or is tried again.
    pub(crate) fn outcome(&self, webhook: &str, outcome: &str, failure: &str) {
        self.outcomes.with_label_values(&[outcome, failure]).inc();
        self.count_webhook(webhook, outcome);
    }

    /// A delivery came to an end whose webhook is not there (any more).
    pub(crate) fn dropped(&self, why: &str) {
        self.outcomes.with_label_values(&["dropped", why]).inc();
    }

    fn count_webhook(&self, webhook: &str, outcome: &str) {
        if let Some(by_webhook) = &self.by_webhook {
            by_webhook.with_label_values(&[webhook, outcome]).inc();
        }
    }
}

impl Breakers {
    fn register(meter: &Meter<'_>, by_webhook: bool) -> metering::Result<Self> {
        let by_webhook = by_webhook.then(|| {
            meter.gauges(
                "webhook_breaker_open",
                "1 for each webhook that is left alone but for single probes; see breakers_open",
                &["webhook", "failure"],
            )
        });
        Ok(Self {
            opened: meter.counter(
                "breakers_opened_total",
                "Times that failures in a row made the service leave a webhook alone",
            )?,
            open: meter.gauges(
                "breakers_open",
                "Webhooks that are left alone but for single probes, by how their last attempts \
                 failed",
                &["failure"],
            )?,
            by_webhook: by_webhook.transpose()?,
        })
    }

    /// These are open now, and no others.
    pub(crate) fn are_open(&self, open: &[(WebhookId, FailureKind)]) {
        self.open.reset();
        for kind in FailureKind::WORDS.map(|kind| kind.to_string()) {
            self.open.with_label_values(&[&kind]);
        }
        for (_, kind) in open {
            self.open.with_label_values(&[&kind.to_string()]).inc();
        }
        let Some(by_webhook) = &self.by_webhook else { return };
        by_webhook.reset();
        for (webhook, kind) in open {
            by_webhook.with_label_values(&[webhook.as_str(), &kind.to_string()]).set(1);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time in ms is far below 2^52")]
fn seconds(ms: i64) -> f64 {
    ms.max(0) as f64 / 1_000.0
}

struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
