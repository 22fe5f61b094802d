//! What is told of traces: spans, and their export to an OpenTelemetry collector.
//!
//! A [`Tracer`] begins spans where somebody wants them: the publisher's decision counts, and for
//! events without one a ratio. A [`Span`] that ends goes into a queue that is bounded; an
//! [`Exporter`] takes them from there and POSTs them in batches (OTLP, protobuf over HTTP).
//!
//! OTLP is a small, stable format, so that its messages are written here (`wire.rs`) and read back in
//! tests by OpenTelemetry's own. Its SDK would bring a thread, process-wide state and settings from
//! the environment, and would not say what it dropped.
//!
//! **Invariant:** nothing here can slow a delivery. A span that finds no room is counted and gone;
//! a collector that is away, slow or refuses is told of once and waited for by nobody.

mod collector;
mod exporter;
mod metrics;
mod span;
mod tracer;
mod wire;

pub use collector::Collector;
pub use exporter::Exporter;
pub use metrics::Metrics;
pub use span::{Kind, Span};
pub use tracer::{Ratio, Tracer};
