//! Times and lengths of time as people read them.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

/// A moment: how long ago it was, with the exact time behind it. A script keeps it true.
pub(super) fn ago(at_ms: i64, now_ms: i64) -> Markup {
    html! {
        time datetime=(rfc3339(at_ms)) title=(full(at_ms)) data-relative {
            (relative(at_ms, now_ms))
        }
    }
}

/// When something is planned: `in 3 min`, or `due 3 min ago` where that is over. A script keeps it
/// true.
pub(super) fn due(at_ms: i64, now_ms: i64) -> Markup {
    let due = if at_ms < now_ms { "due " } else { "" };
    html! {
        time datetime=(rfc3339(at_ms)) title=(full(at_ms)) data-relative="due" {
            (due) (relative(at_ms, now_ms))
        }
    }
}

/// A moment, written out.
pub(super) fn exact(at_ms: i64) -> Markup {
    html! { time datetime=(rfc3339(at_ms)) { (full(at_ms)) } }
}

/// A length of time, in the unit that fits.
pub(super) fn length(ms: f64) -> String {
    if ms < 1.0 {
        "<1 ms".to_owned()
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1_000.0 {
        format!("{ms:.0} ms")
    } else if ms < 60_000.0 {
        format!("{:.1} s", ms / 1_000.0)
    } else {
        format!("{:.1} min", ms / 60_000.0)
    }
}

/// A length of time that somebody chose, to the second: `1 h 30 min`.
pub(super) fn chosen(length: Duration) -> String {
    let seconds = length.as_secs();
    let days = if seconds / 86_400 == 1 { "day" } else { "days" };
    let parts = [
        (seconds / 86_400, days),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let said = parts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> = said.map(|(count, unit)| format!("{count} {unit}")).collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

/// The length of time, in ms, of a word that forms offer, such as `24h`; at most 30 days.
pub(super) fn length_of(word: &str) -> Option<i64> {
    const LONGEST_MS: i64 = 30 * 86_400_000;
    let length = humantime::parse_duration(word).ok()?.as_millis();
    i64::try_from(length).ok().filter(|ms| (1..=LONGEST_MS).contains(ms))
}

/// The hour of the day, for the axis of a chart.
pub(super) fn hour(at_ms: i64) -> String {
    stamp(at_ms).strftime("%H:%M").to_string()
}

/// The day, for the axis of a chart.
pub(super) fn day(at_ms: i64) -> String {
    stamp(at_ms).strftime("%-d %b").to_string()
}

/// RFC 3339, to the second.
pub(super) fn rfc3339(at_ms: i64) -> String {
    stamp(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same, as text.
pub(super) fn full(at_ms: i64) -> String {
    stamp(at_ms).strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
}

fn stamp(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The script says the same in the same words.
fn relative(at_ms: i64, now_ms: i64) -> String {
    let seconds = now_ms.saturating_sub(at_ms) / 1_000;
    let away = seconds.unsigned_abs();
    let (count, unit) = match away {
        0..=4 => return "just now".to_owned(),
        5..=59 => (away, "s"),
        60..=3_599 => (away / 60, "min"),
        3_600..=86_399 => (away / 3_600, "h"),
        _ => (away / 86_400, "d"),
    };
    if seconds < 0 { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        let now = 1_700_000_000_000;
        for (away, expected) in [
            (0, "just now"),
            (-4_000, "just now"),
            (42_000, "42 s ago"),
            (200_000, "3 min ago"),
            (-7_300_000, "in 2 h"),
            (3 * 86_400_000, "3 d ago"),
        ] {
            assert_eq!(relative(now - away, now), expected);
        }
        assert_eq!(relative(i64::MIN, i64::MAX), format!("{} d ago", i64::MAX / 1_000 / 86_400));
        assert_eq!(full(now), "14 Nov 2023, 22:13:20 UTC");
    }

    #[test]
    fn lengths_are_said_in_the_unit_that_fits() {
        for (ms, expected) in [
            (0.0, "<1 ms"),
            (0.96, "<1 ms"),
            (1.24, "1.2 ms"),
            (142.0, "142 ms"),
            (1_520.0, "1.5 s"),
            (90_000.0, "1.5 min"),
        ] {
            assert_eq!(length(ms), expected);
        }
        for (seconds, expected) in [
            (5, "5 s"),
            (5_400, "1 h 30 min"),
            (86_400, "1 day"),
            (3 * 86_400, "3 days"),
            (0, "0 s"),
        ] {
            assert_eq!(chosen(Duration::from_secs(seconds)), expected);
        }
    }
}
