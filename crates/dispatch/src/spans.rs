//! The spans of a message's way, by OpenTelemetry's conventions for messaging and for HTTP.
//!
//! ```text
//! the publisher's ─► process webhooks.events ─┬─ match
//!                                             ├─ POST           one attempt
//!                                             └─ publish        parked, or buried
//!                                                  └► process webhooks.deliveries ─┬─ POST …
//! ```
//!
//! A message whose trace is not recorded has none of them, and pays a branch where one would be.
//! What comes back from the broker is recorded where what parked it was. URLs are not told, for
//! their paths may be secrets; the host is.

use std::sync::Arc;

use broker::{Held, Parked, PublishError};
use delivery::{Attempted, Outcome};
use event::{Event, SpanId, TraceContext, TraceId};
use traces::{Kind, Span, Tracer};

use crate::report::Following;
use crate::task::Task;

/// Begins the spans of messages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spans {
    tracer: Tracer,
    queues: Arc<Queues>,
}

/// What the queues and the exchange are called in spans.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Where events come from.
    pub events: String,
    /// Where parked deliveries come from.
    pub deliveries: String,
    /// The exchange where deliveries are parked and buried.
    pub dead_letters: String,
}

/// The trace of one message on its way, recorded or not.
pub(crate) struct Trace {
    /// Who caused the message, as it says.
    caused: Option<TraceContext>,
    process: Option<Recorded>,
}

struct Recorded {
    span: Span,
    spans: Spans,
}

impl Spans {
    /// Spans of `tracer`, which speak of these queues.
    #[must_use]
    pub fn new(tracer: Tracer, queues: Queues) -> Self {
        Self { tracer, queues: Arc::new(queues) }
    }

    /// The trace of an event, which is a new one where its publisher tells of none.
    pub(crate) fn event(&self, caused: Option<TraceContext>) -> Trace {
        self.process(caused, &self.queues.events, true)
    }

    /// The trace of a delivery that comes back; one that was attempted began its trace before, unless
    /// people sent it again and the log, which keeps no traces, was all that knew it.
    pub(crate) fn parked(&self, parked: &Parked) -> Trace {
        let may_begin = parked.attempts == parked.earlier_attempts;
        self.process(parked.traceparent.clone(), &self.queues.deliveries, may_begin)
    }

    fn process(&self, caused: Option<TraceContext>, queue: &str, may_begin: bool) -> Trace {
        if !self.tracer.is_on() {
            return Trace { caused, process: None };
        }
        let span = match &caused {
            Some(caused) => self.tracer.go_on(caused, Kind::Consumer, || process_name(queue)),
            None if may_begin => self.tracer.begin(Kind::Consumer, || process_name(queue)),
            None => None,
        };
        let process = span.map(|mut span| {
            messaging(&mut span, "process", queue);
            Recorded { span, spans: self.clone() }
        });
        Trace { caused, process }
    }
}

impl Trace {
    /// Where in its trace the message is: at our span, else at who caused it.
    pub(crate) fn context(&self) -> Option<&TraceContext> {
        self.process.as_ref().map(|process| process.span.context()).or(self.caused.as_ref())
    }

    /// The trace's id, for logs.
    pub(crate) fn id(&self) -> Option<TraceId> {
        self.context().map(TraceContext::trace)
    }

    /// The span's id, for logs.
    pub(crate) fn span_id(&self) -> Option<SpanId> {
        self.context().map(TraceContext::span)
    }

    /// It is this event.
    pub(crate) fn is_of(&mut self, event: &Event) {
        if let Some(process) = &mut self.process {
            let span = &mut process.span;
            span.text("messaging.message.id", event.id().as_str());
            span.number("messaging.message.body.size", event.body().len());
            span.text("boottify.event.type", event.kind().as_str());
        }
    }

    /// It was no event.
    pub(crate) fn is_rejected(&mut self, reason: &str, detail: &str) {
        if let Some(process) = &mut self.process {
            process.span.failed(reason, detail);
        }
    }

    /// The looking for webhooks.
    pub(crate) fn matching(&self) -> Option<Span> {
        self.process.as_ref().map(|process| process.span.child(Kind::Internal, "match"))
    }

