//! A screen that says why something was not done.

use maud::{Markup, html};

use super::super::form::sentence;
use super::frame::{Frame, Screen, Section, document, screen};
use super::icon::{Icon, icon};
use crate::problem::{Problem, ProblemKind};

/// The screen, with the frame around it for who is signed in.
pub(crate) fn fault(frame: Option<&Frame>, now_ms: i64, problem: &Problem) -> Markup {
    let title = problem.kind.title();
    let body = html! {
        section.card {
            div.empty {
                (icon(Icon::Alert))
                p.mono { (problem.status().as_u16()) }
                h1 { (title) }
                p id="fault" { (sentence(&problem.detail)) }
                @if let Some(advice) = advice(problem.kind) { p { (advice) } }
                div.actions {
                    @if let Some(webhook) = &problem.webhook {
                        a.button.primary href={ "/admin/webhooks/" (webhook) } { "Go to the webhook" }
                    }
                    @if problem.kind == ProblemKind::Unauthenticated {
                        a.button href="/admin/sign-in" { "Sign in" }
                    } @else { a.button href="/admin/webhooks" { "All webhooks" } }
                }
            }
        }
    };
    match frame {
        Some(frame) => {
            let about =
                Screen { title, section: Section::Webhooks, crumbs: &[(title, "")], narrow: true };
            screen(frame, &about, &body)
        }
        None => document(title, now_ms, &html! { main.sign-in id="content" { div { (body) } } }),
    }
}

/// What helps.
fn advice(kind: ProblemKind) -> Option<&'static str> {
    match kind {
        ProblemKind::UnknownWebhook => Some("It may have been deleted."),
        ProblemKind::UnknownDelivery => Some("The log forgets deliveries after their time."),
        ProblemKind::Csrf => {
            Some("Go back, reload the page, and send it again. Nothing was changed.")
        }
        ProblemKind::Stale => {
            Some("Go back and reload to see what it is now. Nothing was changed.")
        }
        ProblemKind::StoreAway | ProblemKind::BrokerAway | ProblemKind::Busy => {
            Some("Deliveries go on meanwhile. Try again in a moment.")
        }
        ProblemKind::StoreDamaged => {
            Some("Deliveries go on meanwhile, by the webhooks as they were read last.")
        }
        _ => None,
    }
}
