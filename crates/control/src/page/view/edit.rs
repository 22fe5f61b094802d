//! The form that makes or changes a webhook.

mod advanced;

use maud::{Markup, html};
use store::LoggedEvent;
use subscriptions::Webhook;

use super::super::form::{Field, Mistakes, WebhookForm};
use super::frame::{Frame, Screen, Section, screen};
use super::icon::{Icon, icon};
use super::pieces::{Tone, described, field_error, notice};

/// An event type, and what it means.
pub(crate) type Kind = (String, Option<&'static str>);

/// What the screen shows.
pub(crate) struct EditView<'a> {
    /// What was typed.
    pub(crate) form: &'a WebhookForm,
    /// What is wrong with it.
    pub(crate) mistakes: &'a Mistakes,
    /// The webhook that it changes; `None` makes one.
    pub(crate) present: Option<&'a Webhook>,
    /// The known event types and what they mean.
    pub(crate) kinds: &'a [Kind],
    /// What became of the filter when it was tried out.
    pub(crate) tried: Option<&'a [Tried]>,
    /// What somebody else changed while the form was open.
    pub(crate) changed: &'a [Difference],
    /// Whether the advanced part is unfolded.
    pub(crate) unfolded: bool,
    /// Attempts at the same time where a webhook sets no limit.
    pub(crate) max_in_flight: u32,
}

/// A recent event that the filter was tried on.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// The event.
    pub(crate) event: LoggedEvent,
    /// Whether it would be sent.
    pub(crate) wanted: bool,
}

/// A field that is not what the form's reader saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Its name.
    pub(crate) what: &'static str,
    /// What it is now.
    pub(crate) now: String,
}

impl EditView<'_> {
    fn mistake(&self, field: Field) -> Option<&str> {
        self.mistakes.get(&field).map(String::as_str)
    }

    fn invalid(&self, field: Field) -> Option<&'static str> {
        self.mistakes.contains_key(&field).then_some("true")
    }

    fn action(&self) -> String {
        match self.present {
            Some(webhook) => format!("/admin/webhooks/{}/edit", webhook.id.as_str()),
            None => "/admin/webhooks/new".to_owned(),
        }
    }
}

/// The form.
pub(crate) fn edit(frame: &Frame, view: &EditView<'_>) -> Markup {
    let title = if view.present.is_some() { "Edit webhook" } else { "Add webhook" };
    let own = view.present.map(|webhook| webhook.id.as_str()).unwrap_or_default();
    let base = format!("/admin/webhooks/{own}");
    let both = [(own, base.as_str()), (title, "")];
    let about = Screen {
        title,
        section: Section::Webhooks,
        crumbs: if view.present.is_some() { &both } else { &both[1..] },
        narrow: true,
    };
    let cancel = if view.present.is_some() { base.as_str() } else { "/admin/webhooks" };
    screen(
        frame,
        &about,
        &html! {
            h1 { (title) }
            (summary(view))
            (changed(view, cancel))
            form.section-gap id="webhook" method="post" action=(view.action()) novalidate autocomplete="off" {
                (frame.csrf_field())
                input type="hidden" name="version" value=(view.form.version);
                input type="hidden" name="key" value=(view.form.key);
                // The first button is the one that the Enter key presses.
                button.vh type="submit" name="do" value="save" tabindex="-1" aria-hidden="true" { "Save" }
                section.card aria-label="Endpoint and events" {
                    div.body.section-gap {
                        (endpoint(view))
                        (events(view))
                        (projects(view))
                        (description(view))
                        (enabled(view))
                    }
                }
                (advanced::advanced(view, frame.now_ms))
                div.form-foot {
                    button.button.primary id="save" type="submit" name="do" value="save" {
                        (if view.present.is_some() { "Save changes" } else { "Create webhook" })
                    }
                    a.button id="cancel" href=(cancel) { "Cancel" }
                }
            }
        },
    )
}

