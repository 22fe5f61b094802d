//! One webhook: how it fares, its deliveries, its settings, who changed it.

mod settings;

use maud::{Markup, html};
use store::{DeliveryRow, Stretch};
use subscriptions::Webhook;

pub(crate) use self::settings::{Settings, settings};
use super::super::explain;
use super::super::form::sentence;
use super::super::time::ago;
use super::audit::{self, AuditRow};
use super::chart::{self, Hours};
use super::frame::{Frame, Screen, Section, screen};
use super::icon::{Icon, icon};
use super::list::{HOURS, state_pill};
use super::pieces::{Tone, id, notice, pager};
use super::rows;
use crate::desk::Standing;
use crate::problem::{Problem, ProblemKind};

/// How far back the charts look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// A day.
    Day,
    /// A week.
    Week,
}

/// What every screen of one webhook shows.
#[derive(Clone, Debug)]
pub(crate) struct Head<'a> {
    /// The webhook.
    pub(crate) webhook: &'a Webhook,
    /// Its fingerprint, so that what is done is done to what was seen.
    pub(crate) version: &'a str,
    /// Whether it is known to have dead letters.
    pub(crate) dead: bool,
    /// How its receiver stands, as far as is known.
    pub(crate) standing: Option<Standing>,
    /// What is known of its last hours, a day of them at least; `None` where the log could not be
    /// read.
    pub(crate) hours: Option<&'a [Stretch]>,
}

/// Its deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries<'a> {
    /// The webhook.
    pub(crate) head: Head<'a>,
    /// This part of the list, or why the log could not be read.
    pub(crate) rows: Result<&'a [DeliveryRow], &'a Problem>,
    /// The state that is asked for: a word of [`rows::STATES`].
    pub(crate) state: &'a str,
    /// The event type that is asked for, or nothing.
    pub(crate) kind: &'a str,
    /// Event types that can be asked for.
    pub(crate) kinds: &'a [String],
    /// How far back the charts look.
    pub(crate) range: Range,
    /// Where news about them come from, where this is the first part of the list.
    pub(crate) live: Option<String>,
    /// The address of the first part, where this is a later one.
    pub(crate) first: Option<String>,
    /// The address of the next part.
    pub(crate) next: Option<String>,
    /// How many rows a part of the list has.
    pub(crate) most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Deliveries,
    Settings,
    Audit,
}

impl Range {
    /// The range of a word of an address; a day if it is none.
    pub(crate) fn of_word(word: &str) -> Self {
        if word == "7d" { Self::Week } else { Self::Day }
    }

    /// How many hours it has.
    pub(crate) fn hours(self) -> u16 {
        match self {
            Self::Day => 24,
            Self::Week => 168,
        }
    }
}

/// The first screen of a webhook.
pub(crate) fn deliveries(frame: &Frame, view: &Deliveries<'_>) -> Markup {
    let hours = view.head.hours.map(|hours| Hours::new(hours, view.range.hours(), frame.now_ms));
    of_webhook(
        frame,
        &view.head,
        Tab::Deliveries,
        &html! {
            (health(view, hours.as_ref()))
            (list(frame, view))
        },
    )
}

/// Who changed it, and when.
pub(crate) fn history(
    frame: &Frame,
    head: &Head<'_>,
    rows: Option<&[AuditRow]>,
    next: Option<&str>,
) -> Markup {
    of_webhook(
        frame,
        head,
        Tab::Audit,
        &html! {
            section.card aria-labelledby="history" {
                div.head { h2 id="history" { "Changes" } }
                (audit::changes(rows, frame.now_ms, false))
                (pager("", None, next))
            }
        },
    )
}

fn of_webhook(frame: &Frame, head: &Head<'_>, tab: Tab, body: &Markup) -> Markup {
    let webhook = head.webhook;
    let (name, base) = (webhook.url.to_string(), base(webhook));
    let about = Screen {
        title: &name,
        section: Section::Webhooks,
        crumbs: &[(webhook.id.as_str(), &base)],
        narrow: false,
    };
    let tabs = [
        (Tab::Deliveries, base.clone(), "Deliveries"),
        (Tab::Settings, format!("{base}/settings"), "Settings"),
        (Tab::Audit, format!("{base}/audit"), "Audit"),
    ];
    screen(
        frame,
        &about,
        &html! {
            (title(frame, head, &base))
            (remarks(frame, head, &base))
            nav.tabs aria-label="Webhook" {
                @for (one, address, name) in &tabs {
                    a href=(address) aria-current=[(*one == tab).then_some("page")] { (name) }
                }
            }
            (body)
        },
    )
}

fn base(webhook: &Webhook) -> String {
    format!("/admin/webhooks/{}", webhook.id.as_str())
}

