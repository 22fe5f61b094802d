//! One delivery: what was sent, what came back each time, and why.

use maud::{Markup, html};
use store::{AttemptRow, DeliveryDetail, DeliveryState};
use subscriptions::Webhook;

use super::super::explain;
use super::super::time::{ago, due, exact, length};
use super::frame::{Frame, Screen, Section, screen};
use super::json;
use super::pieces::{Tone, copy_from, delivery_pill, id, is_failed_test, notice, pill};
use crate::desk::{Next, Standing, request_headers};

/// What the screen shows.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryView<'a> {
    /// The delivery.
    pub(crate) detail: &'a DeliveryDetail,
    /// Its webhook, unless that was deleted.
    pub(crate) webhook: Option<&'a Webhook>,
    /// How its webhook's receiver stands.
    pub(crate) standing: Option<Standing>,
}

/// The screen.
pub(crate) fn delivery(frame: &Frame, view: &DeliveryView<'_>) -> Markup {
    let row = &view.detail.row;
    let webhook = row.webhook.as_str();
    let base = format!("/admin/webhooks/{webhook}");
    let about = Screen {
        title: &row.kind,
        section: Section::Webhooks,
        crumbs: &[(webhook, &base), (&row.id, "")],
        narrow: false,
    };
    screen(
        frame,
        &about,
        &html! {
            div.top {
                div {
                    h1 { (row.kind) }
                    div.actions { (delivery_pill(row)) (id(&row.id)) }
                }
                @if frame.writes_letters() && view.webhook.is_some() && !view.detail.event.body.is_empty() {
                    form.inline method="post" action={ "/admin/deliveries/" (row.id) "/redeliver" } {
                        (frame.csrf_field())
                        button.button.primary id="redeliver" type="submit" { "Redeliver" }
                    }
                }
            }
            (why(frame, view))
            section.card aria-labelledby="facts" {
                div.head { h2 id="facts" { "Delivery" } }
                div.body { (facts(frame, view)) }
            }
            section.card aria-labelledby="attempts" {
                div.head { h2 id="attempts" { "Attempts" } span.muted.small { (row.attempts) " in all" } }
                div.body { (attempts(frame, view)) }
            }
            section.card aria-labelledby="payload" {
                div.head { h2 id="payload" { "Payload" } }
                div.body.stack { (payload(view.detail)) }
            }
        },
    )
}

