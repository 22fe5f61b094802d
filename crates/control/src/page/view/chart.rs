//! Charts as SVG: attributes and classes only, so that the policy against inline styles holds.
//!
//! Each has a text that says the same, for those who do not see it.

use maud::{Markup, html};
use store::Stretch;

use super::super::time;

const HOUR_MS: i64 = 3_600_000;

/// Hours side by side, those without an attempt too.
#[derive(Clone, Debug)]
pub(super) struct Hours(Vec<Stretch>);

impl Hours {
    /// The last `count` hours before `now_ms`, from what is known of some of them.
    pub(super) fn new(known: &[Stretch], count: u16, now_ms: i64) -> Self {
        let last = now_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let hours = (0..i64::from(count)).rev().map(|back| {
            let from_ms = last - back * HOUR_MS;
            let found =
                known.iter().find(|hour| hour.from_ms.div_euclid(HOUR_MS) * HOUR_MS == from_ms);
            let found = found.cloned().unwrap_or_default();
            Stretch { from_ms, ..found }
        });
        Self(hours.collect())
    }

    /// Attempts that succeeded, and that failed.
    pub(super) fn totals(&self) -> (u64, u64) {
        self.0.iter().fold((0, 0), |(ok, bad), hour| (ok + hour.delivered, bad + hour.failed))
    }

    /// The part of attempts that succeeded, as a percentage; `None` where there was none.
    pub(super) fn rate(&self) -> Option<String> {
        let (ok, bad) = self.totals();
        rate(ok, bad)
    }

    /// The time within which half of the attempts of the last busy hour were done.
    pub(super) fn latest_median(&self) -> Option<String> {
        self.0.iter().rev().find_map(|hour| hour.p50_ms).map(time::length)
    }

    /// The only hour in which there were attempts, if there is but one.
    pub(super) fn only(&self) -> Option<String> {
        let mut busy = self.0.iter().filter(|hour| hour.delivered + hour.failed > 0);
        let only = busy.next().filter(|_| busy.next().is_none())?;
        Some(format!("{}, {} UTC", time::day(only.from_ms), time::hour(only.from_ms)))
    }

    fn most(&self) -> u64 {
        self.0.iter().map(|hour| hour.delivered + hour.failed).max().unwrap_or(0).max(1)
    }
}

/// The part of attempts that succeeded: never 100 % where one failed.
pub(super) fn rate(ok: u64, bad: u64) -> Option<String> {
    let all = ok + bad;
    if all == 0 {
        return None;
    }
    if bad == 0 {
        return Some("100 %".to_owned());
    }
    let percent = (part(ok, all) * 1_000.0).floor() / 10.0;
    Some(format!("{percent:.1} %"))
}

/// The last hours as small bars.
pub(super) fn spark(hours: &Hours) -> Markup {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 26.0;
    let (ok, bad) = hours.totals();
    let label = format!("Last 24 hours: {ok} attempts succeeded, {bad} failed");
    html! {
        svg.spark viewBox="0 0 120 26" role="img" aria-label=(label) {
            @for bar in bars(hours, length_of(hours.most()), WIDTH, HEIGHT, 1.5) { (bar) }
        }
    }
}

/// Attempts per hour, those that failed on top.
pub(super) fn attempts(hours: &Hours) -> Markup {
    const WIDTH: f64 = 560.0;
    const HEIGHT: f64 = 150.0;
    let gap = if hours.0.len() > 48 { 0.6 } else { 3.0 };
    let (ok, bad) = hours.totals();
    let top = above(length_of(hours.most()));
    let label = format!("Attempts per hour: {ok} succeeded, {bad} failed in all");
    html! {
        svg.chart viewBox="0 -16 612 198" role="img" aria-label=(label) {
            (grid(&format!("{top:.0}"), "0"))
            g transform="translate(48 8)" {
                @for bar in bars(hours, top, WIDTH, HEIGHT, gap) { (bar) }
            }
            (axis(hours))
        }
    }
}

