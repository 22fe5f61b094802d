//! The broker's side of `/metrics`: ready handles, built once against the registry.

use metering::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Meter, Registry};

use crate::session::SessionError;

/// What is published, in the metric's words: by the flow, and by who asks the broker beside it.
const TARGETS: [&str; 6] = ["parked", "dead", "rejected", "replayed", "submitted", "ops"];

/// Handles of all metrics that this crate writes. The help texts say what each one counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) connected: IntGauge,
    pub(crate) blocked: IntGauge,
    pub(crate) sessions: IntCounter,
    pub(crate) session_failures: IntCounterVec,
    pub(crate) acks_multiple: IntCounter,
    pub(crate) acks_single: IntCounter,
    pub(crate) given_back: IntCounter,
    pub(crate) published: IntCounterVec,
    pub(crate) publishes_refused: IntCounter,
    pub(crate) queue_messages: IntGaugeVec,
}

impl Metrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    pub fn register(registry: &Registry) -> metering::Result<Self> {
        let meter = Meter::new(registry);
        let acks = meter.counters(
            "broker_acks_total",
            "Acknowledgements sent, single ones and those that settle a whole prefix of messages",
            &["multiple"],
        )?;
        let metrics = Self {
            connected: meter.gauge(
                "broker_connected",
                "1 while connected to the broker with topology and consumers in place, else 0",
            )?,
            blocked: meter.gauge(
                "broker_blocked",
                "1 while the broker blocks publishing because of its memory or disk alarm, else 0",
            )?,
            sessions: meter.counter(
                "broker_sessions_total",
                "Sessions (connection, topology and consumers) that were built",
            )?,
            session_failures: meter.counters(
                "broker_session_failures_total",
                "Sessions that could not be built or were lost, by cause",
                &["cause"],
            )?,
            acks_multiple: acks.with_label_values(&["true"]),
            acks_single: acks.with_label_values(&["false"]),
            given_back: meter.counter(
                "broker_messages_given_back_total",
                "Messages given back to the broker unsettled while the session was alive",
            )?,
            published: meter.counters(
                "broker_published_total",
                "Messages that the broker confirmed to hold, by target",
                &["target"],
            )?,
            publishes_refused: meter.counter(
                "broker_publishes_refused_total",
                "Publishes that the broker refused because a queue was full",
            )?,
            queue_messages: meter.gauges(
                "queue_messages",
                "Messages ready in a queue, as of the last probe; delay queues by their delay",
                &["queue"],
            )?,
        };
        // What is counted by a closed set of words begins at 0: a rate over something that begins
        // with its first happening misses just that one. Queues have no length before one is known.
        for cause in SessionError::CAUSES {
            metrics.session_failures.with_label_values(&[cause]);
        }
        for target in TARGETS {
            metrics.published.with_label_values(&[target]);
        }
        Ok(metrics)
    }
}
