//! The delivery log's side of `/metrics`, copied from its own numbers before each scrape.

use metering::{IntCounter, IntGauge, Meter, Registry};
use store::Recorder;

/// Handles of the metrics on the delivery log.
pub(crate) struct LogMetrics {
    written: IntCounter,
    dropped: IntCounter,
    errors: IntCounter,
    waiting: IntGauge,
}

impl LogMetrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    pub(crate) fn register(registry: &Registry) -> metering::Result<Self> {
        let meter = Meter::new(registry);
        Ok(Self {
            written: meter.counter(
                "delivery_log_written_total",
                "Attempts that were written to the delivery log",
            )?,
            dropped: meter.counter(
                "delivery_log_dropped_total",
                "Attempts that were not kept in the delivery log: it was full or away",
            )?,
            errors: meter.counter(
                "delivery_log_errors_total",
                "Failures to write to the delivery log, or to forget what is too old",
            )?,
            waiting: meter.gauge(
                "delivery_log_waiting_bytes",
                "Bytes of attempts that wait to be written; bounded by delivery_log.max_waiting_bytes",
            )?,
        })
    }

    pub(crate) fn refresh(&self, recorder: Option<&Recorder>) {
        let Some(recorder) = recorder else { return };
        let status = recorder.status();
        let counters = [
            (&self.written, status.written()),
            (&self.dropped, status.dropped()),
            (&self.errors, status.errors()),
        ];
        for (counter, value) in counters {
            counter.inc_by(value.saturating_sub(counter.get()));
        }
        self.waiting.set(i64::try_from(status.waiting_bytes()).unwrap_or(i64::MAX));
    }
}
