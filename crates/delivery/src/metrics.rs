//! The sender's side of `/metrics`: ready handles, built once against the registry.

use std::time::Duration;

use metering::{Histogram, IntCounter, IntGauge, Meter, Registry};

use crate::outcome::Outcome;

/// From a receiver next door to the default time limit of an attempt, 15 s.
const BUCKETS: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

/// Handles of all metrics that this crate writes. The help texts say what each one counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) connections_open: IntGauge,
    pub(crate) connections_exhausted: IntCounter,
    pub(crate) responses_cut: IntCounter,
    pub(crate) names_remembered: IntCounter,
    pub(crate) names_answered: IntCounter,
    pub(crate) names_failed: IntCounter,
    pub(crate) names_forgotten: IntCounter,
    delivered: Histogram,
    failed: Histogram,
}

impl Metrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    pub fn register(registry: &Registry) -> metering::Result<Self> {
        let meter = Meter::new(registry);
        let durations = meter.histograms(
            "attempt_duration_seconds",
            "Duration of attempts, connecting included, by whether they delivered",
            &BUCKETS,
            &["outcome"],
        )?;
        let lookups = meter.counters(
            "dns_lookups_total",
            "Lookups of receivers' names: remembered (nobody was asked), answered or failed",
            &["outcome"],
        )?;
        Ok(Self {
            names_remembered: lookups.with_label_values(&["remembered"]),
            names_answered: lookups.with_label_values(&["answered"]),
            names_failed: lookups.with_label_values(&["failed"]),
            names_forgotten: meter.counter(
                "dns_names_forgotten_total",
                "Names forgotten before their time because delivery.dns_max_names were remembered",
            )?,
            connections_open: meter
                .gauge("connections_open", "Open connections to receivers, idle ones included")?,
            connections_exhausted: meter.counter(
                "connections_exhausted_total",
                "Attempts not made because delivery.max_connections were open",
            )?,
            responses_cut: meter.counter(
                "responses_cut_total",
                "Responses of which more came than delivery.max_response_bytes",
            )?,
            delivered: durations.with_label_values(&["delivered"]),
            failed: durations.with_label_values(&["failed"]),
        })
    }

    pub(crate) fn attempted(&self, outcome: &Outcome, duration: Duration) {
        let histogram = match outcome {
            Outcome::Delivered(_) => &self.delivered,
            Outcome::Failed(_) | Outcome::NotSent(_) => &self.failed,
        };
        histogram.observe(duration.as_secs_f64());
    }
}
