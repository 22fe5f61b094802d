//! What happened: an event, parsed, validated, and written in the one form that is sent.
//!
//! [`Event::parse`] takes the bytes that a publisher sent and gives an [`Event`] or a [`Rejection`]
//! that tells the publisher what to mend. The body of an event is canonical: compact JSON that
//! `JSON.stringify(JSON.parse(body))` gives back unchanged, because receivers verify signatures
//! over just that.
//!
//! **Invariant:** pure. No clock, no I/O, no webhook, no AMQP; whatever the input, the only way to
//! fail is to say what is wrong with it.

mod body;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod kind;
mod number;
mod order;
mod parse;
mod path;
mod rejection;
mod time;
mod trace;
mod tree;

pub use id::{DeliveryId, EventId, InvalidId, ProjectId};
pub use kind::{Catalog, EventType, InvalidEventType};
pub use parse::Event;
pub use rejection::{Reason, Rejection};
pub use trace::{SpanId, TraceContext, TraceId};
pub use tree::MAX_DEPTH;
