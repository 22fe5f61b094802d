//! The names of things: of an event, of a project, of a delivery.
//!
//! A delivery's id is derived, never drawn: a crash and a redelivery repeat it, so that receivers
//! can tell a repeat from news.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// The longest event id in bytes: what an AMQP short string holds.
const EVENT_ID_MAX: usize = 255;
/// The longest project id in bytes.
const PROJECT_ID_MAX: usize = 128;
/// Bytes of a hash that make an id: 128 bits, so that no two ids ever meet by chance.
const HASHED: usize = 16;

/// A text that cannot be an id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidId {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// It has too many bytes.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// It holds control characters, which have no place in headers and logs.
    #[error("holds control characters")]
    Control,
}

/// The id of an event: the publisher's `message_id`, or derived from the body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Box<str>);

/// The id of the project that an event belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectId(Box<str>);

/// The id of a delivery, one per (event, webhook): `dlv_` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryId([u8; DeliveryId::LENGTH]);

impl EventId {
    /// An id of 1 to 255 bytes without control characters.
    ///
    /// # Errors
    ///
    /// [`InvalidId`].
    pub fn try_new(text: &str) -> Result<Self, InvalidId> {
        checked(text, EVENT_ID_MAX).map(Self)
    }

    /// The id of an event whose publisher gave none: the same body has the same id.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Self {
        let hash = Sha256::digest(body);
        Self(format!("evt_{}", hex::encode(&hash[..HASHED])).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ProjectId {
    /// An id of 1 to 128 bytes without control characters.
    ///
    /// # Errors
    ///
    /// [`InvalidId`].
    pub fn try_new(text: &str) -> Result<Self, InvalidId> {
        checked(text, PROJECT_ID_MAX).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DeliveryId {
    const PREFIX: &[u8; 4] = b"dlv_";
    const LENGTH: usize = Self::PREFIX.len() + 2 * HASHED;

    /// The id of the delivery of `event` to `webhook`.
    ///
    /// The event id goes in behind its length: no two pairs make the same hash input.
    #[must_use]
    pub fn derive(event: &EventId, webhook: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((event.0.len() as u64).to_be_bytes());
        hash.update(event.0.as_bytes());
        hash.update(webhook.as_bytes());
        let hash = hash.finalize();
        let mut text = [0; Self::LENGTH];
        let (prefix, digits) = text.split_at_mut(Self::PREFIX.len());
        prefix.copy_from_slice(Self::PREFIX);
        write_hex(&hash[..HASHED], digits);
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever written into it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeliveryId({self})")
    }
}

fn checked(text: &str, longest: usize) -> Result<Box<str>, InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > longest {
        return Err(InvalidId::TooLong(longest));
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidId::Control);
    }
    Ok(text.into())
}

#[expect(clippy::expect_used, reason = "`DeliveryId` has two digits for each byte of its hash")]
fn write_hex(bytes: &[u8], digits: &mut [u8]) {
    hex::encode_to_slice(bytes, digits).expect("two digits for each byte");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_an_id() {
        assert_eq!(EventId::try_new("evt_1").unwrap().as_str(), "evt_1");
        assert_eq!(EventId::try_new(""), Err(InvalidId::Empty));
        assert_eq!(EventId::try_new("a\nb"), Err(InvalidId::Control));
        assert_eq!(EventId::try_new(&"x".repeat(256)), Err(InvalidId::TooLong(255)));
        assert!(EventId::try_new(&"x".repeat(255)).is_ok());
        assert_eq!(ProjectId::try_new(&"x".repeat(129)), Err(InvalidId::TooLong(128)));
    }

    #[test]
    fn derived_ids_never_change() {
        assert_eq!(EventId::of_body(b"{}").as_str(), "evt_44136fa355b3678a1146ad16f7e8649e");
        let id = DeliveryId::derive(&EventId::try_new("evt_1").unwrap(), "whk_1");
        assert_eq!(id.as_str(), "dlv_39a8e38f1fc3fd5754d7b44f5df65fb5");
    }

    #[test]
    fn no_two_pairs_share_an_id() {
        let derive =
            |event: &str, webhook| DeliveryId::derive(&EventId::try_new(event).unwrap(), webhook);
        assert_ne!(derive("ab", "c"), derive("a", "bc"));
        assert_eq!(derive("ab", "c"), derive("ab", "c"));
    }
}
