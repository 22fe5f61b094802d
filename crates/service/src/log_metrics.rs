//! The delivery log's side of `/metrics`, copied from its own numbers before each scrape.

use metering::{IntCounter, IntCounterVec, IntGauge, Meter, Registry};
use store::{NotKept, Recorder};

/// Handles of the metrics on the delivery log.
pub(crate) struct LogMetrics {
    written: IntCounter,
    dropped: IntCounterVec,
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
        let dropped = meter.counters(
            "delivery_log_dropped_total",
            "Attempts that were not kept in the delivery log: too many waited (full), the database \
             refused them again and again (refused), they still waited when the program ended (ended)",
            &["reason"],
        )?;
        for why in NotKept::ALL {
            dropped.with_label_values(&[why.as_str()]);
        }
        Ok(Self {
            dropped,
            written: meter.counter(
                "delivery_log_written_total",
                "Attempts that were written to the delivery log",
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
        catch_up(&self.written, status.written());
        catch_up(&self.errors, status.errors());
        for why in NotKept::ALL {
            catch_up(&self.dropped.with_label_values(&[why.as_str()]), status.dropped(why));
        }
        self.waiting.set(i64::try_from(status.waiting_bytes()).unwrap_or(i64::MAX));
    }
}

fn catch_up(counter: &IntCounter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}
