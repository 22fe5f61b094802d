//! All webhooks, and how they fare.

use maud::{Markup, html};
use store::{DeliveryRow, Stretch};
use subscriptions::Webhook;

use super::chart::{self, Hours};
use super::frame::{Frame, Screen, Section, screen};
use super::icon::{Icon, icon};
use super::pieces::{Tone, count, event_tags, pager, pill};
use super::rows;

/// Of the last day.
pub(super) const HOURS: u16 = 24;

/// What the screen shows.
#[derive(Clone, Debug)]
pub(crate) struct List<'a> {
    /// This part of the list.
    pub(crate) items: Vec<Item<'a>>,
    /// Why nobody knows which there are; `None` where they were read.
    pub(crate) unread: Option<String>,
    /// Deliveries of the event that is searched for, where no webhook is found; or why nobody knows.
    pub(crate) of_event: Result<Vec<DeliveryRow>, String>,
    /// How many there are.
    pub(crate) total: usize,
    /// What is searched for.
    pub(crate) search: &'a str,
    /// The state that is asked for: a word of [`STATES`].
    pub(crate) state: &'a str,
    /// The address of the first part, where this is a later one.
    pub(crate) first: Option<String>,
    /// The address of the next part.
    pub(crate) next: Option<String>,
}

/// A webhook and its last day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// The webhook.
    pub(crate) webhook: &'a Webhook,
    /// What is known of the last 24 hours; `None` where the log could not be read.
    pub(crate) hours: Option<&'a [Stretch]>,
}

/// States that can be asked for: words and names.
pub(crate) const STATES: [(&str, &str); 3] =
    [("", "Any state"), ("enabled", "Enabled"), ("disabled", "Disabled")];

/// The list.
pub(crate) fn list(frame: &Frame, view: &List<'_>) -> Markup {
    let about =
        Screen { title: "Webhooks", section: Section::Webhooks, crumbs: &[], narrow: false };
    screen(
        frame,
        &about,
        &html! {
            div.top {
                div {
                    h1 { "Webhooks" }
                    p.lead { "Receive real-time notifications for deployment events." }
                }
                @if frame.writes() && view.total > 0 {
                    div.actions {
                        a.button.primary id="add-webhook" href="/admin/webhooks/new" {
                            (icon(Icon::Plus)) "Add webhook"
                        }
                    }
                }
            }
            @if let Some(why) = &view.unread {
                (unread(why))
            } @else if view.total == 0 {
                (first_steps(frame))
            } @else {
                (filters(view))
                @match &view.of_event {
                    Ok(deliveries) if !deliveries.is_empty() => (of_event(frame, view.search, deliveries)),
                    _ => section.card aria-label="Webhooks" data-every="10" { (webhooks(frame, view)) },
                }
            }
        },
    )
}

/// How a webhook stands.
pub(super) fn state_pill(webhook: &Webhook, hours: Option<&Hours>) -> Markup {
    let failing = hours.is_some_and(|hours| matches!(hours.totals(), (0, bad) if bad > 0));
    if webhook.secrets.is_err() {
        return pill(Tone::Bad, "Cannot be opened");
    }
    match (webhook.enabled, &webhook.disabled_reason) {
        (true, _) if failing => pill(Tone::Bad, "Failing"),
        (true, _) => pill(Tone::Ok, "Enabled"),
        (false, Some(_)) => pill(Tone::Warn, "Disabled by us"),
        (false, None) => pill(Tone::Plain, "Disabled"),
    }
}

/// The patterns of a webhook as texts.
pub(super) fn patterns(webhook: &Webhook) -> Vec<String> {
    webhook.events.patterns().iter().map(ToString::to_string).collect()
}

fn unread(why: &str) -> Markup {
    html! {
        section.card aria-labelledby="unread" {
            div.empty {
                (icon(Icon::Webhook))
                h2 id="unread" { "The webhooks cannot be read" }
                p { (why) }
                p { "Nothing is delivered until they can. The service goes on trying." }
            }
        }
    }
}

