//! Answers of the page: a screen, the way to one, or why there is none.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use maud::Markup;

use super::view::frame::{Done, Said};
use crate::desk::{Left, Rest};
use crate::problem::Problem;

/// What comes of a request.
pub(super) type Answer = Result<Reply, Refusal>;

/// What is answered.
pub(super) enum Reply {
    /// A screen.
    Screen(Markup),
    /// A form that is shown again, with the status that says why.
    Again(StatusCode, Markup),
    /// Go there, by GET.
    Go(String),
    /// Go there, with this cookie.
    GoWith(String, HeaderValue),
}

/// Why not; `gate` draws the screen, which knows who asks.
#[derive(Clone, Debug)]
pub(super) struct Refusal(pub(super) Problem);

impl Reply {
    /// Go there and say what has been done.
    pub(super) fn done(path: &str, done: Done) -> Self {
        Self::said(path, Said::of(done))
    }

    /// Go there and say what has been done to how many. `path` may have a query.
    pub(super) fn said(path: &str, said: Said) -> Self {
        let count = said.count.map(|count| count.to_string()).unwrap_or_default();
        let some = |number: usize| if number > 0 { number.to_string() } else { String::new() };
        let Left { deleted, disabled, unopened } = said.left;
        let [forgotten, deleted, disabled, unopened] =
            [said.forgotten, deleted, disabled, unopened].map(some);
        let query = super::fields::query(&[
            ("done", said.done.word()),
            ("n", &count),
            ("forgotten", &forgotten),
            ("left", &deleted),
            ("disabled", &disabled),
            ("unopened", &unopened),
            ("rest", word_of(said.rest)),
        ]);
        let joint = if path.contains('?') { '&' } else { '?' };
        Self::Go(format!("{path}{joint}{query}"))
    }
}

/// The word that an address has for it.
fn word_of(rest: Rest) -> &'static str {
    match rest {
        Rest::None => "",
        Rest::Follows => "follows",
        Rest::Unseen => "unseen",
    }
}

/// What is meant by a word in an address.
pub(super) fn rest_of(word: &str) -> Rest {
    let known = [Rest::Follows, Rest::Unseen].into_iter().find(|rest| word_of(*rest) == word);
    known.unwrap_or_default()
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Screen(drawn) => screen(StatusCode::OK, drawn),
            Self::Again(status, drawn) => screen(status, drawn),
            Self::Go(address) => go(&address),
            Self::GoWith(address, cookie) => {
                let mut response = go(&address);
                response.headers_mut().insert(SET_COOKIE, cookie);
                response
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// A screen as a response.
pub(super) fn screen(status: StatusCode, drawn: Markup) -> Response {
    let mut response = Response::new(Body::from(visible(drawn)));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

/// What is drawn, with a sign in the place of each control character: what a receiver answered is
/// shown as text, and those are none that HTML may hold.
pub(super) fn visible(drawn: Markup) -> String {
    let text = drawn.into_string();
    let hidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if !text.contains(hidden) {
        return text;
    }
    let sign = |c: char| match u32::from(c) {
        // Unicode has a picture of each.
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(|c| if hidden(c) { sign(c) } else { c }).collect()
}

/// A way to another screen.
pub(super) fn go(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // Addresses are ours and their queries are encoded: this is always a header's value.
    let address = HeaderValue::from_str(address);
    let address = address.unwrap_or(HeaderValue::from_static("/admin/webhooks"));
    response.headers_mut().insert(LOCATION, address);
    response
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[test]
    fn control_characters_are_seen_and_not_sent() {
        let drawn = |text: &str| visible(html! { p { (text) } });
        assert_eq!(drawn("a\0b\x1b[31m\x7f\u{85}\t\r\n<ä"), "<p>a␀b␛[31m␡\u{fffd}\t\r\n&lt;ä</p>");
        assert_eq!(drawn("plain"), "<p>plain</p>");
    }
}