fn title(frame: &Frame, head: &Head<'_>, base: &str) -> Markup {
    let webhook = head.webhook;
    // As in the list: a webhook stands the same wherever it is shown.
    let hours = head.hours.map(|hours| Hours::new(hours, HOURS, frame.now_ms));
    html! {
        div.top {
            div {
                h1 { (webhook.url) }
                @if let Some(description) = &webhook.description { p.lead { (description) } }
                div.actions { (state_pill(webhook, hours.as_ref())) (id(webhook.id.as_str())) }
            }
            @if frame.writes_letters() && webhook.secrets.is_ok() {
                div.actions {
                    a.button id="send-test" href={ (base) "/test" } { "Send test event" }
                    @if frame.writes() { (changes(frame, webhook, base)) }
                }
            }
        }
    }
}

fn changes(frame: &Frame, webhook: &Webhook, base: &str) -> Markup {
    let (word, name) = if webhook.enabled { ("disable", "Disable") } else { ("enable", "Enable") };
    html! {
        a.button id="edit" href={ (base) "/edit" } { "Edit" }
        form.inline method="post" action={ (base) "/" (word) } {
            (frame.csrf_field())
            button.button.primary[!webhook.enabled] id=(word) type="submit" { (name) }
        }
    }
}

fn remarks(frame: &Frame, head: &Head<'_>, base: &str) -> Markup {
    let webhook = head.webhook;
    html! {
        @if let Err(why) = &webhook.secrets {
            (notice(Tone::Bad, &html! {
                p id="unopened" { strong { "This webhook cannot be opened: " } (why) "." }
                p { "What is for it waits until the service has the key that its secrets were sealed with, where that is what it lacks, or until the database was put back. "
                    @if frame.writes() { "Until then you can only " a href={ (base) "/delete" } { "delete it" } "." }
                    @else { "Until then it can only be deleted." }
                }
            }))
        }
        @if let (false, Some(reason)) = (webhook.enabled, &webhook.disabled_reason) {
            (notice(Tone::Warn, &html! {
                p id="disabled-reason" { strong { "We disabled this webhook. " } (sentence(reason)) }
                p { "Nothing is sent until you enable it again. "
                    @if webhook.keep_while_disabled { "Events that it matches are kept as dead letters meanwhile." }
                    @else { "Events that it matches are not kept meanwhile." }
                }
            }))
        }
        @if let Some(at) = webhook.switches_at_ms {
            (notice(Tone::Info, &html! {
                p id="rotation" {
                    strong { "The secret is being rotated. " }
                    "The old secret signs " code { "x-boottify-signature" } " until "
                    (super::super::time::exact(at)) " (" (ago(at, frame.now_ms)) "); "
                    code { "webhook-signature" } " carries both. After that the new one signs alone."
                }
                @if frame.writes() {
                    div.actions {
                        form.inline method="post" action={ (base) "/promote" } {
                            (frame.csrf_field())
                            input type="hidden" name="version" value=(head.version);
                            button.button.small id="promote" type="submit" { "Promote the new secret now" }
                        }
                    }
                }
            }))
        }
        @if let (true, Some(standing)) = (webhook.enabled, &head.standing)
            && let Some((since, next)) = standing.left_alone_ms(frame.now_ms) {
            (notice(Tone::Warn, &html! {
                p id="left-alone" {
                    strong { "This endpoint is left alone. " }
                    "Its last " (standing.failures) " attempts failed"
                    @if let Some(last) = &standing.last_failure {
                        " (the last one: " (explain::failure_name(last)) ")"
                    }
                    ", so nothing but single probes is sent since "
                    (super::super::time::exact(since)) " (" (ago(since, frame.now_ms)) "). "
                    "What waits for it counts as no attempt and goes out when it answers again. "
                    @if next > frame.now_ms { "The next probe goes at " (super::super::time::exact(next)) "." }
                    @else { "The next probe goes with the next delivery." }
                }
            }))
        }
        @if head.dead {
            (notice(Tone::Plain, &html! {
                p id="dead-notice" {
                    "Some deliveries were given up and wait for a decision. "
                    a href={ "/admin/dead?webhook=" (webhook.id.as_str()) } { "Look at its dead letters" }
                }
            }))
        }
    }
}

fn health(view: &Deliveries<'_>, hours: Option<&Hours>) -> Markup {
    let base = base(view.head.webhook);
    html! {
        section.stack aria-labelledby="health" data-with-live {
            div.top {
                h2 id="health" { "Health" }
                nav.actions aria-label="Range of the charts" {
                    @for (range, word, name) in [(Range::Day, "24h", "24 hours"), (Range::Week, "7d", "7 days")] {
                        a.button.small.quiet[range != view.range] href={ (base) "?range=" (word) }
                            aria-current=[(range == view.range).then_some("true")] { (name) }
                    }
                }
            }
            @match hours {
                Some(hours) => (charts(hours)),
                None => p.hint id="health-unknown" { "How it fared is not known: the delivery log has no answer." },
            }
        }
    }
}

