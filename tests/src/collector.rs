//! An OpenTelemetry collector: takes traces by OTLP over HTTP, as protobuf, and shows their spans.
//!
//! It reads with OpenTelemetry's own definitions, which the product does not use.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span as Told, span::SpanKind, status::StatusCode};
use prost::Message;

use crate::eventually::eventually;
use crate::receiver::{Identity, Received, Receiver, Script};

/// Where traces are taken.
const PATH: &str = "/v1/traces";

/// A running collector. Dropped, it is gone.
#[derive(Debug)]
pub struct Collector(Receiver);

/// One span, as it was told.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its trace, in hex.
    pub trace: String,
    /// Its id, in hex.
    pub id: String,
    /// The span that caused it, in hex; empty for none.
    pub parent: String,
    /// The `tracestate` that it was begun with.
    pub state: String,
    /// What it is called.
    pub name: String,
    /// What it is to others.
    pub kind: SpanKind,
    /// Whether it says that it failed.
    pub failed: bool,
    /// How long it took.
    pub took: Duration,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The attributes of the service that told it.
    pub resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute; empty where there is none.
    pub fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// The `traceparent` of what it causes.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }
}

impl Collector {
    /// Starts one that answers as `script` says.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(script: Script) -> Result<Self> {
        Receiver::start(script).await.map(Self)
    }

    /// Starts one with TLS.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start_tls(script: Script, identity: &Identity) -> Result<Self> {
        Receiver::start_tls(script, identity).await.map(Self)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// What the program is told of it.
    pub fn endpoint(&self) -> String {
        self.0.url("")
    }

    /// Every request that it got.
    pub fn requests(&self) -> Vec<Received> {
        self.0.requests()
    }

    /// Every span of the requests that it answered with 200.
    ///
    /// # Errors
    ///
    /// When a request is no OTLP of traces.
    pub fn spans(&self) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        for request in self.0.requests_at(PATH) {
            let request_type = request.header("content-type");
            anyhow::ensure!(request_type == "application/x-protobuf", "{request_type}");
            let told = ExportTraceServiceRequest::decode(request.body).context("no OTLP")?;
            if request.answered != 200 {
                continue;
            }
            for resource_spans in told.resource_spans {
                let resource = resource_spans.resource.unwrap_or_default();
                let resource = texts(&resource.attributes);
                let scopes = resource_spans.scope_spans.into_iter();
                let told = scopes.flat_map(|scope| scope.spans);
                spans.extend(told.map(|span| read(&span, &resource)));
            }
        }
        Ok(spans)
    }

    /// Waits for so many spans, and gives all of them.
    ///
    /// # Errors
    ///
    /// When they have not come at the deadline, with those that have.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Result<Vec<Span>> {
        let what = format!("the collector has {count} spans");
        let found = eventually(&what, deadline, || async {
            self.spans().ok().filter(|spans| spans.len() >= count)
        });
        found.await.with_context(|| format!("{:#?}", self.spans()))
    }
}

fn read(told: &Told, resource: &BTreeMap<String, String>) -> Span {
    let status = told.status.clone().unwrap_or_default();
    Span {
        trace: hex::encode(&told.trace_id),
        id: hex::encode(&told.span_id),
        parent: hex::encode(&told.parent_span_id),
        state: told.trace_state.clone(),
        name: told.name.clone(),
        kind: told.kind(),
        failed: status.code() == StatusCode::Error,
        took: Duration::from_nanos(
            told.end_time_unix_nano.saturating_sub(told.start_time_unix_nano),
        ),
        attributes: texts(&told.attributes),
        resource: resource.clone(),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
        match value {
            Some(any_value::Value::StringValue(text)) => text.clone(),
            Some(any_value::Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        }
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}
