//! Is it really from us? Secrets, and the two schemes that sign a request with them.
//!
//! - [`boottify`]: `x-boottify-signature`, the scheme of the customer page, over the body alone.
//! - [`standard`]: `webhook-signature`, the Standard Webhooks scheme, over id, time and body.
//!
//! One secret serves both. **Invariant:** a secret shows in no `Debug`, error or log, and is wiped
//! from memory when it is dropped; signatures are compared in constant time. Nothing here knows an
//! event or does I/O but for the randomness of a new secret.

pub mod boottify;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod secret;
pub mod standard;

pub use secret::{InvalidSecret, Randomness, Secret};
