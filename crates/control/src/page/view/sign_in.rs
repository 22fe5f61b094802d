//! The screen for who is not signed in.

use maud::{Markup, html};

use super::frame::document;
use super::icon::mark;
use super::pieces::field_error;

/// What the screen shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignIn<'a> {
    /// What was wrong with the last try.
    pub(crate) error: Option<&'a str>,
    /// Where to go afterwards, within the page.
    pub(crate) next: &'a str,
    /// The time, ms since 1970.
    pub(crate) now_ms: i64,
}

/// Sign in with a token.
pub(crate) fn sign_in(view: SignIn<'_>) -> Markup {
    let described = if view.error.is_some() { "token-error token-hint" } else { "token-hint" };
    document(
        "Sign in",
        view.now_ms,
        &html! {
            main.sign-in id="content" {
                div {
                    a.brand href="/admin/webhooks" { (mark()) span { "Boottify" small { "Control Center" } } }
                    div.card {
                        form.body.stack id="sign-in" method="post" action="/admin/sign-in" {
                            h1 { "Sign in" }
                            input type="hidden" name="next" value=(view.next);
                            div.field {
                                label for="token" { "Access token" }
                                input id="token" name="token" type="password" required autofocus
                                    autocomplete="current-password" spellcheck="false"
                                    aria-describedby=(described)
                                    aria-invalid=[view.error.map(|_| "true")];
                                (field_error("token", view.error))
                                p.hint id="token-hint" {
                                    "One of the tokens in this service's configuration. It is kept in a "
                                    "session cookie that scripts cannot read."
                                }
                            }
                            button.button.primary type="submit" { "Sign in" }
                        }
                    }
                }
            }
        },
    )
}
