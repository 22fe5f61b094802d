//! In and out.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::super::answer::{Answer, Refusal, Reply};
use super::super::fields::Fields;
use super::super::form::sentence;
use super::super::gate::{Proved, form};
use super::super::view::sign_in::{SignIn, sign_in};
use super::Page;
use crate::App;
use crate::clock::now_ms;
use crate::problem::ProblemKind;

pub(super) async fn show(State(app): State<App>, request: Request) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    let query = Fields::read(query.as_bytes())?;
    let next = inside(query.get("next"));
    let (parts, _) = request.into_parts();
    if app.auth.viewer(&parts).is_ok() {
        return Ok(Reply::Go(next.to_owned()));
    }
    let view = SignIn { error: None, next, now_ms: now_ms() };
    Ok(Reply::Screen(sign_in(view)))
}

pub(super) async fn enter(State(app): State<App>, request: Request) -> Response {
    let client = app.auth.client(request.headers(), request.extensions());
    let fields = match form(request).await {
        Ok(fields) => fields,
        Err(problem) => return Refusal(problem).into_response(),
    };
    let next = inside(fields.get("next"));
    let problem = match app.auth.sign_in(fields.get("token"), client) {
        Ok(cookie) => return Reply::GoWith(next.to_owned(), cookie).into_response(),
        Err(problem) => problem,
    };
    let status = match problem.kind {
        ProblemKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        _ => problem.status(),
    };
    let error = sentence(&problem.detail);
    let view = SignIn { error: Some(&error), next, now_ms: now_ms() };
    let mut response = Reply::Again(status, sign_in(view)).into_response();
    if let Some(seconds) = problem.retry_after_s {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

pub(super) async fn leave(State(page): State<Page>, headers: HeaderMap, _form: Proved) -> Reply {
    let App { auth, desk } = &page.app;
    Reply::GoWith("/admin/sign-in".to_owned(), auth.sign_out(&headers, desk.shared()).await)
}

/// The address if it is one of the page's, else the first screen: nobody is led elsewhere.
fn inside(next: &str) -> &str {
    let own = next.starts_with("/admin/") && !next.contains("//");
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if own && plain { next } else { "/admin/webhooks" }
}