fn first_steps(frame: &Frame) -> Markup {
    let steps = [
        ("Add an endpoint", "Enter your webhook URL, select events, and save."),
        ("Copy the secret", "Save the signing secret. Your receiver verifies payloads with it."),
        ("Watch it arrive", "Send a test event, and see every delivery and each response here."),
    ];
    html! {
        section.card aria-labelledby="first-steps" {
            div.empty {
                (icon(Icon::Webhook))
                h2 id="first-steps" { "Automate with webhooks" }
                p { "Each webhook receives POST requests with JSON payloads for the events that you choose." }
                ol.steps {
                    @for (number, (title, text)) in (1..).zip(steps) {
                        li { span.n aria-hidden="true" { (number) } h3 { (title) } p { (text) } }
                    }
                }
                @if frame.writes() {
                    div.actions {
                        a.button.primary id="add-webhook" href="/admin/webhooks/new" {
                            (icon(Icon::Plus)) "Add your first webhook"
                        }
                    }
                }
            }
        }
    }
}

fn filters(view: &List<'_>) -> Markup {
    html! {
        form.filters id="filter" role="search" method="get" action="/admin/webhooks" data-auto {
            div.field.wide {
                label for="q" { "Search" }
                input id="q" name="q" type="search" value=(view.search) maxlength="200"
                    placeholder="URL, description, or id of a webhook, event or delivery";
            }
            div.field {
                label for="state" { "State" }
                select id="state" name="state" {
                    @for (word, name) in STATES {
                        option value=(word) selected[word == view.state] { (name) }
                    }
                }
            }
            button.button type="submit" { "Filter" }
        }
    }
}

fn webhooks(frame: &Frame, view: &List<'_>) -> Markup {
    html! {
        @if view.items.is_empty() {
            div.empty {
                (icon(Icon::Search))
                h2 { "No webhook fits" }
                @match &view.of_event {
                    Ok(_) => p { "Nothing has this in its URL, description or id, and no event or delivery \
                                  that the log remembers has this id." },
                    Err(why) => p { "Nothing has this in its URL, description or id. Whether an event or a \
                                     delivery has it could not be found out: " (why) "." },
                }
                div.actions { a.button href="/admin/webhooks" { "Show all" } }
            }
        } @else {
            (table(frame, view))
            (pager(&shown(view), view.first.as_deref(), view.next.as_deref()))
        }
    }
}

/// What became of the event whose id is searched for.
fn of_event(frame: &Frame, event: &str, deliveries: &[DeliveryRow]) -> Markup {
    html! {
        section.card aria-labelledby="of-event" {
            div.head {
                h2 id="of-event" { "Deliveries of the event" }
                code.small { (event) }
            }
            table.rows {
                caption.vh { "Deliveries of the event" }
                thead { (rows::titles()) }
                tbody { @for delivery in deliveries { (rows::row_of_event(delivery, frame.now_ms)) } }
            }
        }
    }
}

fn table(frame: &Frame, view: &List<'_>) -> Markup {
    html! {
        table.rows id="webhooks" {
            caption.vh { "Webhooks" }
            thead { tr {
                th scope="col" { "URL" } th scope="col" { "Events" }
                th scope="col" { "Last 24 hours" } th scope="col" { "State" }
            } }
            tbody { @for item in &view.items { (row(frame, *item)) } }
        }
    }
}

fn row(frame: &Frame, Item { webhook, hours }: Item<'_>) -> Markup {
    let hours = hours.map(|hours| Hours::new(hours, HOURS, frame.now_ms));
    html! {
        tr id=(webhook.id.as_str()) {
            td.wide {
                a.title href={ "/admin/webhooks/" (webhook.id.as_str()) } { (webhook.url) }
                span.under {
                    @if let Some(description) = &webhook.description { (description) }
                    @else { code { (webhook.id.as_str()) } }
                }
            }
            td.wide { (event_tags(&patterns(webhook))) }
            td { (health(hours.as_ref())) }
            td.end { (state_pill(webhook, hours.as_ref())) }
        }
    }
}

fn health(hours: Option<&Hours>) -> Markup {
    html! {
        div.health {
            @match hours {
                None => { span.muted.small { "not known now" } }
                Some(hours) => {
                    (chart::spark(hours))
                    @match hours.rate() {
                        Some(rate) => { span.rate.small { (rate) } }
                        None => { span.muted.small { "no attempts" } }
                    }
                }
            }
        }
    }
}

fn shown(view: &List<'_>) -> String {
    let here = view.items.len();
    if here == view.total {
        count(here, "webhook", "webhooks")
    } else {
        format!("{here} of {}", count(view.total, "webhook", "webhooks"))
    }
}