fn charts(hours: &Hours) -> Markup {
    let (ok, bad) = hours.totals();
    html! {
        div.split {
            figure.card {
                div.body.stack {
                    figcaption.stack {
                        h3.muted { "Success rate" }
                        div.figures {
                            span.figure-big id="success-rate" { (hours.rate().unwrap_or_else(|| "–".to_owned())) }
                            div.legend { span.key.ok { (ok) " succeeded" } span.key.bad { (bad) " failed" } }
                        }
                    }
                    (chart::attempts(hours))
                }
            }
            figure.card {
                div.body.stack {
                    figcaption.stack {
                        h3.muted { "Time of attempts" }
                        div.figures {
                            span.figure-big id="latency" { (hours.latest_median().unwrap_or_else(|| "–".to_owned())) }
                            div.legend { span.key.p50 { "half within" } span.key.p95 { "95 of 100 within" } }
                        }
                    }
                    (chart::latency(hours))
                }
            }
        }
        @if let Some(hour) = hours.only() {
            p.hint id="one-hour" { "All of these attempts were made in one hour: " (hour) "." }
        }
        @if ok + bad == 0 {
            p.hint id="no-attempts" { "No attempt was made within this time." }
        } @else {
            details.soft { summary { "The numbers as a table" } div.card { (chart::table(hours)) } }
        }
    }
}

fn list(frame: &Frame, view: &Deliveries<'_>) -> Markup {
    html! {
        section.card aria-labelledby="deliveries" {
            div.head {
                h2 id="deliveries" { "Deliveries" }
                @if view.live.is_some() { span.live id="live" hidden { "Live" } }
            }
            div.body { (filters(view)) }
            @match view.rows {
                Err(problem) => (unread(problem)),
                Ok(rows) => {
                    @if rows.is_empty() { (empty(frame, view)) }
                    table.rows hidden[rows.is_empty()] data-live=[view.live.as_deref()] data-most=(view.most) {
                        caption.vh { "Deliveries, the one that changed last first" }
                        thead { (rows::titles()) }
                        tbody { @for delivery in rows { (rows::row(delivery, frame.now_ms)) } }
                    }
                    @if view.first.is_some() || view.next.is_some() {
                        (pager("", view.first.as_deref(), view.next.as_deref()))
                    }
                }
            }
        }
    }
}

/// That there is no list: the log is switched off, or cannot be read.
fn unread(problem: &Problem) -> Markup {
    html! {
        div.empty {
            (icon(Icon::Alert))
            @if problem.kind == ProblemKind::NoDeliveryLog {
                h2 { (problem.kind.title()) }
                p { "Deliveries go on, and nothing of them is kept (" code { "delivery_log.enabled" } ")." }
            } @else {
                h2 { "The delivery log cannot be read now" }
                p { (sentence(&problem.detail)) " Deliveries go on." }
            }
        }
    }
}

fn filters(view: &Deliveries<'_>) -> Markup {
    html! {
        form.filters id="filter" method="get" action=(base(view.head.webhook)) data-auto {
            div.field {
                label for="state" { "Outcome" }
                select id="state" name="state" {
                    @for (word, name) in rows::STATES {
                        option value=(word) selected[word == view.state] { (name) }
                    }
                }
            }
            div.field {
                label for="type" { "Event" }
                select id="type" name="type" {
                    option value="" { "Any event" }
                    @for kind in view.kinds {
                        option value=(kind) selected[kind == view.kind] { (kind) }
                    }
                }
            }
            button.button type="submit" { "Filter" }
        }
    }
}

fn empty(frame: &Frame, view: &Deliveries<'_>) -> Markup {
    let filtered = !view.state.is_empty() || !view.kind.is_empty();
    html! {
        div.empty id="deliveries-empty" {
            (icon(Icon::Webhook))
            @if filtered {
                h2 { "No delivery fits" }
                div.actions { a.button href=(base(view.head.webhook)) { "Show all" } }
            } @else {
                h2 { "Nothing was sent yet" }
                p { "Deliveries appear here the moment they happen. A test event shows whether your receiver is ready." }
                @if frame.writes_letters() && view.head.webhook.secrets.is_ok() {
                    div.actions {
                        a.button.primary href={ (base(view.head.webhook)) "/test" } { "Send test event" }
                    }
                }
            }
        }
    }
}
