//! Who changed what, and when.

use maud::{Markup, html};
use serde_json::Value;
use store::Action;

use super::super::time::{ago, full};
use super::frame::{Frame, Screen, Section, screen};
use super::icon::{Icon, icon};
use super::pieces::pager;

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct AuditRow {
    /// When, ms since 1970.
    pub(crate) at_ms: i64,
    /// Who.
    pub(crate) actor: String,
    /// What: `created`, `updated` and so on.
    pub(crate) action: String,
    /// Which webhook.
    pub(crate) webhook: String,
    /// More about it, as JSON; holds no secret.
    pub(crate) detail: String,
}

/// Which changes are asked for, as the address says it; what is empty asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The webhook's id.
    pub(crate) webhook: String,
    /// Who.
    pub(crate) actor: String,
    /// What.
    pub(crate) action: String,
}

/// What the screen shows.
#[derive(Clone, Debug)]
pub(crate) struct Audit<'a> {
    /// This part of the list; `None` where there is no audit.
    pub(crate) rows: Option<&'a [AuditRow]>,
    /// What is asked for.
    pub(crate) filter: &'a Filter,
    /// The address of the first part, where this is a later one.
    pub(crate) first: Option<String>,
    /// The address of the next part.
    pub(crate) next: Option<String>,
}

/// The list.
pub(crate) fn audit(frame: &Frame, view: &Audit<'_>) -> Markup {
    let about = Screen { title: "Audit", section: Section::Audit, crumbs: &[], narrow: false };
    screen(
        frame,
        &about,
        &html! {
            div.top { div { h1 { "Audit" } p.lead { "Who changed what, and when. Secrets are never part of it." } } }
            @if view.rows.is_some() { (filters(view.filter)) }
            section.card aria-label="Changes" {
                @if view.rows.is_some_and(<[_]>::is_empty) && *view.filter != Filter::default() {
                    div.empty {
                        (icon(Icon::Audit)) h2 { "No change fits" }
                        div.actions { a.button href="/admin/audit" { "Show all" } }
                    }
                } @else {
                    (changes(view.rows, frame.now_ms, true))
                }
                @if view.first.is_some() || view.next.is_some() {
                    (pager("", view.first.as_deref(), view.next.as_deref()))
                }
            }
        },
    )
}

fn filters(filter: &Filter) -> Markup {
    html! {
        form.filters id="filter" method="get" action="/admin/audit" data-auto {
            div.field {
                label for="action" { "Change" }
                select id="action" name="action" {
                    option value="" { "Any change" }
                    @for action in Action::ALL {
                        option value=(action) selected[filter.action == action.as_str()] { (name(action.as_str())) }
                    }
                }
            }
            div.field {
                label for="actor" { "By" }
                input id="actor" name="actor" type="search" value=(filter.actor) maxlength="200"
                    placeholder="Anybody" spellcheck="false";
            }
            div.field.wide {
                label for="webhook" { "Webhook" }
                input id="webhook" name="webhook" type="search" value=(filter.webhook) maxlength="100"
                    placeholder="Any: an id" spellcheck="false";
            }
            button.button type="submit" { "Filter" }
        }
    }
}

/// Changes, of one webhook or of all; `None` where there is no audit.
pub(super) fn changes(rows: Option<&[AuditRow]>, now_ms: i64, with_webhook: bool) -> Markup {
    html! {
        @match rows {
            Some(rows) => (table(rows, now_ms, with_webhook)),
            None => div.empty id="no-audit" {
                (icon(Icon::Audit)) h2 { "There is no audit" }
                p { "It is kept in the database of the webhooks, and these webhooks are kept in a file. Who changed the file, its own history knows; what was sent again, dropped or tested stands in the service's log, with who asked for it." }
            },
        }
    }
}

fn table(rows: &[AuditRow], now_ms: i64, with_webhook: bool) -> Markup {
    html! {
        @if rows.is_empty() {
            div.empty { (icon(Icon::Audit)) h2 { "No change yet" } p { "Every change on this page, through the API and on the command line is noted here." } }
        } @else {
            table.rows {
                caption.vh { "Changes, newest first" }
                thead { tr {
                    th scope="col" { "Change" }
                    @if with_webhook { th scope="col" { "Webhook" } }
                    th scope="col" { "By" } th scope="col" { "More" } th.right scope="col" { "When" }
                } }
                tbody { @for row in rows { (one(row, now_ms, with_webhook)) } }
            }
        }
    }
}

fn one(row: &AuditRow, now_ms: i64, with_webhook: bool) -> Markup {
    html! {
        tr {
            td { strong { (name(&row.action)) } }
            @if with_webhook {
                td.wide { a.title href={ "/admin/webhooks/" (row.webhook) } { code { (row.webhook) } } }
            }
            td { (row.actor) }
            td.wide.small.muted { (said(&row.detail)) }
            td.right.nowrap.when { (ago(row.at_ms, now_ms)) }
        }
    }
}

fn name(action: &str) -> String {
    let mut letters = action.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str()).replace(['_', '-'], " ")
}

/// `https://… · enabled` of the JSON that the store keeps.
fn said(detail: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(detail) else {
        return detail.to_owned();
    };
    let one = |(key, value): (String, Value)| match (key.as_str(), value) {
        ("enabled", Value::Bool(enabled)) => {
            if enabled { "enabled" } else { "disabled" }.to_owned()
        }
        ("url", Value::String(url)) => url,
        ("overlapUntil", Value::Number(at)) if at.is_i64() => {
            format!("old secret until {}", full(at.as_i64().unwrap_or_default()))
        }
        (_, value) => format!("{key}: {}", plain(&value)),
    };
    fields.into_iter().map(one).collect::<Vec<_>>().join(" · ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "nothing".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_said_in_words() {
        let detail = r#"{"changed":["url","headers"],"enabled":true,"url":"https://a.example"}"#;
        let words = "changed: url, headers · enabled · https://a.example";
        assert_eq!(said(detail), words);
        assert_eq!(said(r#"{"changed":[]}"#), "changed: nothing");
        assert_eq!(said(r#"{"enabled":false,"url":1}"#), "disabled · url: 1");
        let rotated = r#"{"overlapUntil":1700000000000}"#;
        assert_eq!(said(rotated), "old secret until 14 Nov 2023, 22:13:20 UTC");
        assert_eq!(said("{}"), "");
    }
}