/// How long attempts took, per hour: the half and the 95 of a hundred.
pub(super) fn latency(hours: &Hours) -> Markup {
    let most = hours.0.iter().filter_map(|hour| hour.p95_ms.or(hour.p50_ms)).fold(1.0, f64::max);
    let top = above(most);
    // An hour without neighbours is a stroke as wide as it is.
    let half = 280.0 / length(hours.0.len());
    let label = match hours.0.iter().rev().find_map(|hour| Some((hour.p50_ms?, hour.p95_ms?))) {
        Some((p50, p95)) => format!(
            "Time of attempts per hour; in the last hour half took at most {}, 95 of 100 at most {}",
            time::length(p50),
            time::length(p95),
        ),
        None => "Time of attempts per hour: none yet".to_owned(),
    };
    html! {
        svg.chart viewBox="0 -16 612 198" role="img" aria-label=(label) {
            (grid(&time::length(top), "0"))
            g transform="translate(48 8)" {
                @for (class, dot, value) in [
                    ("p95", "p95-dot", (|hour: &Stretch| hour.p95_ms) as fn(&Stretch) -> Option<f64>),
                    ("p50", "p50-dot", |hour: &Stretch| hour.p50_ms),
                ] {
                    @for run in runs(hours, top, value) {
                        @if let [(x, y)] = run[..] {
                            polyline class=(class) points=(points(&[(x - half, y), (x + half, y)])) {}
                            circle class=(dot) cx=(one(x)) cy=(one(y)) r="3" {}
                        } @else {
                            polyline class=(class) points=(points(&run)) {}
                        }
                    }
                }
            }
            (axis(hours))
        }
    }
}

/// The same numbers as a table, for who cannot or does not want to read charts.
pub(super) fn table(hours: &Hours) -> Markup {
    html! {
        table {
            caption.vh { "Attempts per hour" }
            thead { tr {
                th scope="col" { "Hour (UTC)" } th.right scope="col" { "Succeeded" }
                th.right scope="col" { "Failed" } th.right scope="col" { "Half within" }
                th.right scope="col" { "95 of 100 within" }
            } }
            tbody {
                @for hour in hours.0.iter().rev().filter(|hour| hour.delivered + hour.failed > 0) {
                    tr {
                        td { (time::day(hour.from_ms)) " " (time::hour(hour.from_ms)) }
                        td.right.number { (hour.delivered) } td.right.number { (hour.failed) }
                        td.right.number { (hour.p50_ms.map_or("–".to_owned(), time::length)) }
                        td.right.number { (hour.p95_ms.map_or("–".to_owned(), time::length)) }
                    }
                }
            }
        }
    }
}

/// `top` is how many attempts are as tall as the field.
fn bars(hours: &Hours, top: f64, width: f64, height: f64, gap: f64) -> Vec<Markup> {
    let step = width / length(hours.0.len());
    let draw = |(at, hour): (usize, &Stretch)| {
        let x = length(at) * step;
        let wide = step - gap;
        // What happened at all is seen, however little it was.
        let tall =
            |count| if count == 0 { 0.0 } else { (length_of(count) / top * height).max(1.5) };
        let (ok, bad) = (tall(hour.delivered), tall(hour.failed));
        html! {
            @if hour.delivered + hour.failed == 0 {
                rect.bar-none x=(one(x)) y=(one(height - 1.5)) width=(one(wide)) height="1.5" {}
            }
            @if hour.delivered > 0 {
                rect.bar-ok x=(one(x)) y=(one(height - ok)) width=(one(wide)) height=(one(ok)) rx="1" {}
            }
            @if hour.failed > 0 {
                rect.bar-bad x=(one(x)) y=(one((height - ok - bad).max(0.0))) width=(one(wide)) height=(one(bad)) rx="1" {}
            }
        }
    };
    hours.0.iter().enumerate().map(draw).collect()
}

fn grid(top: &str, bottom: &str) -> Markup {
    html! {
        line.grid x1="48" x2="608" y1="8" y2="8" {}
        line.grid x1="48" x2="608" y1="83" y2="83" {}
        line.grid x1="48" x2="608" y1="158" y2="158" {}
        // Above its line: beside it there is no room for all its digits on a phone.
        text x="48" y="2" { (top) }
        text x="42" y="161" text-anchor="end" { (bottom) }
    }
}

