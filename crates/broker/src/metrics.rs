//! The broker's side of `/metrics`: ready handles, built once against the registry.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

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
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let build = Build(registry);
        let acks = build.counters(
            "broker_acks_total",
            "Acknowledgements sent, single ones and those that settle a whole prefix of messages",
            &["multiple"],
        )?;
        Ok(Self {
            connected: build.gauge(
                "broker_connected",
                "1 while connected to the broker with topology and consumers in place, else 0",
            )?,
            blocked: build.gauge(
                "broker_blocked",
                "1 while the broker blocks publishing because of its memory or disk alarm, else 0",
            )?,
            sessions: build.counter(
                "broker_sessions_total",
                "Sessions (connection, topology and consumers) that were built",
            )?,
            session_failures: build.counters(
                "broker_session_failures_total",
                "Sessions that could not be built or were lost, by cause",
                &["cause"],
            )?,
            acks_multiple: acks.with_label_values(&["true"]),
            acks_single: acks.with_label_values(&["false"]),
            given_back: build.counter(
                "broker_messages_given_back_total",
                "Messages given back to the broker unsettled while the session was alive",
            )?,
            published: build.counters(
                "broker_published_total",
                "Messages that the broker confirmed to hold, by target",
                &["target"],
            )?,
            publishes_refused: build.counter(
                "broker_publishes_refused_total",
                "Publishes that the broker refused because a queue was full",
            )?,
            queue_messages: build.gauges(
                "queue_messages",
                "Messages ready in a queue, as of the last probe; delay queues by their delay",
                &["queue"],
            )?,
        })
    }
}

struct Build<'a>(&'a Registry);

impl Build<'_> {
    fn options(name: &str, help: &str) -> Opts {
        Opts::new(name, help).namespace("boottify_webhooks")
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let gauge = IntGauge::with_opts(Self::options(name, help))?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        let gauges = IntGaugeVec::new(Self::options(name, help), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let counter = IntCounter::with_opts(Self::options(name, help))?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        let counters = IntCounterVec::new(Self::options(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }
}
