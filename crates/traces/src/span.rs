//! One span: a piece of work within a trace, told when it ends.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::TraceContext;
use tokio::time::Instant;

use crate::tracer::{Tracing, new_span_id};
use crate::wire::{KeyValue, Record, SpanKind, Status, StatusCode, Value};

/// That the parent is of another process, and that this was found out: bits of a span's flags.
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;
/// The bits of a span's flags that are those of its `traceparent`.
const SAMPLED: u32 = 1;

/// What a span is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Takes from a queue.
    Consumer,
    /// Hands over to a queue.
    Producer,
    /// Asks another service.
    Client,
    /// None of these.
    Internal,
}

/// What caused a span.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parent<'p> {
    /// Nothing: its trace begins with it.
    None,
    /// A span of this process.
    Local(&'p TraceContext),
    /// A span of another process.
    Remote(&'p TraceContext),
}

/// A span that goes on. Dropped, it ends.
///
/// Boxed: every delivery's future has room for one, and few deliveries are recorded.
#[derive(Debug)]
pub struct Span(Box<Inner>);

#[derive(Debug)]
struct Inner {
    record: Record,
    context: TraceContext,
    started: Instant,
    tracing: Arc<Tracing>,
}

impl Span {
    /// A span that begins now, at `context`.
    pub(crate) fn begin(
        tracing: Arc<Tracing>,
        kind: Kind,
        name: String,
        context: TraceContext,
        parent: Parent<'_>,
    ) -> Self {
        let (parent, remote) = match parent {
            Parent::None => (None, 0),
            Parent::Local(parent) => (Some(parent), 0),
            Parent::Remote(parent) => (Some(parent), REMOTE),
        };
        let record = Record {
            trace_id: context.trace().as_bytes().to_vec(),
            span_id: context.span().as_bytes().to_vec(),
            trace_state: context.tracestate().unwrap_or_default().to_owned(),
            parent_span_id: parent
                .map(|parent| parent.span().as_bytes().to_vec())
                .unwrap_or_default(),
            name,
            kind: wire_kind(kind).into(),
            start_time_unix_nano: now_nanos(),
            flags: SAMPLED | REMOTE_KNOWN | remote,
            ..Record::default()
        };
        Self(Box::new(Inner { record, context, started: Instant::now(), tracing }))
    }

    /// A span within this one, that begins now.
    #[must_use]
    pub fn child(&self, kind: Kind, name: impl Into<String>) -> Self {
        let context = self.0.context.within(new_span_id());
        let parent = Parent::Local(&self.0.context);
        Self::begin(self.0.tracing.clone(), kind, name.into(), context, parent)
    }

    /// Where in its trace this is: the parent of what it causes.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.0.context
    }

    /// Adds an attribute that is a text.
    pub fn text(&mut self, key: &'static str, value: impl Into<String>) {
        self.0.record.attributes.push(KeyValue::new(key, Value::Text(value.into())));
    }

    /// Adds an attribute that is a number.
    pub fn number(&mut self, key: &'static str, value: impl TryInto<i64>) {
        let value = Value::Number(value.try_into().unwrap_or(i64::MAX));
        self.0.record.attributes.push(KeyValue::new(key, value));
    }

    /// What it stands for failed: the kind of failure, and a line for people.
    pub fn failed(&mut self, kind: impl Into<String>, line: impl Into<String>) {
        self.text("error.type", kind);
        let code = StatusCode::Error.into();
        self.0.record.status = Some(Status { message: line.into(), code });
    }

    /// It ended so long after it began; what is added from now on still counts.
    pub fn took(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.record.end_time_unix_nano = self.0.record.start_time_unix_nano.saturating_add(nanos);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.0.record.end_time_unix_nano == 0 {
            self.took(self.0.started.elapsed());
        }
        self.0.tracing.offer(std::mem::take(&mut self.0.record));
    }
}

fn wire_kind(kind: Kind) -> SpanKind {
    match kind {
        Kind::Consumer => SpanKind::Consumer,
        Kind::Producer => SpanKind::Producer,
        Kind::Client => SpanKind::Client,
        Kind::Internal => SpanKind::Internal,
    }
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
