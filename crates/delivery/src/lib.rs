//! One attempt: a signed POST to a webhook's URL, and what came of it.
//!
//! [`Sender::attempt`] takes a [`Request`] and gives an [`Outcome`]; in between stand the names,
//! the address guard, the connector, the headers and the reading of a bounded response.
//!
//! **Invariant:** nothing here decides whether to try again. Every attempt ends within its time
//! limit and its memory bound, whatever the receiver does, and every failure has a name that was
//! found by type and never by text.

mod attempt;
mod connector;
mod dial;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod headers;
mod metrics;
mod names;
mod outcome;
mod patience;
mod retry_after;
mod tls;

pub use attempt::{Attempted, Limits, Request, Sender};
pub use guard::{Blocked, Guard};
pub use headers::Signatures;
pub use metrics::Metrics;
pub use names::{NameError, NameRules, Names};
pub use outcome::{Failure, FailureKind, NotSent, Outcome, Response};
pub use tls::{TlsError, check as check_authorities, config as tls_config};
