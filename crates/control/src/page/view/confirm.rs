//! Asked before something that cannot be taken back, or that means many at once.

use maud::{Markup, html};

use super::frame::{Frame, Screen, Section, screen};

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Confirm<'a> {
    /// The question.
    pub(crate) title: &'a str,
    /// What will happen, a paragraph each.
    pub(crate) text: Vec<String>,
    /// Whether it belongs to the dead letters; else to webhooks.
    pub(crate) of_dead: bool,
    /// Where the answer goes.
    pub(crate) action: &'a str,
    /// What goes with it.
    pub(crate) fields: Vec<(&'a str, String)>,
    /// What is to be chosen, too.
    pub(crate) choice: Option<Choice<'a>>,
    /// What the button says.
    pub(crate) button: &'a str,
    /// Whether something is lost.
    pub(crate) danger: bool,
    /// The way back.
    pub(crate) cancel: &'a str,
    /// What the way back says.
    pub(crate) cancel_name: &'a str,
}

/// One of several values.
#[derive(Clone, Debug)]
pub(crate) struct Choice<'a> {
    /// The field's name.
    pub(crate) name: &'a str,
    /// What it is for.
    pub(crate) label: &'a str,
    /// Values and what they are called.
    pub(crate) options: Vec<(String, String)>,
    /// The value that is chosen until another one is.
    pub(crate) chosen: String,
}

/// The question.
pub(crate) fn confirm(frame: &Frame, view: &Confirm<'_>) -> Markup {
    let about = Screen {
        title: view.title,
        section: if view.of_dead { Section::Dead } else { Section::Webhooks },
        crumbs: &[(view.title, "")],
        narrow: true,
    };
    screen(
        frame,
        &about,
        &html! {
            section.card {
                div.body.stack {
                    h1 { (view.title) }
                    @for text in &view.text { p { (text) } }
                    form.stack id="confirm" method="post" action=(view.action) {
                        (frame.csrf_field())
                        @for (name, value) in &view.fields {
                            input type="hidden" name=(name) value=(value);
                        }
                        @if let Some(choice) = &view.choice { (choose(choice)) }
                        div.form-foot {
                            button.button.primary.danger[view.danger] id="confirm-yes" type="submit" { (view.button) }
                            a.button id="confirm-no" href=(view.cancel) { (view.cancel_name) }
                        }
                    }
                }
            }
        },
    )
}

fn choose(choice: &Choice<'_>) -> Markup {
    html! {
        div.field {
            label for=(choice.name) { (choice.label) }
            select id=(choice.name) name=(choice.name) {
                @for (value, name) in &choice.options { option value=(value) selected[*value == choice.chosen] { (name) } }
            }
        }
    }
}
