//! Deliveries as rows of a list. A row that happens while somebody looks is this very row.

use maud::{Markup, html};
use store::{DeliveryRow, DeliveryState};

use super::super::explain;
use super::super::time::{ago, due, length};
use super::pieces::delivery_pill;

/// States that can be asked for: words and names.
pub(crate) const STATES: [(&str, &str); 5] = [
    ("", "Any outcome"),
    ("delivered", "Delivered"),
    ("waiting", "Waiting or retrying"),
    ("dead", "Dead"),
    ("dropped", "Dropped"),
];

/// The state of a word of [`STATES`].
pub(crate) fn state_of(word: &str) -> Option<DeliveryState> {
    match word {
        "delivered" => Some(DeliveryState::Delivered),
        "waiting" => Some(DeliveryState::Waiting),
        "dead" => Some(DeliveryState::Dead),
        "dropped" => Some(DeliveryState::Dropped),
        _ => None,
    }
}

/// The titles of the columns.
pub(super) fn titles() -> Markup {
    html! {
        tr {
            th scope="col" { "Outcome" } th scope="col" { "Event" } th scope="col" { "Last response" }
            th scope="col" { "Attempts" } th.right scope="col" { "When" }
        }
    }
}

/// One delivery of a webhook.
pub(crate) fn row(delivery: &DeliveryRow, now_ms: i64) -> Markup {
    row_about(delivery, &html! { code { (delivery.id) } }, now_ms)
}

/// One delivery of an event, which went to several webhooks.
pub(super) fn row_of_event(delivery: &DeliveryRow, now_ms: i64) -> Markup {
    row_about(delivery, &html! { "to " code { (delivery.webhook.as_str()) } }, now_ms)
}

fn row_about(delivery: &DeliveryRow, under: &Markup, now_ms: i64) -> Markup {
    html! {
        tr id={ "delivery-" (delivery.id) } {
            td { (delivery_pill(delivery)) }
            td.wide {
                a.title href={ "/admin/deliveries/" (delivery.id) } { (delivery.kind) }
                span.under { (under) }
            }
            td { (response(delivery)) }
            td.number.end {
                (delivery.attempts) span.phone { (if delivery.attempts == 1 { " attempt" } else { " attempts" }) }
                @if let (DeliveryState::Waiting, Some(next)) = (delivery.state, delivery.next_at_ms) {
                    span.under { "next " (due(next, now_ms)) }
                }
            }
            td.right.nowrap.when { (ago(delivery.last_at_ms, now_ms)) }
        }
    }
}

fn response(delivery: &DeliveryRow) -> Markup {
    let duration = length(f64::from(delivery.last_duration_ms));
    html! {
        @match (&delivery.last_failure, delivery.last_status) {
            (Some(failure), _) => {
                (explain::failure_name(failure)) span.under.number { (duration) }
            }
            (None, Some(status)) => { "HTTP " (status) span.under.number { (duration) } }
            // Nothing was sent: where the reason is known it says more than a gap.
            (None, None) => { span.muted { (delivery.dead_reason.as_deref().map_or("–", explain::dead_name)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn what_was_never_sent_says_why() {
        let row = DeliveryRow {
            attempts: 0,
            last_status: None,
            last_failure: None,
            dead_reason: Some("disabled".to_owned()),
            ..sample::row(1, DeliveryState::Dead)
        };
        assert!(response(&row).into_string().contains("Webhook disabled"));
        let waiting = DeliveryRow { dead_reason: None, ..row };
        assert!(response(&waiting).into_string().contains('–'));
    }
}
