//! A secret, shown once, with what a receiver does with it.

use maud::{Markup, html};
use signing::Secret;

use super::super::form::sentence;
use super::super::samples::Language;
use super::super::time::exact;
use super::frame::{Frame, Screen, Section, screen};
use super::pieces::{Tone, copy_from, notice};

/// Why it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The webhook was made.
    Created,
    /// It was rotated; the old one signs until then.
    Rotated {
        /// When the new one signs alone, ms since 1970.
        switches_at_ms: Option<i64>,
    },
    /// Somebody asked.
    Revealed,
}

/// What the screen shows.
#[derive(Clone, Copy)]
pub(crate) struct NewSecret<'a> {
    /// Whose it is.
    pub(crate) webhook: &'a str,
    /// Where requests go, without its query.
    pub(crate) url: &'a str,
    /// The secret.
    pub(crate) secret: &'a Secret,
    /// During a rotation: the one that signs alone afterwards.
    pub(crate) also: Option<&'a Secret>,
    /// What its owner should know, such as a name that does not resolve.
    pub(crate) warnings: &'a [String],
    /// Why it is shown.
    pub(crate) shown: Shown,
}

/// The screen.
pub(crate) fn secret(frame: &Frame, view: NewSecret<'_>) -> Markup {
    let base = format!("/admin/webhooks/{}", view.webhook);
    let about = Screen {
        title: "Signing secret",
        section: Section::Webhooks,
        crumbs: &[(view.webhook, &base), ("Signing secret", "")],
        narrow: true,
    };
    screen(
        frame,
        &about,
        &html! {
            div.top data-settle=(base) {
                div {
                    h1 id="secret-title" { (title(view.shown)) }
                    p.lead { code { (view.url) } }
                }
            }
            @for warning in view.warnings { (notice(Tone::Warn, &html! { p { (sentence(warning)) } })) }
            section.card aria-labelledby="secret-heading" {
                div.head { h2 id="secret-heading" { "Signing secret" } }
                div.body.stack {
                    div.secret { code id="secret" { (view.secret.expose()) } (copy_from("secret", "Copy secret")) }
                    @if let Some(also) = view.also {
                        p { "The new secret, which signs " code { "webhook-signature" } " already:" }
                        div.secret { code id="new-secret" { (also.expose()) } (copy_from("new-secret", "Copy new secret")) }
                    }
                    (remark(view.shown))
                }
            }
            section.card aria-labelledby="verify" {
                div.head {
                    h2 id="verify" { "Verify that requests come from Boottify" }
                }
                (samples(view.secret))
            }
            (notice(Tone::Warn, &html! {
                p { strong { "Security: " } "Always verify webhook signatures in production to prevent unauthorized requests." }
            }))
            div.form-foot {
                a.button.primary id="secret-done" href=(base) { "Done, I saved the secret" }
                a.button href={ (base) "/test" } { "Send test event" }
            }
        },
    )
}

fn title(shown: Shown) -> &'static str {
    match shown {
        Shown::Created => "Webhook created. Copy its secret",
        Shown::Rotated { .. } => "Copy the new secret",
        Shown::Revealed => "Signing secret",
    }
}

fn remark(shown: Shown) -> Markup {
    html! {
        @match shown {
            Shown::Created => p.hint {
                "Save it where your receiver finds it, for example as "
                code { "WEBHOOK_SECRET" } ". This page does not show it again by itself."
            },
            Shown::Rotated { switches_at_ms: None } => p.hint { "It signs from now on." },
            Shown::Rotated { switches_at_ms: Some(at) } => p.hint {
                "The old secret goes on signing " code { "x-boottify-signature" } " until " (exact(at))
                ". Change your receivers by then, or promote the new one as soon as they are ready."
            },
            Shown::Revealed => p.hint { "That it was shown is noted in the audit list." },
        }
    }
}

/// One sample in each language. Radio buttons choose, so that no script is needed.
fn samples(secret: &Secret) -> Markup {
    html! {
        div.samples {
            @for language in Language::ALL {
                input id={ "sample-" (language.word()) } type="radio" name="sample"
                    checked[language == Language::Node];
            }
            div.labels {
                @for language in Language::ALL {
                    label for={ "sample-" (language.word()) } { (language.name()) }
                }
            }
            div.panels {
                @for language in Language::ALL {
                    @let code = format!("code-{}", language.word());
                    div class={ "panel " (language.word()) } {
                        (copy_from(&code, &format!("Copy the {} sample", language.name())))
                        pre tabindex="0" role="region" aria-label={ (language.name()) " sample" } {
                            code id=(code) { (language.sample(secret)) }
                        }
                    }
                }
            }
        }
    }
}
