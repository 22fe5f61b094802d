//! The id of a delivery as two numbers, which cost less to write and to compare than its text.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::database::DatabaseError;

const PREFIX: &str = "dlv_";

/// `dlv_` and 32 hexadecimal digits: those of `high`, then those of `low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) high: i64,
    pub(super) low: i64,
}

impl Id {
    /// `None` where the text is no delivery's id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text.strip_prefix(PREFIX)?, &mut bytes).ok()?;
        let number = u128::from_be_bytes(bytes);
        let half =
            |number: u128| u64::try_from(number & u128::from(u64::MAX)).map(u64::cast_signed);
        Some(Self { high: half(number >> 64).ok()?, low: half(number).ok()? })
    }

    pub(super) fn read(row: &AnyRow) -> Result<Self, DatabaseError> {
        Ok(Self { high: row.try_get("high")?, low: row.try_get("low")? })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:016x}{:016x}", self.high.cast_unsigned(), self.low.cast_unsigned())
    }
}

/// Hashes quickly what nobody chooses: ids are hashes already, names are our own.
#[derive(Debug, Default)]
pub(super) struct Quick(u64);

/// For maps whose keys nobody from outside chooses.
pub(super) type BuildQuick = BuildHasherDefault<Quick>;

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        // The upper bits choose within a map, the lower ones where.
        self.0 ^ self.0.rotate_left(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        let text = "dlv_00000000000000ff8000000000000001";
        let id = Id::parse(text).unwrap();
        assert_eq!(id, Id { high: 255, low: i64::MIN + 1 });
        assert_eq!(id.to_string(), text);
        for text in [
            "",
            "dlv_",
            "dlv_0",
            &text[1..],
            &format!("{text}0"),
            "dlv_0000000000000000000000000000000g",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