fn summary(view: &EditView<'_>) -> Markup {
    html! {
        @if !view.mistakes.is_empty() {
            div.notice.bad id="errors" role="alert" tabindex="-1" {
                (icon(Icon::Alert))
                div.text {
                    h2 { "Nothing was saved yet" }
                    ul {
                        @for (field, text) in view.mistakes {
                            li {
                                @if *field == Field::Form { (text) }
                                @else { a href={ "#" (field.id()) } { (text) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn changed(view: &EditView<'_>, reload: &str) -> Markup {
    html! {
        @if !view.changed.is_empty() {
            div id="stale" role="alert" {
                (notice(Tone::Warn, &html! {
                    p { strong { "Somebody changed this webhook while you had it open. " }
                        "What you typed is still here. Saving now replaces what they changed:" }
                    ul {
                        @for difference in view.changed {
                            li { (difference.what) " is now " code { (difference.now) } }
                        }
                    }
                    p { a href={ (reload) "/edit" } { "Discard mine and load theirs" } }
                }))
            }
        }
    }
}

fn endpoint(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::Url);
    html! {
        div.field {
            label for="url" { "Endpoint URL" }
            input id="url" name="url" type="url" value=(view.form.url) required inputmode="url"
                placeholder="https://example.com/webhook" spellcheck="false"
                aria-invalid=[view.invalid(Field::Url)]
                aria-describedby=[described("url", true, error.is_some())];
            (field_error("url", error))
            p.hint id="url-hint" { "Receives a POST request for each event. It must be reachable from the internet; redirects are not followed." }
        }
    }
}

fn events(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::Events);
    let mut families: Vec<(&str, Vec<&Kind>)> = Vec::new();
    for kind in view.kinds {
        let family = kind.0.split('.').next().unwrap_or_default();
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, kinds)) => kinds.push(kind),
            None => families.push((family, vec![kind])),
        }
    }
    let known = |pattern: &str| {
        pattern == "*"
            || view.kinds.iter().any(|(kind, _)| kind == pattern)
            || families.iter().any(|(family, _)| pattern.strip_suffix(".*") == Some(family))
    };
    let others = view.form.events.iter().filter(|pattern| !known(pattern));
    html! {
        fieldset id="events" data-events aria-invalid=[view.invalid(Field::Events)]
            aria-describedby=[described("events", false, error.is_some())] {
            legend { "Events" }
            (field_error("events", error))
            div.events {
                (tick(view, "*", &html! { span.strong { "All events" } span.hint { "Also those that are added later." } }))
                @for (family, kinds) in &families {
                    div.group {
                        (tick(view, &format!("{family}.*"), &html! {
                            span.strong { "All " (family) " events" } " " code.muted { (family) ".*" }
                        }))
                        @for (kind, meaning) in kinds {
                            (tick(view, kind, &html! {
                                code { (kind) }
                                @if let Some(meaning) = meaning { span.hint { (meaning) } }
                            }))
                        }
                    }
                }
                @for pattern in others { (tick(view, pattern, &html! { code { (pattern) } })) }
            }
        }
    }
}

fn tick(view: &EditView<'_>, pattern: &str, label: &Markup) -> Markup {
    let id = format!("event-{}", pattern.replace('*', "all"));
    html! {
        div.check {
            input id=(id) type="checkbox" name="events" value=(pattern)
                checked[view.form.events.iter().any(|one| one == pattern)];
            label for=(id) { (label) }
        }
    }
}

fn projects(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::Projects);
    html! {
        div.field {
            label for="projects" { "Projects " span.optional { "(optional)" } }
            input id="projects" name="projects" type="text" value=(view.form.projects) spellcheck="false"
                placeholder="prj_xyz789, prj_abc123" aria-invalid=[view.invalid(Field::Projects)]
                aria-describedby=[described("projects", true, error.is_some())];
            (field_error("projects", error))
            p.hint id="projects-hint" { "Ids with commas between them. Leave it empty for events of all projects." }
        }
    }
}

fn description(view: &EditView<'_>) -> Markup {
    let error = view.mistake(Field::Description);
    html! {
        div.field {
            label for="description" { "Description " span.optional { "(optional)" } }
            input id="description" name="description" type="text" value=(view.form.description)
                placeholder="What this webhook is for" aria-invalid=[view.invalid(Field::Description)]
                aria-describedby=[described("description", false, error.is_some())];
            (field_error("description", error))
        }
    }
}

fn enabled(view: &EditView<'_>) -> Markup {
    html! {
        div.check {
            input id="enabled" name="enabled" type="checkbox" checked[view.form.enabled];
            label for="enabled" { "Enabled" span.hint { "Events are sent as soon as it is saved." } }
        }
    }
}
