//! Keeps the dead letters within `[dead]`, and says what that costs.
//!
//! Every replica does it and the broker lets one at a time: who finds another at it has nothing to
//! do. What is dropped is lost for good, so it is counted, logged, and warned of ahead.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker::{Client, ClientError, Pruned, Retention};
use metering::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, Meter, Registry};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::config::Dead;

/// The part of a bound from which on people are warned: with the default of 30 days
/// they have six to act.
const WARNED_FROM: f64 = 0.8;

/// What holds dead letters in bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Age,
    Bytes,
    Count,
}

/// Handles of the metrics on dead letters.
pub(crate) struct RetentionMetrics {
    letters: IntGauge,
    bytes: IntGauge,
    oldest_age: Gauge,
    used: GaugeVec,
    by_age: IntCounter,
    by_bytes: IntCounter,
    by_count: IntCounter,
    failures: IntCounter,
}

impl RetentionMetrics {
    /// Builds and registers every metric.
    ///
    /// # Errors
    ///
    /// The registry's error where a name is taken already.
    pub(crate) fn register(registry: &Registry) -> metering::Result<Self> {
        let meter = Meter::new(registry);
        let pruned: IntCounterVec = meter.counters(
            "dead_letters_pruned_total",
            "Dead letters dropped by the retention, by the bound that they were beyond",
            &["reason"],
        )?;
        let used = meter.ratios(
            "dead_letters_bound_ratio",
            "How much of a bound of [dead] is used, as of the last check; from 1 on the oldest are \
             dropped",
            &["bound"],
        )?;
        for bound in Bound::ALL {
            used.with_label_values(&[bound.word()]);
        }
        Ok(Self {
            used,
            letters: meter.gauge(
                "dead_letters",
                "Deliveries in the dead queue, as of the last check of the retention",
            )?,
            bytes: meter.gauge(
                "dead_letters_bytes",
                "About how many bytes the dead letters take, as of the last check",
            )?,
            oldest_age: meter.seconds(
                "dead_letters_oldest_age_seconds",
                "Time since the oldest dead letter was given up, as of the last check",
            )?,
            by_age: pruned.with_label_values(&["age"]),
            by_bytes: pruned.with_label_values(&["bytes"]),
            by_count: pruned.with_label_values(&["count"]),
            failures: meter.counter(
                "dead_letters_check_failures_total",
                "Checks of the retention that failed; those that another replica makes do not",
            )?,
        })
    }

    fn set(&self, retention: Retention, pruned: &Pruned, age: Duration) {
        for bound in Bound::ALL {
            let used = bound.used(retention, pruned, age);
            self.used.with_label_values(&[bound.word()]).set(used);
        }
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.letters.set(number(pruned.count));
        self.bytes.set(number(pruned.bytes));
        self.oldest_age.set(age.as_secs_f64());
        self.by_age.inc_by(pruned.by_age);
        self.by_bytes.inc_by(pruned.by_bytes);
        self.by_count.inc_by(pruned.by_count);
    }
}

/// Checks for ever.
pub(crate) async fn run(client: Client, dead: Dead, metrics: RetentionMetrics) {
    let mut checks = interval_at(Instant::now() + dead.check_every, dead.check_every);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned = None;
    loop {
        checks.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        match client.prune_dead(dead.retention, now_ms).await {
            Ok(pruned) => {
                let oldest_ms = pruned.oldest_ms.unwrap_or(now_ms);
                let age = u64::try_from(now_ms.saturating_sub(oldest_ms)).unwrap_or_default();
                let age = Duration::from_millis(age);
                metrics.set(dead.retention, &pruned, age);
                tell_dropped(&pruned);
                let near = near(dead.retention, &pruned, age);
                if let Some(bound) = near.filter(|_| near != warned) {
                    tracing::warn!(
                        "dead letters are near {bound}: what is beyond will be dropped; \
                         send them again or drop them (boottify-webhooks dead)"
                    );
                }
                warned = near;
            }
            Err(ClientError::Busy) => {}
            Err(error) => {
                metrics.failures.inc();
                let why = broker::in_one_line(&error);
                tracing::debug!("the dead letters could not be checked: {why}");
            }
        }
    }
}

fn tell_dropped(pruned: &Pruned) {
    if pruned.dropped() > 0 {
        tracing::warn!(
            by_age = pruned.by_age,
            by_bytes = pruned.by_bytes,
            by_count = pruned.by_count,
            "the retention dropped {} dead letters for good",
            pruned.dropped()
        );
    }
}

/// The key of a bound that is nearly reached.
fn near(retention: Retention, pruned: &Pruned, age: Duration) -> Option<&'static str> {
    let near = |bound: &Bound| bound.used(retention, pruned, age) >= WARNED_FROM;
    Bound::ALL.into_iter().find(near).map(Bound::key)
}

impl Bound {
    const ALL: [Self; 3] = [Self::Age, Self::Count, Self::Bytes];

    /// The word in metrics.
    fn word(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Bytes => "bytes",
            Self::Count => "count",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Age => "dead.max_age",
            Self::Bytes => "dead.max_bytes",
            Self::Count => "dead.max_count",
        }
    }

    /// How much of it is used; 1 where it is reached.
    fn used(self, retention: Retention, pruned: &Pruned, age: Duration) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a part need not be exact")]
        let part = |value: u64, bound: u64| value as f64 / bound as f64;
        match self {
            Self::Age => age.as_secs_f64() / retention.max_age.as_secs_f64(),
            Self::Bytes => part(pruned.bytes, retention.max_bytes),
            Self::Count => part(pruned.count, retention.max_count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_near_from_eighty_percent_on() {
        let retention =
            Retention { max_age: Duration::from_secs(1_000), max_bytes: 10_000, max_count: 100 };
        let near = |seconds, bytes, count| {
            let pruned = Pruned { bytes, count, ..Pruned::default() };
            near(retention, &pruned, Duration::from_secs(seconds))
        };
        assert_eq!(near(799, 7_999, 79), None);
        assert_eq!(near(800, 0, 0), Some("dead.max_age"));
        assert_eq!(near(0, 8_000, 0), Some("dead.max_bytes"));
        assert_eq!(near(0, 0, 80), Some("dead.max_count"));
    }
}
