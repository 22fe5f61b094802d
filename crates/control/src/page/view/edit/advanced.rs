//! The folded part of the form: condition, limits, headers, retries.

use maud::{Markup, html};

use super::super::super::form::{Field, header_names};
use super::super::super::time::ago;
use super::super::pieces::{Tone, described, field_error, pill};
use super::EditView;

pub(super) fn advanced(view: &EditView<'_>, now_ms: i64) -> Markup {
    let wrong = view.mistakes.keys().any(|field| field.is_advanced());
    let set = view.form.is_advanced(view.present);
    html! {
        details.card.fold id="advanced" open[set || wrong || view.unfolded || view.tried.is_some()] {
            summary { "Advanced" }
            div.body.section-gap {
                (condition(view))
                (tried(view, now_ms))
                (headers(view))
                (limit(view))
                (rate(view))
                (retry(view))
                div.rule.check {
                    input id="keep" name="keep_while_disabled" type="checkbox" checked[view.form.keep_while_disabled];
                    label for="keep" { "Keep events while disabled"
                        span.hint { "Events that it matches while it is disabled become dead letters, which you can send later." } }
                }
            }
        }
    }
}

fn condition(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::Clauses);
    html! {
        fieldset.stack id="clauses" tabindex="-1"
            aria-describedby=[described("clauses", true, error.is_some())] {
            legend { "Condition " span.optional { "(optional)" } }
            p.hint id="clauses-hint" {
                "Only events whose payload holds one of these values at each of these places are sent. A place is a JSON pointer; values have commas between them, and quotes where a text holds a comma or reads like a number."
            }
            (field_error("clauses", error))
            div.stack id="clause-rows" {
                @for (number, (pointer, values)) in (1..).zip(view.form.clause_rows()) {
                    div.pair data-row {
                        div.field {
                            label.small for={ "pointer-" (number) } { "Place " (number) }
                            input.mono id={ "pointer-" (number) } name="pointer" type="text" value=(pointer)
                                placeholder="/deployment/meta/gitBranch" spellcheck="false"
                                aria-invalid=[view.invalid(Field::Clauses).filter(|_| !pointer.is_empty() || !values.is_empty())];
                        }
                        div.field {
                            label.small for={ "values-" (number) } { "Values " (number) }
                            input.mono id={ "values-" (number) } name="values" type="text" value=(values)
                                placeholder="main, release" spellcheck="false";
                        }
                    }
                }
            }
            div.actions {
                button.button.small id="more-clauses" type="submit" name="do" value="more" data-more="clause-rows" { "Add a row" }
                button.button.small id="try" type="submit" name="do" value="try" { "Try on recent events" }
            }
        }
    }
}

