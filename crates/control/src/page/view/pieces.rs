//! The pieces that screens are made of: pills, ids, notices, fields, lists that go on.

use maud::{Markup, html};
use store::{DeliveryRow, DeliveryState};

use super::icon::{Icon, icon};
use crate::desk::TEST;

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Good.
    Ok,
    /// Broken.
    Bad,
    /// Needs somebody.
    Warn,
    /// To be known.
    Info,
    /// None of these.
    Plain,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Plain => "",
        }
    }
}

/// A word about a state.
pub(super) fn pill(tone: Tone, text: &str) -> Markup {
    html! { span class={ "pill " (tone.class()) } { (text) } }
}

/// A URL that breaks between its parts, where it has to.
pub(super) fn broken_url(url: &str) -> Markup {
    html! {
        @for (at, part) in url.split_inclusive(['/', '?', '&', '=', '.', '-', '_']).enumerate() {
            @if at > 0 && part != "/" { wbr; }
            (part)
        }
    }
}

/// How a delivery stands.
pub(super) fn delivery_pill(delivery: &DeliveryRow) -> Markup {
    match delivery.state {
        DeliveryState::Delivered => pill(Tone::Ok, "Delivered"),
        DeliveryState::Waiting if delivery.attempts == 0 => pill(Tone::Info, "Sending"),
        DeliveryState::Waiting => pill(Tone::Warn, "Retrying"),
        // Kept for a webhook that was disabled: nothing has failed.
        DeliveryState::Dead if delivery.dead_reason.as_deref() == Some("disabled") => {
            pill(Tone::Plain, "Dead")
        }
        DeliveryState::Dead => pill(Tone::Bad, "Dead"),
        DeliveryState::Dropped if is_failed_test(delivery) => pill(Tone::Bad, "Test failed"),
        DeliveryState::Dropped => pill(Tone::Plain, "Dropped"),
    }
}

/// Whether it was a test that failed, which is attempted once and never a dead letter. The name alone
/// does not say so: what people dropped was a dead letter and has the reason for that, and what was
/// never attempted was no test.
pub(super) fn is_failed_test(delivery: &DeliveryRow) -> bool {
    delivery.state == DeliveryState::Dropped
        && delivery.dead_reason.is_none()
        && delivery.attempts > 0
        && delivery.event.starts_with(TEST)
}

/// An id with a button that copies it.
pub(super) fn id(text: &str) -> Markup {
    html! { span.id { code { (text) } (copy_text(text, "Copy id")) } }
}

/// A button that copies this text.
pub(super) fn copy_text(text: &str, label: &str) -> Markup {
    html! {
        button.copy.needs-js type="button" data-copy-text=(text) aria-label=(label) title=(label) {
            (icon(Icon::Copy)) span.done aria-hidden="true" { "✓" }
        }
    }
}

/// A button that copies what the element of this id holds.
pub(super) fn copy_from(source: &str, label: &str) -> Markup {
    html! {
        button.copy.needs-js id={ "copy-" (source) } type="button" data-copy=(source)
            aria-label=(label) title=(label) {
            (icon(Icon::Copy)) span.done aria-hidden="true" { "✓" }
        }
    }
}

/// A remark that stands out.
pub(super) fn notice(tone: Tone, text: &Markup) -> Markup {
    let picture = match tone {
        Tone::Ok => Icon::Check,
        Tone::Bad | Tone::Warn => Icon::Alert,
        Tone::Info | Tone::Plain => Icon::Info,
    };
    html! {
        div class={ "notice " (tone.class()) } { (icon(picture)) div.text { (text) } }
    }
}

/// What is wrong with a field, beside it. The field names it by `aria-describedby`.
pub(super) fn field_error(field: &str, error: Option<&str>) -> Markup {
    html! { @if let Some(error) = error { p.error id={ (field) "-error" } { span { (error) } } } }
}

/// The value of `aria-describedby` for a field that may have a hint and a mistake.
pub(super) fn described(field: &str, hint: bool, error: bool) -> Option<String> {
    let hint = hint.then(|| format!("{field}-hint"));
    let error = error.then(|| format!("{field}-error"));
    match (hint, error) {
        (None, None) => None,
        (hint, error) => Some([error, hint].into_iter().flatten().collect::<Vec<_>>().join(" ")),
    }
}

/// Patterns of events as tags.
pub(super) fn event_tags(events: &[String]) -> Markup {
    const SHOWN: usize = 3;
    html! {
        span.tags {
            @for event in events.iter().take(SHOWN) {
                span.tag { (event_name(event)) }
            }
            @if events.len() > SHOWN { span.tag { "+" (events.len() - SHOWN) } }
        }
    }
}

/// A pattern of events, as people say it.
pub(super) fn event_name(pattern: &str) -> &str {
    if pattern == "*" { "all events" } else { pattern }
}

/// The foot of a list: how much of it is shown, and the way on.
pub(super) fn pager(shown: &str, first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        div.foot {
            span { (shown) }
            @if first.is_some() || next.is_some() {
                nav.actions aria-label="Pages" {
                    @if let Some(address) = first {
                        a.button.small id="first-page" href=(address) { "First page" }
                    }
                    @if let Some(address) = next {
                        a.button.small id="next-page" rel="next" href=(address) { "Next page" }
                    }
                }
            }
        }
    }
}

/// One of several in words: `1 delivery`, `2 deliveries`.
pub(in super::super) fn count(number: usize, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", thousands(number))
}

/// `12,345`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_name_alone_makes_no_failed_test() {
        let event = format!("{TEST}1");
        let row = DeliveryRow { event, ..sample::row(1, DeliveryState::Dropped) };
        let test = DeliveryRow { dead_reason: None, ..row.clone() };
        assert!(is_failed_test(&test) && !is_failed_test(&row));
        assert!(!is_failed_test(&DeliveryRow { event: "evt_1".to_owned(), ..test.clone() }));
        assert!(!is_failed_test(&DeliveryRow { attempts: 0, ..test.clone() }));
        assert!(!is_failed_test(&DeliveryRow { state: DeliveryState::Dead, ..test }));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(thousands(number), expected);
        }
        assert_eq!(count(1, "delivery", "deliveries"), "1 delivery");
        assert_eq!(count(0, "delivery", "deliveries"), "0 deliveries");
    }
}
