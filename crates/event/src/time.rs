//! `createdAt`: a time of RFC 3339, and nothing that only resembles one.
//!
//! jiff reads more than that (ISO 8601's basic form, a comma, a time zone in brackets). Receivers
//! hand the text to whatever their language has, so only the common form goes out.

use jiff::Timestamp;

/// Bytes of `2024-01-15T10:30:00`.
const TO_SECONDS: usize = 19;
/// Digits of a second's fraction that jiff reads; RFC 3339 sets no limit.
const FRACTION: usize = 9;

/// Milliseconds since the Unix epoch; `None` where `text` is no time of RFC 3339, section 5.6.
///
/// A leap second counts as the second before it.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let (to_seconds, rest) = text.split_at_checked(TO_SECONDS)?;
    let offset = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let fraction = &rest[..rest.len() - offset.len()];
    if !is_date_and_time(to_seconds) || !is_fraction(fraction) || !is_offset(offset) {
        return None;
    }
    let time = if fraction.len() <= 1 + FRACTION {
        text.parse::<Timestamp>()
    } else {
        format!("{to_seconds}{}{offset}", &fraction[..=FRACTION]).parse()
    };
    time.ok().map(Timestamp::as_millisecond)
}

fn is_date_and_time(text: &str) -> bool {
    let fits = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => byte.eq_ignore_ascii_case(&form),
    };
    text.bytes().zip(*b"0000-00-00T00:00:00").all(fits)
}

fn is_fraction(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix('.').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}

fn is_offset(text: &str) -> bool {
    match text.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', m, n] => {
            matches!(hours, [b'0' | b'1', b'0'..=b'9'] | [b'2', b'0'..=b'3'])
                && matches!((m, n), (b'0'..=b'5', b'0'..=b'9'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_rfc_3339() {
        let check = |text, expected| assert_eq!(milliseconds(text), Some(expected), "{text}");
        check("2024-01-15T10:30:00Z", 1_705_314_600_000);
        check("2024-01-15t10:30:00z", 1_705_314_600_000);
        check("2024-01-15T10:30:00.5Z", 1_705_314_600_500);
        check("2024-01-15T10:30:00.12345678901234567890Z", 1_705_314_600_123);
        check("2024-01-15T10:30:00+02:00", 1_705_307_400_000);
        check("2024-01-15T10:30:00.123-23:59", 1_705_400_940_123);
        check("2024-01-15T10:30:00-00:00", 1_705_314_600_000);
        check("2016-12-31T23:59:60Z", 1_483_228_799_000);
        check("1969-12-31T23:59:59Z", -1_000);
        check("0000-01-01T00:00:00Z", -62_167_219_200_000);
    }

    #[test]
    fn what_only_resembles_one() {
        let none = [
            "",
            "2024-01-15",
            "2024-01-15T10:30:00",
            "2024-01-15 10:30:00Z",
            "2024-01-15T10:30Z",
            "20240115T103000Z",
            "2024-01-15T10:30:00,5Z",
            "2024-01-15T10:30:00.Z",
            "2024-01-15T10:30:00.1.2Z",
            "2024-01-15T10:30:00+02",
            "2024-01-15T10:30:00+0200",
            "2024-01-15T10:30:00+24:00",
            "2024-01-15T10:30:00+00:60",
            "2024-01-15T10:30:00Z[UTC]",
            "2024-01-15T10:30:00Z ",
            "2024-02-30T10:30:00Z",
            "2024-01-15T24:00:00Z",
            "2024-01-15T10:30:0äZ",
            "2024-01-15T10:30:00ä",
            "1705314600",
        ];
        for text in none {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
