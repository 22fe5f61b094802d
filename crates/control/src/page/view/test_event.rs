//! Sends a test event to one webhook.

use maud::{Markup, html};
use subscriptions::Webhook;

use super::frame::{Frame, Screen, Section, screen};
use super::pieces::{Tone, field_error, notice};

/// What the screen shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestEvent<'a> {
    /// The webhook.
    pub(crate) webhook: &'a Webhook,
    /// Event types to choose from, those that the webhook wants first.
    pub(crate) kinds: &'a [String],
    /// The one that is chosen.
    pub(crate) kind: &'a str,
    /// What was wrong.
    pub(crate) error: Option<&'a str>,
}

/// The form.
pub(crate) fn test_event(frame: &Frame, view: TestEvent<'_>) -> Markup {
    let base = format!("/admin/webhooks/{}", view.webhook.id.as_str());
    let about = Screen {
        title: "Send test event",
        section: Section::Webhooks,
        crumbs: &[(view.webhook.id.as_str(), &base), ("Send test event", "")],
        narrow: true,
    };
    screen(
        frame,
        &about,
        &html! {
            h1 { "Send test event" }
            @if !view.webhook.enabled {
                (notice(Tone::Warn, &html! { p { "This webhook is disabled. A test is sent all the same." } }))
            }
            section.card {
                form.body.stack id="test" method="post" action={ (base) "/test" } {
                    (frame.csrf_field())
                    p.muted {
                        "A made-up event of the type that you choose goes to " code { (view.webhook.url) }
                        ", signed like any other. It is attempted once."
                    }
                    div.field {
                        label for="type" { "Event" }
                        select id="type" name="type" aria-invalid=[view.error.map(|_| "true")]
                            aria-describedby=[view.error.map(|_| "type-error")] {
                            @for kind in view.kinds {
                                option value=(kind) selected[kind == view.kind] { (kind) }
                            }
                        }
                        (field_error("type", view.error))
                    }
                    div.form-foot {
                        button.button.primary type="submit" { "Send" }
                        a.button href=(base) { "Cancel" }
                    }
                }
            }
        },
    )
}