fn tried(view: &EditView<'_>, now_ms: i64) -> Markup {
    let Some(events) = view.tried else { return html! {} };
    let wanted = events.iter().filter(|one| one.wanted).count();
    html! {
        section.card id="tried" role="status" aria-label="Recent events" {
            @if events.is_empty() {
                div.empty { h2 { "No event was seen yet" } p { "As soon as some have come, the condition can be tried on them." } }
            } @else {
                div.head { h2 { (wanted) " of the last " (events.len()) " events would be sent" } }
                table.rows {
                    caption.vh { "Recent events, and whether they would be sent" }
                    thead { tr { th scope="col" { "Would be" } th scope="col" { "Event" } th.right scope="col" { "When" } } }
                    tbody {
                        @for one in events {
                            tr {
                                td { (if one.wanted { pill(Tone::Ok, "Sent") } else { pill(Tone::Plain, "Left out") }) }
                                td.wide { code { (one.event.kind) } span.under { code { (one.event.id) } } }
                                td.right.nowrap.when { (ago(one.event.published_ms, now_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn headers(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::Headers);
    let present = header_names(view.present);
    let typed = |name: &str| {
        let found = view.form.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    html! {
        fieldset.stack.rule id="headers" tabindex="-1"
            aria-describedby=[described("headers", true, error.is_some())] {
            legend.vh { "Headers" }
            p.label aria-hidden="true" { strong { "Headers " } span.optional { "(optional)" } }
            p.hint id="headers-hint" { "Added to every request. Values are kept encrypted and never shown again." }
            (field_error("headers", error))
            @for (number, name) in (1..).zip(&present) {
                div.pair.with-drop {
                    div.field {
                        span.small.mono { (name) }
                        input type="hidden" name="header_name" value=(name);
                        (pill(Tone::Ok, "Set"))
                    }
                    div.field {
                        label.small for={ "kept-value-" (number) } { "New value of " (name) }
                        input id={ "kept-value-" (number) } name="header_value" type="text" autocomplete="off"
                            value=(typed(name)) placeholder="Type to replace it" spellcheck="false";
                    }
                    div.check {
                        input id={ "drop-" (number) } type="checkbox" name="header_drop" value=(name)
                            checked[view.form.drop_headers.iter().any(|one| one.eq_ignore_ascii_case(name))];
                        label for={ "drop-" (number) } { "Remove" span.vh { " " (name) } }
                    }
                }
            }
            div.stack id="header-rows" {
                @for (number, (name, value)) in (1..).zip(view.form.header_rows(&present)) {
                    div.pair data-row {
                        div.field {
                            label.small for={ "header-name-" (number) } { "Name " (number) }
                            input.mono id={ "header-name-" (number) } name="header_name" type="text" value=(name)
                                placeholder="authorization" spellcheck="false" autocomplete="off";
                        }
                        div.field {
                            label.small for={ "header-value-" (number) } { "Value " (number) }
                            input id={ "header-value-" (number) } name="header_value" type="text" value=(value)
                                spellcheck="false" autocomplete="off";
                        }
                    }
                }
            }
            div.actions {
                button.button.small id="more-headers" type="submit" name="do" value="more" data-more="header-rows" { "Add a row" }
            }
        }
    }
}

fn limit(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::MaxInFlight);
    html! {
        div.field.rule {
            label for="max-in-flight" { "Attempts at the same time " span.optional { "(optional)" } }
            input id="max-in-flight" name="max_in_flight" type="text" inputmode="numeric"
                value=(view.form.max_in_flight) placeholder=(view.max_in_flight)
                aria-invalid=[view.invalid(Field::MaxInFlight)]
                aria-describedby=[described("max-in-flight", true, error.is_some())];
            (field_error("max-in-flight", error))
            p.hint id="max-in-flight-hint" { "The most requests under way to this endpoint. Empty means the service's limit, " (view.max_in_flight) "." }
        }
    }
}

fn rate(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::RateLimit);
    let (rate, burst) = &view.form.rate;
    html! {
        fieldset.stack.rule {
            legend.vh { "Rate limit" }
            p.label aria-hidden="true" { strong { "Rate limit" } " " span.optional { "(optional)" } }
            div.grid-3 {
                div.field {
                    label.small for="rate-limit" { "Attempts per second" }
                    input id="rate-limit" name="rate" type="text" inputmode="decimal" value=(rate)
                        aria-invalid=[view.invalid(Field::RateLimit)]
                        aria-describedby=[described("rate-limit", true, error.is_some())];
                }
                div.field {
                    label.small for="burst" { "At once after a pause" }
                    input id="burst" name="burst" type="text" inputmode="numeric" value=(burst);
                }
            }
            (field_error("rate-limit", error))
            p.hint id="rate-limit-hint" { "What is over it waits and counts as no attempt. Each replica of the service keeps to it by itself. Empty means no limit." }
        }
    }
}

fn retry(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::Retry);
    let fields = &view.form.retry;
    let rows = [
        ("first_delay", "First delay", &fields.first_delay),
        ("multiplier", "Factor", &fields.multiplier),
        ("max_delay", "Longest delay", &fields.max_delay),
        ("jitter", "Jitter", &fields.jitter),
        ("give_up_after", "Give up after", &fields.give_up_after),
        ("retry_after_max", "Longest Retry-After", &fields.retry_after_max),
    ];
    html! {
        fieldset.stack.rule id="retry" tabindex="-1"
            aria-describedby=[described("retry", true, error.is_some())] {
            legend.vh { "Retries" }
            p.label aria-hidden="true" { strong { "Retries" } }
            (field_error("retry", error))
            div.check {
                input id="own-retry" name="own_retry" type="checkbox" checked[view.form.own_retry];
                label for="own-retry" { "Use a policy of its own"
                    span.hint id="retry-hint" { "Otherwise the service's policy holds and the numbers below are passed over. Lengths of time are written like 5s, 10m, 6h or 3days." } }
            }
            div.grid-3 {
                @for (name, label, value) in rows {
                    div.field {
                        label.small for=(name) { (label) }
                        input id=(name) name=(name) type="text" value=(value)
                            aria-invalid=[view.invalid(Field::Retry)] spellcheck="false";
                    }
                }
            }
        }
    }
}