/// What has held it back since it was due, as far as it was seen.
fn held(frame: &Frame, view: &DeliveryView<'_>, due_ms: i64) -> Option<&'static str> {
    if view.webhook.is_some_and(|webhook| webhook.secrets.is_err()) {
        return Some("unopened");
    }
    let (bound, at) = view.standing.as_ref()?.held_ms(frame.now_ms)?;
    (at >= due_ms).then_some(bound)
}

/// Why it stands as it does, in a sentence.
fn why(frame: &Frame, view: &DeliveryView<'_>) -> Markup {
    let row = &view.detail.row;
    let failure = row.last_failure.as_deref();
    let failure = failure.map(|kind| explain::failure(kind, row.last_status, row.last_duration_ms));
    match row.state {
        DeliveryState::Delivered => notice(
            Tone::Ok,
            &html! {
                p id="why" {
                    "Delivered"
                    @if let Some(status) = row.last_status { ": the receiver answered " (status) }
                    " after " (length(f64::from(row.last_duration_ms))) "."
                }
            },
        ),
        DeliveryState::Waiting => notice(
            if failure.is_some() { Tone::Warn } else { Tone::Info },
            &html! {
                p id="why" { (failure.as_deref().unwrap_or("It is on its way.")) }
                @match Next::of(row, frame.now_ms) {
                    Some(Next::At(next)) => {
                        p { "The next attempt is planned for " (exact(next)) " (" (due(next, frame.now_ms)) ")." }
                    }
                    Some(Next::DueSince(since)) => {
                        p id="held" {
                            "The next attempt was planned for " (exact(since)) " (" (due(since, frame.now_ms)) "). "
                            (explain::held(held(frame, view, since)))
                        }
                    }
                    None => {}
                }
            },
        ),
        DeliveryState::Dead => notice(
            Tone::Bad,
            &html! {
                p id="why" { strong { (row.dead_reason.as_deref().map_or("It was given up.", explain::dead)) } }
                @if let Some(failure) = failure { p { "The last attempt: " (failure) } }
                p { a href={ "/admin/dead?webhook=" (row.webhook.as_str()) } { "Dead letters of this webhook" } }
            },
        ),
        DeliveryState::Dropped if is_failed_test(row) => notice(
            Tone::Bad,
            &html! {
                p id="why" { strong { (explain::dead("test")) } }
                @if let Some(failure) = failure { p { "This one failed: " (failure) } }
            },
        ),
        DeliveryState::Dropped => notice(
            Tone::Plain,
            &html! {
                p id="why" {
                    // What was never among the dead has no reason for that.
                    @if row.dead_reason.is_some() {
                        "It was given up, and somebody dropped it from the dead letters."
                    } @else {
                        "Its webhook was deleted, or disabled without keeping its events, before it could be sent."
                    }
                }
            },
        ),
    }
}

fn facts(frame: &Frame, view: &DeliveryView<'_>) -> Markup {
    let DeliveryDetail { row, event, .. } = view.detail;
    html! {
        dl.facts {
            dt { "Webhook" }
            dd {
                @match view.webhook {
                    Some(webhook) => { a href={ "/admin/webhooks/" (webhook.id.as_str()) } { (webhook.url) } }
                    None => { code { (row.webhook.as_str()) } " (deleted)" }
                }
            }
            dt { "Event" } dd { (id(&event.id)) }
            dt { "Published" } dd { (exact(event.published_ms)) " (" (ago(event.published_ms, frame.now_ms)) ")" }
            @if let Some(project) = &event.project { dt { "Project" } dd { code { (project) } } }
        }
    }
}

fn attempts(frame: &Frame, view: &DeliveryView<'_>) -> Markup {
    let DeliveryDetail { row, attempts, .. } = view.detail;
    html! {
        ol.attempts {
            @if let (DeliveryState::Waiting, Some(next)) = (row.state, row.next_at_ms) {
                li.next {
                    div.attempt-head { strong { "Next attempt" } span.muted { (due(next, frame.now_ms)) } }
                }
            }
            @for (at, attempt) in attempts.iter().enumerate().rev() {
                (one(frame, view, attempt, attempts.get(at + 1)))
            }
            @if attempts.is_empty() {
                li { p.muted { "None was made, or the log has forgotten them." } }
            }
        }
    }
}

/// One attempt; `later` is the one that stands above it. Of several that ended in the same way the last
/// one says why, and of all of them only the very last shows at once what came back.
fn one(
    frame: &Frame,
    view: &DeliveryView<'_>,
    attempt: &AttemptRow,
    later: Option<&AttemptRow>,
) -> Markup {
    let end =
        |attempt: &AttemptRow| (attempt.failure.clone(), attempt.status, attempt.detail.clone());
    let repeats = later.is_some_and(|later| end(later) == end(attempt));
    let duration = length(f64::from(attempt.duration_ms));
    let failure = attempt.failure.as_deref();
    let number = attempt.attempt;
    html! {
        li class=(if failure.is_some() { "bad" } else { "ok" }) id={ "attempt-" (number) } {
            div.attempt-head {
                h3 { "Attempt " (number) }
                @match failure {
                    Some(kind) => (pill(Tone::Bad, &explain::failure_name(kind))),
                    None => (pill(Tone::Ok, &attempt.status.map_or("Delivered".to_owned(), |status| format!("HTTP {status}")))),
                }
                span.muted.number { (duration) }
                span.muted { (ago(attempt.at_ms, frame.now_ms)) }
            }
            @if !repeats {
                p.why.muted {
                    @match failure {
                        Some(kind) => (explain::failure(kind, attempt.status, attempt.duration_ms)),
                        None => "The receiver took it.",
                    }
                    @if let Some(detail) = &attempt.detail { " " span.mono { (detail) } }
                }
            }
            details.soft {
                summary { "Request headers" span.vh { " of attempt " (number) } }
                div.stack { (request(view.detail, attempt)) }
            }
            details.soft open[later.is_none() && attempt.failure.is_some() && !attempt.response.is_empty()] {
                summary { "Response" span.vh { " of attempt " (number) } }
                div { (response(attempt)) }
            }
        }
    }
}

fn request(detail: &DeliveryDetail, attempt: &AttemptRow) -> Markup {
    let headers = request_headers(detail, attempt);
    html! {
        @if headers.is_empty() {
            p.muted { "Nothing was sent." }
        } @else {
            pre.code.wrap tabindex="0" role="region" aria-label={ "Request headers of attempt " (attempt.attempt) } {
                code { @for (name, value) in headers { span.json-key { (name) } ": " (value) "\n" } }
            }
            p.hint {
                "As the log knows them. What it does not keep is left out: the length, the version in "
                code { "user-agent" } ", and headers that were set on the webhook then."
            }
        }
    }
}

/// Bytes of a response that the log keeps.
const KEPT: usize = 4_096;

fn response(attempt: &AttemptRow) -> Markup {
    html! {
        @if attempt.response.is_empty() {
            p.muted { (if attempt.status.is_some() { "It had no body." } else { "There was none." }) }
        } @else {
            pre.code.wrap.short tabindex="0" role="region" aria-label={ "Response of attempt " (attempt.attempt) } {
                code { (String::from_utf8_lossy(&attempt.response)) }
            }
            @if attempt.response.len() >= KEPT { p.hint { "Of a longer response the first 4 KiB are kept." } }
        }
    }
}

fn payload(detail: &DeliveryDetail) -> Markup {
    let body = &detail.event.body;
    html! {
        @if body.is_empty() {
            p.muted { "The log has forgotten what was sent." }
        } @else {
            pre.code tabindex="0" role="region" aria-label="Payload, laid out" { code { (json::pretty(body)) } }
            details.soft {
                summary { "The exact bytes, as signed" }
                div.secret {
                    code id="raw" { (String::from_utf8_lossy(body)) }
                    (copy_from("raw", "Copy payload"))
                }
            }
        }
    }
}
