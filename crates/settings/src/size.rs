//! Sizes in bytes as people write them: `64KiB`, `1 MiB`, `500kB`, `1024`.

use thiserror::Error;

const UNITS: [(&str, u64); 8] = [
    ("b", 1),
    ("", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];

/// A text that is no size.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a size such as \"64KiB\"")]
pub struct InvalidSize;

/// Reads a size: a whole number, and a unit in any case (`B`, `KiB`, `MiB`, `GiB`, `kB`, `MB`, `GB`).
///
/// # Errors
///
/// [`InvalidSize`] where it is none, or too large for 64 bits.
pub fn parse_size(text: &str) -> Result<u64, InvalidSize> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(InvalidSize)?;
    let number: u64 = number.parse().map_err(|_| InvalidSize)?;
    number.checked_mul(*factor).ok_or(InvalidSize)
}

/// Writes a size in the largest binary unit that divides it.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let unit = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .into_iter()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    match unit {
        Some((name, factor)) => format!("{}{name}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("64KiB", Ok(65_536)),
            ("64 kib", Ok(65_536)),
            ("1MiB", Ok(1 << 20)),
            ("2GiB", Ok(2 << 30)),
            ("500kB", Ok(500_000)),
            ("0", Ok(0)),
            ("17B", Ok(17)),
            ("", Err(InvalidSize)),
            ("KiB", Err(InvalidSize)),
            ("-1", Err(InvalidSize)),
            ("1.5MiB", Err(InvalidSize)),
            ("64 K", Err(InvalidSize)),
            ("99999999999GiB", Err(InvalidSize)),
            ("99999999999999999999", Err(InvalidSize)),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for bytes in [0, 1, 1023, 1024, 1025, 65_536, 1 << 20, 3 << 30] {
            assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
        assert_eq!(format_size(65_536), "64KiB");
    }
}
