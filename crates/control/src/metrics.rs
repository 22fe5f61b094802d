//! What the Control Center counts.

use metering::{IntCounter, IntCounterVec, Meter, Registry, Result};

/// Handles of the metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    failed: IntCounter,
    delayed: IntCounter,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    ///
    /// Where a name is taken.
    pub fn register(registry: &Registry) -> Result<Self> {
        let meter = Meter::new(registry);
        Ok(Self {
            requests: meter.counters(
                "control_requests_total",
                "Requests to the admin listener by route and status",
                &["route", "status"],
            )?,
            failed: meter.counter(
                "control_sign_in_failures_total",
                "Unknown tokens that were tried at the admin listener",
            )?,
            delayed: meter.counter(
                "control_sign_in_delays_total",
                "Requests to the admin listener refused because too many unknown tokens were tried",
            )?,
        })
    }

    /// `route` is the pattern of a route, never the path that was asked for.
    pub(crate) fn answered(&self, route: &str, status: http::StatusCode) {
        self.requests.with_label_values(&[route, status.as_str()]).inc();
    }

    pub(crate) fn sign_in_failed(&self) {
        self.failed.inc();
    }

    pub(crate) fn sign_in_delayed(&self) {
        self.delayed.inc();
    }
}
