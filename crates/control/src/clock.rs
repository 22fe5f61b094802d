//! The time of day and lengths of time, as what is kept and shown counts and writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;

/// What times are counted from.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time (ms since 1970) as RFC 3339 in UTC; what no calendar has becomes the epoch.
pub(crate) fn text_of(ms: i64) -> String {
    format!("{}Z", EPOCH.checked_add(SignedDuration::from_millis(ms)).unwrap_or(EPOCH))
}

/// Milliseconds since 1970 of a time of RFC 3339, whose years are 0 to 9999.
pub(crate) fn ms_of(text: &str) -> Option<i64> {
    // jiff reads ISO 8601's other forms and time zones in brackets, too; those are not RFC 3339.
    let plain = text.len() <= 40
        && text.bytes().all(|b| b.is_ascii_digit() || b"-+:.TtZz".contains(&b))
        && [(4, "-"), (7, "-"), (10, "t"), (13, ":"), (16, ":")].into_iter().all(|(at, sign)| {
            text.get(at..=at).is_some_and(|found| found.eq_ignore_ascii_case(sign))
        });
    if !plain {
        return None;
    }
    // Not as a time stamp: those end a day before the calendar does, whatever the offset is.
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    let local = pieces.date().to_datetime(pieces.time()?).duration_since(EPOCH);
    let since = local.checked_sub(SignedDuration::from_secs(offset.seconds().into()))?;
    let whole = since.as_secs().checked_mul(1_000)?;
    whole.checked_add(i64::from(since.subsec_nanos().div_euclid(1_000_000)))
}

/// A length of time as configuration, API and forms write it and read it: `1h30m`.
pub(crate) fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_both_ways() {
        assert_eq!(text_of(1_705_314_600_250), "2024-01-15T10:30:00.25Z");
        assert_eq!(ms_of("2024-01-15T10:30:00.25Z"), Some(1_705_314_600_250));
        assert_eq!(ms_of("2024-01-15T11:30:00+01:00"), Some(1_705_314_600_000));
        for (far, ms) in [
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("9999-12-31t23:59:59-23:59", 253_402_387_139_000),
        ] {
            assert_eq!(ms_of(far), Some(ms), "{far}");
        }
        for text in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(text_of(ms_of(text).unwrap()), text);
        }
        for bad in [
            "9999-12-32T00:00:00Z",
            "2024-01-15T10Z",
            "2024-01-15T10:30:00",
            "",
            "2024-01-15",
            "20240115T103000Z",
            "2024-01-15 10:30:00Z",
            "yesterday",
        ] {
            assert_eq!(ms_of(bad), None, "{bad}");
        }
        assert_eq!(text_of(i64::MAX), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn lengths_of_time_are_read_as_they_are_written() {
        for (seconds, text) in [(5, "5s"), (5_400, "1h30m"), (3 * 86_400, "3days")] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(duration_text(duration), text);
            assert_eq!(crate::desk::duration(text), Ok(duration));
        }
    }
}
