//! What became of spans, for `/metrics`.

use metering::{IntCounter, IntGauge, Meter, Registry};

/// Handles of all metrics that this crate writes. The help texts say what each one counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) exported: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) waiting: IntGauge,
}

impl Metrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    pub fn register(registry: &Registry) -> metering::Result<Self> {
        let meter = Meter::new(registry);
        let spans = meter.counters(
            "trace_spans_total",
            "Spans by what became of them: exported (the collector took them), dropped (too many \
             waited, or the service ended) or failed (the collector refused them or was away)",
            &["outcome"],
        )?;
        let waiting = "Spans that wait for the collector; bounded by traces.max_waiting_spans";
        Ok(Self {
            exported: spans.with_label_values(&["exported"]),
            dropped: spans.with_label_values(&["dropped"]),
            failed: spans.with_label_values(&["failed"]),
            waiting: meter.gauge("trace_spans_waiting", waiting)?,
        })
    }
}
