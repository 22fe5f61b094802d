//! The config cache's side of `/metrics`, copied from the store's own numbers before each scrape:
//! the store itself knows no metrics.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metering::{Gauge, IntCounter, IntGauge, IntGaugeVec, Meter, Registry};
use store::Status;

/// Handles of the metrics on webhooks.
pub(crate) struct StoreMetrics {
    generation: IntGauge,
    webhooks: IntGaugeVec,
    unopened: IntGauge,
    age: Gauge,
    errors: IntCounter,
    failing: IntGauge,
    shared: IntGauge,
    started: SystemTime,
}

impl StoreMetrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    pub(crate) fn register(registry: &Registry) -> metering::Result<Self> {
        let meter = Meter::new(registry);
        Ok(Self {
            generation: meter.gauge(
                "webhooks_generation",
                "Which change of the webhooks is live; 0 before the first",
            )?,
            webhooks: meter.gauges(
                "webhooks",
                "Webhooks that are live, by state (enabled, disabled)",
                &["state"],
            )?,
            unopened: meter.gauge(
                "webhooks_unopened",
                "Webhooks that cannot be opened (sealed with another key, or damaged), so that what is for them waits",
            )?,
            age: meter.seconds(
                "webhooks_age_seconds",
                "Time since the store was last known to hold just what is live; since the start where it never was",
            )?,
            errors: meter.counter(
                "store_errors_total",
                "Failures to read the store or to use the state directory",
            )?,
            failing: meter.gauge(
                "store_failing",
                "1 while the store cannot be read and an older snapshot serves, else 0",
            )?,
            shared: meter.gauge(
                "state_dir_shared",
                "1 while another process has the state directory, so that nothing is written there",
            )?,
            started: SystemTime::now(),
        })
    }

    pub(crate) fn refresh(&self, status: &Status) {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.generation.set(count(status.generation()));
        let (all, enabled) = (count(status.webhooks()), count(status.enabled()));
        self.webhooks.with_label_values(&["enabled"]).set(enabled);
        self.webhooks.with_label_values(&["disabled"]).set(all - enabled);
        self.unopened.set(count(status.unopened()));
        self.errors.inc_by(status.errors().saturating_sub(self.errors.get()));
        self.failing.set(status.is_failing().into());
        self.shared.set(status.is_shared().into());
        let read_at = match status.read_at_ms() {
            0 => self.started,
            ms => UNIX_EPOCH + Duration::from_millis(ms.try_into().unwrap_or(0)),
        };
        // A clock that was put back makes nothing older.
        self.age.set(read_at.elapsed().unwrap_or_default().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_read_is_as_old_as_the_start() {
        let metrics = StoreMetrics::register(&Registry::new()).unwrap();
        let metrics = StoreMetrics { started: UNIX_EPOCH, ..metrics };
        metrics.refresh(&Status::default());
        assert!(metrics.age.get() > 1e9, "since the start, which here is 1970");
        let metrics = StoreMetrics { started: SystemTime::now(), ..metrics };
        metrics.refresh(&Status::default());
        assert!(metrics.age.get() < 600.0, "{}", metrics.age.get());
    }
}