fn axis(hours: &Hours) -> Markup {
    let days = hours.0.len() > 48;
    let label = |at: usize| {
        hours.0.get(at).map(
            |hour| {
                if days { time::day(hour.from_ms) } else { time::hour(hour.from_ms) }
            },
        )
    };
    let last = hours.0.len().saturating_sub(1);
    html! {
        @for (x, anchor, at) in [("48", "start", 0), ("328", "middle", last / 2), ("608", "end", last)] {
            text x=(x) y="177" text-anchor=(anchor) { (label(at).unwrap_or_default()) }
        }
    }
}

/// Stretches of neighbouring hours that have a value, as places in a field of 560 by 150.
fn runs(hours: &Hours, most: f64, value: fn(&Stretch) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let step = 560.0 / length(hours.0.len());
    let mut runs = vec![Vec::new()];
    for (at, hour) in hours.0.iter().enumerate() {
        match (value(hour), runs.last_mut()) {
            (Some(ms), Some(run)) => {
                run.push(((length(at) + 0.5) * step, 150.0 - 150.0 * ms / most));
            }
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn points(run: &[(f64, f64)]) -> String {
    run.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

fn one(number: f64) -> String {
    format!("{number:.1}")
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar, not an account")]
fn part(count: u64, all: u64) -> f64 {
    count as f64 / all as f64
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar, not an account")]
fn length_of(count: u64) -> f64 {
    count as f64
}

/// The next of 2, 5, 10, 20, 50, … above a number: an axis that ends in a round number, and room over
/// what is highest.
fn above(number: f64) -> f64 {
    let mut ten = 1.0;
    loop {
        for step in [2.0, 5.0, 10.0] {
            if step * ten > number {
                return step * ten;
            }
        }
        ten *= 10.0;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred hours")]
fn length(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_failure_is_seen_in_the_rate() {
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(7, 0).as_deref(), Some("100 %"));
        assert_eq!(rate(999_999, 1).as_deref(), Some("99.9 %"));
        assert_eq!(rate(0, 3).as_deref(), Some("0.0 %"));
    }

    #[test]
    fn axes_end_above_what_is_shown() {
        for (number, top) in [(1.0, 2.0), (2.0, 5.0), (9.9, 10.0), (10.0, 20.0), (142.0, 200.0)] {
            assert!((above(number) - top).abs() < 1e-9, "{number}");
        }
    }

    #[test]
    fn a_single_hour_is_drawn_and_named() {
        let busy = |from_ms| Stretch {
            from_ms,
            delivered: 3,
            p50_ms: Some(5.0),
            p95_ms: Some(8.0),
            ..Stretch::default()
        };
        let hours = Hours::new(&[busy(3 * HOUR_MS)], 24, 4 * HOUR_MS);
        assert_eq!(hours.only().as_deref(), Some("1 Jan, 03:00 UTC"));
        let drawn = latency(&hours).into_string();
        assert_eq!(drawn.matches("<polyline").count(), 2, "{drawn}");
        let two = Hours::new(&[busy(3 * HOUR_MS), busy(0)], 24, 4 * HOUR_MS);
        assert_eq!(two.only(), None);
        assert_eq!(Hours::new(&[], 24, 0).only(), None);
    }

    #[test]
    fn hours_without_attempts_are_shown_as_such() {
        let known = Stretch { from_ms: 2 * HOUR_MS, delivered: 3, ..Stretch::default() };
        let hours = Hours::new(&[known], 4, 4 * HOUR_MS + 5);
        let delivered: Vec<u64> = hours.0.iter().map(|hour| hour.delivered).collect();
        assert_eq!(delivered, [0, 3, 0, 0]);
        let drawn = spark(&hours).into_string();
        assert_eq!(drawn.matches("bar-none").count(), 3, "{drawn}");
        assert!(drawn.contains("3 attempts succeeded, 0 failed"), "{drawn}");
    }
}
