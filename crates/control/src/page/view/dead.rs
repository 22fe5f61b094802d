//! Dead letters: what was given up, to be sent again or dropped.

use std::collections::BTreeSet;

use broker::DeadLetter;
use maud::{Markup, html};

use super::super::explain;
use super::super::form::sentence;
use super::super::time::ago;
use super::frame::{Frame, Screen, Section, screen};
use super::icon::{Icon, icon};
use super::pieces::{Tone, broken_url, count, notice, pager, pill};
use crate::desk::{DEAD_REASONS, Ended};

/// Times that can be asked for: words and names.
pub(crate) const TIMES: [(&str, &str); 6] = [
    ("", "Any time"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("3d", "Last 3 days"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
];

/// Which dead letters are asked for, as the address says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    /// The webhook's id.
    pub(crate) webhook: String,
    /// The reason.
    pub(crate) reason: String,
    /// The event type.
    pub(crate) kind: String,
    /// How far back: a word of [`TIMES`].
    pub(crate) time: String,
}

/// What the screen shows.
#[derive(Clone, Debug)]
pub(crate) struct Dead<'a> {
    /// This part of the list, or why there is none.
    pub(crate) letters: Result<&'a [DeadLetter], Unseen<'a>>,
    /// How work ended lately that its asker did not wait for.
    pub(crate) ended: Option<&'a Ended>,
    /// How many fit the filter.
    pub(crate) matching: usize,
    /// Whether there are more than could be looked at.
    pub(crate) truncated: bool,
    /// What is asked for.
    pub(crate) fields: &'a Fields,
    /// The query that asks for it, without `?`.
    pub(crate) query: &'a str,
    /// Webhooks that can be asked for: ids and URLs.
    pub(crate) webhooks: &'a [(String, String)],
    /// The webhooks of these letters that there are no more, by their ids.
    pub(crate) deleted: &'a BTreeSet<&'a str>,
    /// Event types that can be asked for.
    pub(crate) kinds: &'a [String],
    /// The address of the first part, where this is a later one.
    pub(crate) first: Option<String>,
    /// The address of the next part.
    pub(crate) next: Option<String>,
}

