//! The time of day and lengths of time, as what is kept and shown counts and writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time (ms since 1970) as RFC 3339 in UTC; what no calendar has becomes the epoch.
pub(crate) fn text_of(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

/// Milliseconds since 1970 of a time of RFC 3339.
pub(crate) fn ms_of(text: &str) -> Option<i64> {
    // jiff reads ISO 8601's other forms and time zones in brackets, too; those are not RFC 3339.
    let plain = text.len() <= 40
        && text.bytes().all(|b| b.is_ascii_digit() || b"-+:.TtZz".contains(&b))
        && text.get(10..11).is_some_and(|t| t.eq_ignore_ascii_case("t"));
    plain.then(|| text.parse::<Timestamp>().ok()).flatten().map(Timestamp::as_millisecond)
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
        for bad in ["", "2024-01-15", "20240115T103000Z", "2024-01-15 10:30:00Z", "yesterday"] {
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
