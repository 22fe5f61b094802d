//! What a webhook is set to, and what can be done with it as a whole.

use maud::{Markup, html};
use subscriptions::{RetryPolicy, Webhook};

use super::super::super::time::{ago, chosen, exact};
use super::super::frame::Frame;
use super::super::list::patterns;
use super::super::pieces::event_name;
use super::{Head, Tab, base, of_webhook};

/// The screen.
#[derive(Clone, Debug)]
pub(crate) struct Settings<'a> {
    /// The webhook.
    pub(crate) head: Head<'a>,
    /// The retry policy of webhooks that have none of their own.
    pub(crate) retry: &'a RetryPolicy,
}

/// Its settings.
pub(crate) fn settings(frame: &Frame, view: &Settings<'_>) -> Markup {
    let webhook = view.head.webhook;
    // What cannot be opened can only be deleted.
    let opened = webhook.secrets.is_ok();
    of_webhook(
        frame,
        &view.head,
        Tab::Settings,
        &html! {
            section.card aria-labelledby="facts" {
                div.head {
                    h2 id="facts" { "Settings" }
                    @if frame.writes() && opened { a.button.small href={ (base(webhook)) "/edit" } { "Edit" } }
                }
                div.body { (facts(frame, view)) }
            }
            @if frame.writes() && opened { (secret(frame, webhook)) }
            @if frame.writes_letters() && opened { (recover(frame, webhook)) }
            @if frame.writes() { (delete(webhook)) }
        },
    )
}

fn facts(frame: &Frame, view: &Settings<'_>) -> Markup {
    let webhook = view.head.webhook;
    html! {
        dl.facts {
            dt { "URL" } dd { code { (webhook.url) } }
            dt { "Events" }
            dd { span.tags { @for event in patterns(webhook) { span.tag { (event_name(&event)) } } } }
            dt { "Projects" }
            dd {
                @if webhook.projects.is_empty() { "All" }
                @else { span.tags { @for project in &webhook.projects { span.tag { (project.as_str()) } } } }
            }
            dt { "Condition" }
            dd {
                @match &webhook.condition {
                    None => "None",
                    Some(condition) => { code { (condition) } }
                }
            }
            dt { "Headers" }
            dd {
                @if webhook.headers.iter().next().is_none() { "None of its own" }
                @else { span.tags { @for (name, _) in webhook.headers.iter() { span.tag { (name) ": •••" } } } }
            }
            dt { "At the same time" }
            dd {
                @match webhook.max_in_flight {
                    None => "The service's limit",
                    Some(most) => { "At most " (most) (if most.get() == 1 { " attempt" } else { " attempts" }) }
                }
            }
            dt { "Rate limit" }
            dd {
                @match webhook.rate_limit {
                    None => "None",
                    Some(limit) => { (limit.per_second()) " per second, " (limit.burst()) " at once" }
                }
            }
            dt { "Retries" } dd { (retry(webhook.retry.as_ref(), view.retry)) }
            dt { "While disabled" }
            dd {
                @if webhook.keep_while_disabled { "Matching events are kept as dead letters" }
                @else { "Matching events are not kept" }
            }
            @for (name, at) in [("Created", webhook.created_at_ms), ("Changed", webhook.updated_at_ms)] {
                dt { (name) } dd { (exact(at)) " (" (ago(at, frame.now_ms)) ")" }
            }
        }
    }
}

fn retry(own: Option<&RetryPolicy>, service: &RetryPolicy) -> Markup {
    let values = own.unwrap_or(service).values();
    html! {
        "First after " (chosen(values.first_delay)) ", then " (values.multiplier) " times as long each time up to "
        (chosen(values.max_delay)) "; given up after " (chosen(values.give_up_after))
        @if own.is_none() { span.muted { " (the service's policy)" } }
    }
}

fn secret(frame: &Frame, webhook: &Webhook) -> Markup {
    html! {
        section.card aria-labelledby="secret" {
            div.head { h2 id="secret" { "Signing secret" } code.muted { "whsec_••••••••••••" } }
            div.body.stack {
                p.muted { "Receivers verify " code { "x-boottify-signature" } " with it. Rotating makes a new one; the old one goes on signing for a while, so that you can change your receivers without a gap." }
                div.actions {
                    form.inline method="post" action={ (base(webhook)) "/reveal-secret" } {
                        (frame.csrf_field())
                        button.button id="reveal" type="submit" { "Reveal" }
                    }
                    a.button id="rotate" href={ (base(webhook)) "/rotate-secret" } { "Rotate…" }
                }
            }
        }
    }
}

fn recover(frame: &Frame, webhook: &Webhook) -> Markup {
    html! {
        section.card aria-labelledby="recover-title" {
            div.head { h2 id="recover-title" { "Recover after an outage" } }
            div.body {
                form.stack id="recover" method="post" action={ (base(webhook)) "/recover" } {
                    (frame.csrf_field())
                    p.muted { "Sends everything again, once, that failed for this webhook in the time that you choose." }
                    div.filters {
                        div.field {
                            label for="since" { "Failed within" }
                            select id="since" name="since" {
                                option value="1h" { "the last hour" }
                                option value="6h" { "the last 6 hours" }
                                option value="24h" selected { "the last 24 hours" }
                                option value="3d" { "the last 3 days" }
                                option value="7d" { "the last 7 days" }
                                option value="30d" { "the last 30 days" }
                            }
                        }
                        button.button type="submit" { "Send again" }
                    }
                }
            }
        }
    }
}

fn delete(webhook: &Webhook) -> Markup {
    html! {
        section.card aria-labelledby="delete-title" {
            div.head { h2 id="delete-title" { "Delete this webhook" } }
            div.body.stack {
                p.muted { "Nothing more is sent, deliveries that wait for a retry end, and its secret is forgotten." }
                div.actions { a.button.danger id="delete" href={ (base(webhook)) "/delete" } { "Delete…" } }
            }
        }
    }
}