    /// An attempt that begins now.
    pub(crate) fn attempt(&self, task: &Task<'_>) -> Option<Span> {
        let process = self.process.as_ref()?;
        let mut span = process.span.child(Kind::Client, "POST");
        let uri = task.webhook.url.uri();
        let default = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        span.text("http.request.method", "POST");
        span.text("url.scheme", uri.scheme_str().unwrap_or_default());
        span.text("server.address", uri.host().unwrap_or_default());
        span.number("server.port", uri.port_u16().unwrap_or(default));
        if task.life.attempts > 0 {
            span.number("http.request.resend_count", task.life.attempts);
        }
        span.number("boottify.attempt", task.life.next_attempt());
        span.text("boottify.webhook.id", task.webhook.id.as_str());
        span.text("boottify.delivery.id", task.delivery.as_str());
        Some(span)
    }

    /// The handing over of a delivery to the broker, which is what causes all that comes of it.
    pub(crate) fn hand_over(&self, parked: &mut Parked, what: Handing<'_>) -> Option<Span> {
        let process = self.process.as_ref()?;
        let exchange = &process.spans.queues.dead_letters;
        let mut span = process.span.child(Kind::Producer, format!("publish {exchange}"));
        messaging(&mut span, "send", exchange);
        span.text("messaging.message.id", &*parked.event);
        span.text("boottify.webhook.id", &*parked.webhook);
        span.number("boottify.attempts", parked.attempts);
        match what {
            Handing::Parked(reason) => {
                span.text("boottify.parked.reason", reason);
                span.number(
                    "boottify.parked.delay_ms",
                    parked.due_ms.saturating_sub(parked.parked_ms),
                );
            }
            Handing::Buried(reason) => span.text("boottify.dead.reason", reason),
        }
        parked.traceparent = Some(span.context().clone());
        Some(span)
    }
}

/// Why a delivery is handed over to the broker.
#[derive(Clone, Copy)]
pub(crate) enum Handing<'a> {
    /// It comes back.
    Parked(&'a str),
    /// It is a dead letter.
    Buried(&'a str),
}

/// An attempt is over, and this follows.
pub(crate) fn attempted(span: Option<Span>, made: &Attempted, next: Following, at_ms: i64) {
    let Some(mut span) = span else { return };
    span.took(made.duration);
    let status = match &made.outcome {
        Outcome::Delivered(response) => Some(response.status),
        Outcome::Failed(failure) => {
            span.failed(failure.kind.to_string(), failure.detail.as_str());
            failure.response.as_ref().map(|response| response.status)
        }
        Outcome::NotSent(bound) => {
            span.failed(bound.as_str(), "not sent: a bound of the service was reached");
            None
        }
    };
    if let Some(status) = status {
        span.number("http.response.status_code", status);
    }
    match next {
        Following::Delivered => span.text("boottify.next", "delivered"),
        Following::Retry(due_ms) => {
            span.text("boottify.next", "retry");
            span.number("boottify.retry.delay_ms", due_ms.saturating_sub(at_ms).max(0));
        }
        Following::Dead(reason) => {
            span.text("boottify.next", "dead");
            span.text("boottify.dead.reason", reason);
        }
        Following::Dropped => span.text("boottify.next", "dropped"),
    }
}

/// The looking for webhooks is over: so many want the event.
pub(crate) fn matched(span: Option<Span>, webhooks: usize) {
    if let Some(mut span) = span {
        span.number("boottify.webhooks.matched", webhooks);
    }
}

/// The broker took it, or did not.
pub(crate) fn handed_over(span: Option<Span>, held: &Result<Held, PublishError>) {
    if let (Some(mut span), Err(error)) = (span, held) {
        span.failed("publish", error.to_string());
    }
}

fn process_name(queue: &str) -> String {
    format!("process {queue}")
}

fn messaging(span: &mut Span, operation: &'static str, destination: &str) {
    let name = if operation == "send" { "publish" } else { operation };
    span.text("messaging.system", "rabbitmq");
    span.text("messaging.operation.type", operation);
    span.text("messaging.operation.name", name);
    span.text("messaging.destination.name", destination);
}
