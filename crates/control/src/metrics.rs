//! What the Control Center counts.

use metering::{IntCounter, IntCounterVec, IntGauge, Meter, Registry, Result};

/// Handles of the metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    failed: IntCounter,
    delayed: IntCounter,
    streams: IntGauge,
    streams_refused: IntCounter,
}

/// One stream of live deliveries, counted for as long as it is there.
#[derive(Debug)]
pub(crate) struct OpenStream(IntGauge);

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
            streams: meter.gauge("control_streams", "Live views of deliveries that are open")?,
            streams_refused: meter.counter(
                "control_streams_refused_total",
                "Live views of deliveries refused because too many are open",
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

    pub(crate) fn stream_opened(&self) -> OpenStream {
        self.streams.inc();
        OpenStream(self.streams.clone())
    }

    pub(crate) fn stream_refused(&self) {
        self.streams_refused.inc();
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}
