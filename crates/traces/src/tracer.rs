//! Which spans there are: who decides, and the queue in which those that ended wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::{SpanId, TraceContext};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::span::{Kind, Parent, Span};
use crate::wire::Record;

/// Begins spans, or none. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Tracing>>);

/// Where spans wait that ended, and how many traces begin.
#[derive(Debug)]
pub(crate) struct Tracing {
    sender: mpsc::Sender<Record>,
    metrics: Metrics,
    ratio: AtomicU64,
}

/// The part of the traces without a parent that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(u64);

impl Tracer {
    /// A tracer that begins no span and costs nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// A tracer, and where the spans come out that it began. At most so many wait.
    pub(crate) fn new(
        ratio: Ratio,
        most: usize,
        metrics: Metrics,
    ) -> (Self, mpsc::Receiver<Record>) {
        let (sender, records) = mpsc::channel(most);
        let tracing = Tracing { sender, metrics, ratio: AtomicU64::new(ratio.0) };
        (Self(Some(Arc::new(tracing))), records)
    }

    /// Whether there may be spans at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Replaces the ratio, for traces that begin from now on.
    pub fn set_ratio(&self, ratio: Ratio) {
        if let Some(tracing) = &self.0 {
            tracing.ratio.store(ratio.0, Ordering::Relaxed);
        }
    }

    /// A span for what somebody else caused, if he records his trace.
    #[must_use]
    pub fn go_on(
        &self,
        parent: &TraceContext,
        kind: Kind,
        name: impl FnOnce() -> String,
    ) -> Option<Span> {
        let tracing = self.0.as_ref().filter(|_| parent.is_sampled())?;
        let context = parent.within(new_span_id());
        Some(Span::begin(Arc::clone(tracing), kind, name(), context, Parent::Remote(parent)))
    }

    /// The first span of a trace, for as many as the ratio says.
    #[must_use]
    pub fn begin(&self, kind: Kind, name: impl FnOnce() -> String) -> Option<Span> {
        let tracing = self.0.as_ref()?;
        let trace = random::<16>();
        let [.., a, b, c, d, e, f, g, h] = trace;
        let drawn = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if drawn >= tracing.ratio.load(Ordering::Relaxed) {
            return None;
        }
        let context = TraceContext::begin(trace, *new_span_id().as_bytes())?;
        Some(Span::begin(Arc::clone(tracing), kind, name(), context, Parent::None))
    }
}

impl Ratio {
    /// From 0, none, to 1, all; what is beyond counts as the nearer of the two.
    #[must_use]
    pub fn new(part: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a cast of a float saturates, which is what is meant"
        )]
        Self((part * u64::MAX as f64) as u64)
    }
}

impl Tracing {
    /// Takes a span that ended, if there is room.
    pub(crate) fn offer(&self, record: Record) {
        // Before, for it may be taken out at once: there are never fewer than none.
        self.metrics.waiting.inc();
        if self.sender.try_send(record).is_err() {
            self.metrics.waiting.dec();
            self.metrics.dropped.inc();
        }
    }
}

/// An id that nobody else has.
pub(crate) fn new_span_id() -> SpanId {
    loop {
        if let Some(id) = SpanId::new(random()) {
            return id;
        }
    }
}

/// Random bytes; a system without any gives what repeats, and traces that cannot be told apart.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [1; N];
    getrandom::fill(&mut bytes).ok();
    bytes
}

#[cfg(test)]
mod tests {
    use metering::Registry;

    use super::*;

    fn tracer(ratio: f64, most: usize) -> (Tracer, mpsc::Receiver<Record>, Metrics) {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let (tracer, records) = Tracer::new(Ratio::new(ratio), most, metrics.clone());
        (tracer, records, metrics)
    }

    fn parent(flags: &str) -> TraceContext {
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        TraceContext::parse(&text, Some("a=b")).unwrap()
    }

    #[test]
    fn the_publishers_decision_counts() {
        let (all, ..) = tracer(1.0, 8);
        let (none, ..) = tracer(0.0, 8);
        assert!(all.go_on(&parent("00"), Kind::Consumer, String::new).is_none());
        assert!(none.go_on(&parent("01"), Kind::Consumer, String::new).is_some());
        assert!(Tracer::off().go_on(&parent("01"), Kind::Consumer, String::new).is_none());
        assert!(Tracer::off().begin(Kind::Consumer, String::new).is_none());
    }

    #[test]
    fn without_a_parent_the_ratio_counts() {
        let count = |ratio| {
            let (tracer, ..) = tracer(ratio, 8);
            (0..4_000).filter_map(|_| tracer.begin(Kind::Consumer, String::new)).count()
        };
        assert_eq!((count(0.0), count(1.0)), (0, 4_000));
        assert!((800..1_200).contains(&count(0.25)));
        let (tracer, ..) = tracer(0.0, 8);
        tracer.set_ratio(Ratio::new(1.0));
        assert!(tracer.begin(Kind::Consumer, String::new).is_some());
    }

    #[test]
    fn a_child_has_its_parents_trace_and_what_finds_no_room_is_counted() {
        let (tracer, mut records, metrics) = tracer(0.0, 2);
        let root = tracer.go_on(&parent("01"), Kind::Consumer, String::new).unwrap();
        let child = root.child(Kind::Client, "child");
        let late = root.child(Kind::Client, "late");
        drop(child);
        drop(root);
        drop(late);
        let (child, root) = (records.try_recv().unwrap(), records.try_recv().unwrap());
        assert_eq!(child.trace_id, root.trace_id);
        assert_eq!(child.parent_span_id, root.span_id);
        assert_eq!(root.parent_span_id, parent("01").span().as_bytes());
        assert_eq!((root.trace_state.as_str(), root.flags, child.flags), ("a=b", 0x301, 0x101));
        assert!(records.try_recv().is_err());
        assert_eq!((metrics.dropped.get(), metrics.waiting.get()), (1, 2));
    }
}
