//! Before and after every screen: who asks, and what is said where there is no screen. That the
//! request is for us and not made by another site is judged before (`router`).
//!
//! A handler takes [`Asked`] to show something and [`Posted`] to do something; the latter exists
//! only for who may change things and proved that the form is ours. A refusal leaves a handler
//! without a screen; it is drawn here, within the frame of who asked.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method};

use super::answer::{Refusal, go, rest_of, screen};
use super::fields::{Fields, address};
use super::view::fault::fault;
use super::view::frame::{Done, Frame, Said};
use crate::App;
use crate::auth::{By, Role, Viewer};
use crate::clock::now_ms;
use crate::desk::{Desk, Left};
use crate::problem::{Problem, ProblemKind};

/// The largest form, in bytes.
const MAX_FORM_BYTES: usize = 256 * 1024;

/// A request of somebody who is signed in.
#[derive(Clone)]
pub(super) struct Asked {
    /// What can be done.
    pub(super) desk: Desk,
    /// Who asks.
    pub(super) viewer: Viewer,
    /// What screens must know of it.
    pub(super) frame: Frame,
    /// The query.
    pub(super) query: Fields,
}

/// A form that came from this page, of anybody who is signed in.
pub(super) struct Proved(pub(super) Asked, pub(super) Fields);

/// A form of somebody who may change things.
pub(super) struct Posted {
    /// The request.
    pub(super) asked: Asked,
    /// What the form holds.
    pub(super) fields: Fields,
}

impl Posted {
    /// Who is noted in the audit.
    pub(super) fn actor(&self) -> &str {
        &self.asked.viewer.name
    }
}

/// Stands around every screen that needs somebody to be signed in.
pub(super) async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let asked = match admit(&app, &parts) {
        Ok(asked) => asked,
        Err(problem) if problem.kind == ProblemKind::Unauthenticated => {
            let there = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
            let there = there.filter(|_| parts.method == Method::GET).unwrap_or_default();
            return dressed(go(&address("/admin/sign-in", &[("next", there)])));
        }
        Err(problem) => return turned_away(&problem),
    };
    let frame = asked.frame.clone();
    parts.extensions.insert(asked);
    let response = next.run(Request::from_parts(parts, body)).await;
    dressed(drawn(response, Some(&frame)))
}

/// Whether a browser that asks for this path expects a screen.
pub(crate) fn is_screen(path: &str) -> bool {
    path == "/" || path == "/admin" || path.starts_with("/admin/")
}

/// The screen that says why a request did not come as far as to who asks.
pub(crate) fn turned_away(problem: &Problem) -> Response {
    dressed(refused(None, problem))
}

/// Stands around screens for everybody: to sign in, and what they load.
pub(super) async fn open_gate(request: Request, next: Next) -> Response {
    dressed(drawn(next.run(request).await, None))
}

/// The form that a request carries, whoever sends it.
pub(super) async fn form(request: Request) -> Result<Fields, Problem> {
    let bytes = to_bytes(request.into_body(), MAX_FORM_BYTES).await.map_err(|_| {
        let why = format!("a form may have {MAX_FORM_BYTES} bytes");
        Problem::new(ProblemKind::TooLarge, why)
    })?;
    Fields::read(&bytes)
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let asked = parts.extensions.get::<Self>().cloned();
        asked.ok_or_else(|| Problem::new(ProblemKind::Unauthenticated, "sign in first").into())
    }
}

impl<S: Sync> FromRequest<S> for Proved {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let asked = Asked::from_request_parts(&mut parts, state).await?;
        let fields = form(Request::from_parts(parts, body)).await?;
        asked.viewer.check_csrf(fields.get("csrf"))?;
        Ok(Self(asked, fields))
    }
}

impl<S: Sync> FromRequest<S> for Posted {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let Proved(asked, fields) = Proved::from_request(request, state).await?;
        asked.viewer.must_be_admin()?;
        Ok(Self { asked, fields })
    }
}

fn admit(app: &App, parts: &Parts) -> Result<Asked, Problem> {
    let viewer = app.auth.viewer(parts)?;
    let query = Fields::read(parts.uri.query().unwrap_or_default().as_bytes())?;
    let frame = Frame {
        who: viewer.name.clone(),
        session: viewer.by == By::Session,
        admin: viewer.role == Role::Admin,
        csrf: viewer.csrf.clone(),
        trouble: app.desk.trouble(),
        read_only: app.desk.read_only(),
        now_ms: now_ms(),
        done: said(&query),
    };
    Ok(Asked { desk: app.desk.clone(), viewer, frame, query })
}

fn said(query: &Fields) -> Option<Said> {
    let number = |name| query.get(name).parse().unwrap_or(0);
    let [deleted, disabled, unopened] = ["left", "disabled", "unopened"].map(number);
    Some(Said {
        done: Done::of_word(query.get("done"))?,
        count: query.get("n").parse().ok(),
        forgotten: number("forgotten"),
        left: Left { deleted, disabled, unopened },
        rest: rest_of(query.get("rest")),
    })
}

/// The response, or the screen that says why there is none.
fn drawn(response: Response, frame: Option<&Frame>) -> Response {
    match response.extensions().get::<Refusal>() {
        Some(Refusal(problem)) => {
            let mut screen = refused(frame, problem);
            if let Some(allow) = response.headers().get(ALLOW) {
                screen.headers_mut().insert(ALLOW, allow.clone());
            }
            screen
        }
        None => response,
    }
}

fn refused(frame: Option<&Frame>, problem: &Problem) -> Response {
    // What was done before is not said beside what was not.
    let frame = frame.map(|frame| Frame { done: None, ..frame.clone() });
    let drawn = fault(frame.as_ref(), now_ms(), problem);
    let mut response = screen(problem.status(), drawn);
    if let Some(seconds) = problem.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Nothing of the page is kept by browsers, unless it says so itself.
fn dressed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
