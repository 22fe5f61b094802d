//! The flow's side of `/metrics`: ready handles, built once against the registry.

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

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
    pub(crate) unsettled: IntGauge,
    pub(crate) in_flight: IntGauge,
    pub(crate) postponed: IntCounterVec,
    pub(crate) reports_dropped: IntCounter,
    pub(crate) backlog_oldest_age: Gauge,
    delivered: IntCounter,
    outcomes: IntCounterVec,
    latency: Histogram,
}

impl Metrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let options = |name: &str, help: &str| Opts::new(name, help).namespace("boottify_webhooks");
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(options(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::with_opts(options(name, help))?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        let outcomes = counters(
            "deliveries_total",
            "Deliveries by what an attempt came to: delivered, failed (tried again), dead \
             (given up, gone, disabled) or dropped (its webhook was deleted)",
            &["outcome", "failure"],
        )?;
        let latency = HistogramOpts::new(
            "delivery_latency_seconds",
            "Time from the publish of an event to the 2xx of a delivery of it",
        );
        let latency = latency.namespace("boottify_webhooks").buckets(LATENCY_BUCKETS.to_vec());
        let latency = Histogram::with_opts(latency)?;
        registry.register(Box::new(latency.clone()))?;
        let reports_dropped = IntCounter::with_opts(options(
            "reports_dropped_total",
            "Reports to the rest of the service that found their channel full",
        ))?;
        registry.register(Box::new(reports_dropped.clone()))?;
        let backlog_oldest_age = Gauge::with_opts(options(
            "backlog_oldest_age_seconds",
            "Time since the first attempt of the oldest delivery that this replica parked and \
             that still waits",
        ))?;
        registry.register(Box::new(backlog_oldest_age.clone()))?;
        Ok(Self {
            events_consumed: counters(
                "events_consumed_total",
                "Events taken from the broker, by type",
                &["type"],
            )?,
            events_rejected: counters(
                "events_rejected_total",
                "Messages that were no event and went to the rejected queue, by reason",
                &["reason"],
            )?,
            unsettled: gauge(
                "messages_unsettled",
                "Messages taken from the broker and not settled yet; bounded by the prefetch",
            )?,
            in_flight: gauge("attempts_in_flight", "Attempts under way")?,
            postponed: counters(
                "deliveries_postponed_total",
                "Deliveries that wait in the broker without an attempt, by the bound that bit",
                &["bound"],
            )?,
            delivered: outcomes.with_label_values(&["delivered", ""]),
            outcomes,
            latency,
            reports_dropped,
            backlog_oldest_age,
        })
    }

    /// A delivery succeeded, so long after its event was published.
    pub(crate) fn delivered(&self, latency_ms: i64) {
        self.delivered.inc();
        #[expect(clippy::cast_precision_loss, reason = "a latency in ms is far below 2^52")]
        self.latency.observe(latency_ms.max(0) as f64 / 1_000.0);
    }

    /// A delivery came to another end, or is tried again.
    pub(crate) fn outcome(&self, outcome: &str, failure: &str) {
        self.outcomes.with_label_values(&[outcome, failure]).inc();
    }
}
