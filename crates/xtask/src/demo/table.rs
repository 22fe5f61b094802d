//! The table of what arrived: one row per request, printed as it is seen.

use std::time::Duration;

use crate::demo::inbox::Arrival;
use crate::paint::{bad, faint, good, odd};

/// Columns have fixed widths: rows are printed before the next is known.
pub(super) fn header() {
    let line = format!(
        "  {:<22}{:<17}{:>7}  {:<8}{:<11}{:>9}  delivery",
        "event", "webhook", "attempt", "answer", "signature", "after"
    );
    println!("{}", faint(&line));
}

/// Colour is put on whole cells: it would count for their width otherwise.
pub(super) fn row(arrival: &Arrival) {
    let request = &arrival.request;
    let answer = format!("{:<8}", request.status);
    let answer = if request.status < 300 { good(&answer) } else { odd(&answer) };
    let signature = if request.verified {
        good(&format!("{:<11}", "verified"))
    } else {
        bad(&format!("{:<11}", "wrong"))
    };
    println!(
        "  {:<22}{:<17}{:>7}  {answer}{signature}{:>9}  {}",
        request.kind,
        arrival.webhook(),
        request.attempt,
        time(arrival.after),
        faint(request.delivery.get(..12).unwrap_or(&request.delivery)),
    );
}

fn time(after: Option<Duration>) -> String {
    match after {
        None => "–".to_owned(),
        Some(after) if after < Duration::from_secs(1) => format!("{} ms", after.as_millis()),
        Some(after) => format!("{:.2} s", after.as_secs_f64()),
    }
}