/// Why dead letters could not be looked at, in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unseen<'a> {
    /// The broker could not be asked.
    Away(&'a str),
    /// Somebody works on them.
    Busy(&'a str),
}

/// The list.
pub(crate) fn dead(frame: &Frame, view: &Dead<'_>) -> Markup {
    let about =
        Screen { title: "Dead letters", section: Section::Dead, crumbs: &[], narrow: false };
    screen(
        frame,
        &about,
        &html! {
            div.top {
                div {
                    h1 { "Dead letters" }
                    p.lead { "Deliveries that were given up. They wait here to be sent again or dropped, until they are too old to be kept." }
                }
            }
            @if let Some(Ended { whole, text, at_ms }) = view.ended {
                (notice(if *whole { Tone::Ok } else { Tone::Warn }, &html! {
                    p id="ended" { (sentence(text)) " (" (ago(*at_ms, frame.now_ms)) ")" }
                }))
            }
            (filters(view))
            section.card aria-label="Dead letters" {
                @match view.letters {
                    Err(Unseen::Away(why)) => div.empty { (icon(Icon::Alert)) h2 { "The broker cannot be asked now" } p id="dead-away" { (why) } },
                    Err(Unseen::Busy(why)) => div.empty data-again="3" {
                        (icon(Icon::Dead))
                        h2 { "Somebody works on the dead letters" }
                        p id="dead-busy" { (why) }
                        div.actions { a.button href={ "/admin/dead?" (view.query) } { "Look again" } }
                    },
                    Ok([]) => (empty(frame, view)),
                    Ok(letters) => {
                        (head(frame, view))
                        (table(frame, view, letters))
                        (pager(&shown(view, letters.len()), view.first.as_deref(), view.next.as_deref()))
                    }
                }
            }
        },
    )
}

fn shown(view: &Dead<'_>, here: usize) -> String {
    let all = count(view.matching, "dead letter", "dead letters");
    let more = if view.truncated { ", and more that could not be looked at" } else { "" };
    if here == view.matching { format!("{all}{more}") } else { format!("{here} of {all}{more}") }
}

fn filters(view: &Dead<'_>) -> Markup {
    let fields = view.fields;
    html! {
        form.filters id="filter" method="get" action="/admin/dead" data-auto {
            div.field.wide {
                label for="webhook" { "Webhook" }
                input id="webhook" name="webhook" type="search" list="webhook-ids" value=(fields.webhook)
                    placeholder="Any: an id or a URL" maxlength="100" spellcheck="false";
                datalist id="webhook-ids" {
                    @for (id, url) in view.webhooks { option value=(id) { (url) } }
                }
            }
            div.field {
                label for="reason" { "Reason" }
                select id="reason" name="reason" {
                    option value="" { "Any reason" }
                    @for reason in DEAD_REASONS {
                        option value=(reason) selected[fields.reason == reason] { (explain::dead_name(reason)) }
                    }
                }
            }
            div.field {
                label for="type" { "Event" }
                select id="type" name="type" {
                    option value="" { "Any event" }
                    @for kind in view.kinds { option value=(kind) selected[&fields.kind == kind] { (kind) } }
                }
            }
            div.field {
                label for="time" { "Given up" }
                select id="time" name="time" {
                    @for (word, name) in TIMES { option value=(word) selected[fields.time == word] { (name) } }
                }
            }
            button.button type="submit" { "Filter" }
        }
    }
}

fn head(frame: &Frame, view: &Dead<'_>) -> Markup {
    let all = count(view.matching, "dead letter", "dead letters");
    html! {
        div.head {
            h2 id="matching" { (all) @if *view.fields != Fields::default() { " match" } }
            @if frame.writes_letters() {
                div.actions {
                    a.button.small id="replay-all" href={ "/admin/dead/replay?" (view.query) } { "Send all again…" }
                    a.button.small.danger id="drop-all" href={ "/admin/dead/drop?" (view.query) } { "Drop all…" }
                }
            }
        }
    }
}

fn table(frame: &Frame, view: &Dead<'_>, letters: &[DeadLetter]) -> Markup {
    html! {
        table.rows {
            caption.vh { "Dead letters, newest first" }
            thead { tr {
                th scope="col" { "Event" } th scope="col" { "Webhook" } th scope="col" { "Reason" }
                th scope="col" { "Given up" }
                @if frame.writes_letters() { th.right scope="col" { span.vh { "Actions" } } }
            } }
            tbody { @for letter in letters { (row(frame, view, letter)) } }
        }
    }
}

fn row(frame: &Frame, view: &Dead<'_>, letter: &DeadLetter) -> Markup {
    let url = view.webhooks.iter().find(|(id, _)| *id == letter.webhook).map(|(_, url)| url);
    // What is none can be dropped only, and says nothing of itself.
    let is_delivery = letter.reason != "malformed";
    let is_deleted = view.deleted.contains(letter.webhook.as_str());
    html! {
        tr id={ "dead-" (letter.delivery) } {
            td.wide {
                @if is_delivery {
                    a.title href={ "/admin/deliveries/" (letter.delivery) } { (letter.kind) }
                } @else { "Not a delivery" }
                span.under { code { (letter.delivery) } }
            }
            td.wide {
                @if is_delivery && is_deleted {
                    code { (letter.webhook) }
                    span.under { "webhook was deleted" }
                } @else if is_delivery {
                    a.small href={ "/admin/webhooks/" (letter.webhook) } { (broken_url(url.unwrap_or(&letter.webhook))) }
                } @else { span.muted { "–" } }
            }
            td {
                (pill(tone(&letter.reason), explain::dead_name(&letter.reason)))
                @if letter.attempts > 0 {
                    span.under {
                        (count(letter.attempts as usize, "attempt", "attempts"))
                        @if let Some(failure) = &letter.last_failure { ", last: " (explain::failure_name(failure)) }
                    }
                }
            }
            td.nowrap.end {
                @if letter.dead_ms > 0 { (ago(letter.dead_ms, frame.now_ms)) }
                @else { span.muted { "unknown" } }
            }
            @if frame.writes_letters() {
                td.right.wide {
                    div.actions {
                        @if is_delivery && !is_deleted { (replay(frame, view, letter)) }
                        a.button.small.quiet href={ "/admin/dead/drop?delivery=" (letter.delivery) }
                            aria-label={ "Drop… " (letter.delivery) } { "Drop…" }
                    }
                }
            }
        }
    }
}

fn replay(frame: &Frame, view: &Dead<'_>, letter: &DeadLetter) -> Markup {
    html! {
        form.inline method="post" action="/admin/dead/replay" {
            (frame.csrf_field())
            input type="hidden" name="delivery" value=(letter.delivery);
            input type="hidden" name="back" value=(view.query);
            button.button.small type="submit" aria-label={ "Send again: " (letter.delivery) } { "Send again" }
        }
    }
}

fn tone(reason: &str) -> Tone {
    if reason == "disabled" { Tone::Plain } else { Tone::Bad }
}

fn empty(frame: &Frame, view: &Dead<'_>) -> Markup {
    html! {
        div.empty {
            (icon(Icon::Check))
            @if *view.fields == Fields::default() {
                h2 { "Nothing was given up" }
                p { "A delivery that fails until its time for retries is over comes here." }
            } @else {
                h2 { "No dead letter fits" }
                @if view.truncated {
                    p id="not-all" { "There are more than can be listed. Sending again and dropping reach those behind, too." }
                    @if frame.writes_letters() {
                        div.actions {
                            a.button href={ "/admin/dead/replay?" (view.query) } { "Send again what fits…" }
                            a.button.danger href={ "/admin/dead/drop?" (view.query) } { "Drop what fits…" }
                        }
                    }
                }
                div.actions { a.button href="/admin/dead" { "Show all" } }
            }
        }
    }
}
