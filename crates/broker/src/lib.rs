//! Everything AMQP, and the only crate that names a queue or an exchange.
//!
//! In the order in which a message meets them: [`Supervisor`] keeps one [`Session`] alive at a
//! time and builds the next when it is lost; [`Intake`] yields what the queues hand out;
//! a [`Settlement`] acknowledges exactly once or gives the message back; a [`Session`] parks,
//! buries and rejects under publisher confirms. Beside them a [`Client`] does what people ask.
//!
//! **Invariant:** nothing here knows a webhook, an HTTP request or a retry policy. A message is
//! acknowledged only by [`Settlement::done`]; every other way out gives it back.

mod acks;
mod causes;
mod client;
mod config;
mod envelope;
mod flood;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod intake;
mod ladder;
mod listen;
mod metrics;
mod outage;
mod poison;
mod publisher;
mod refusal;
mod session;
mod settlement;
mod supervisor;
mod topology;
mod wire;

pub use causes::in_one_line;
pub use client::{
    Client, ClientError, DeadFilter, DeadLetter, DeadList, DeadMoved, DeadReach, HasWebhook,
    MALFORMED, Pruned, Retention, TellMoved,
};
pub use config::{Config, InvalidUrl, Names};
pub use envelope::{Malformed, Once, Parked, PublishedEvent, Rejected};
pub use intake::{Incoming, IncomingEvent, IncomingParked, Intake};
pub use ladder::{SHORTEST_DELAY, one_hop};
pub use listen::{Heard, Listening};
pub use metrics::Metrics;
pub use publisher::{Held, PublishError};
pub use refusal::ConnectError;
pub use session::{PublishEventError, Session, SessionError, publish_event};
pub use settlement::Settlement;
pub use supervisor::{State, Supervisor};
pub use topology::TopologyError;
