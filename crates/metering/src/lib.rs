//! Builds metrics: the prefix, and the registration, in one place.
//!
//! Each crate that has metrics keeps ready handles in a struct of its own (`metrics.rs`) and builds
//! it with a [`Meter`]; flow code writes one line per happening. Names are
//! `boottify_webhooks_<noun>_<unit>[_total]` in base units; the meter puts the prefix before them.
//!
//! Not here: any particular metric.

pub use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec};
pub use prometheus::{IntGauge, IntGaugeVec, Registry, Result};

use prometheus::core::Collector;
use prometheus::{HistogramOpts, Opts};

/// What every metric's name begins with.
pub const PREFIX: &str = "boottify_webhooks";

/// Builds metrics and registers them. Every method fails where a name is taken or is none.
#[derive(Clone, Copy, Debug)]
pub struct Meter<'a>(&'a Registry);

impl<'a> Meter<'a> {
    /// A meter on `registry`.
    #[must_use]
    pub fn new(registry: &'a Registry) -> Self {
        Self(registry)
    }

    /// A number that only grows.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.keep(IntCounter::with_opts(options(name, help))?)
    }

    /// Numbers that only grow, one for each combination of labels.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.keep(IntCounterVec::new(options(name, help), labels)?)
    }

    /// A whole number that goes up and down.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.keep(IntGauge::with_opts(options(name, help))?)
    }

    /// Whole numbers that go up and down, one for each combination of labels.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.keep(IntGaugeVec::new(options(name, help), labels)?)
    }

    /// A number of seconds that goes up and down.
    pub fn seconds(&self, name: &str, help: &str) -> Result<Gauge> {
        self.keep(Gauge::with_opts(options(name, help))?)
    }

    /// Parts of a whole, from 0 to 1, one for each combination of labels.
    pub fn ratios(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec> {
        self.keep(GaugeVec::new(options(name, help), labels)?)
    }

    /// A distribution over `buckets`, in seconds.
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram> {
        self.keep(Histogram::with_opts(distribution(name, help, buckets))?)
    }

    /// Distributions over `buckets`, one for each combination of labels.
    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec> {
        self.keep(HistogramVec::new(distribution(name, help, buckets), labels)?)
    }

    fn keep<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(PREFIX)
}

fn distribution(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).namespace(PREFIX).buckets(buckets.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_registered_under_the_prefix_and_only_once() {
        let registry = Registry::new();
        let meter = Meter::new(&registry);
        meter.counter("apples_total", "Apples").unwrap().inc();
        let names: Vec<_> =
            registry.gather().iter().map(|family| family.name().to_owned()).collect();
        assert_eq!(names, ["boottify_webhooks_apples_total"]);
        assert!(meter.counter("apples_total", "Apples again").is_err());
        assert!(meter.gauge("no name", "Blank").is_err());
    }
}
