//! The API under `/api/v1`: JSON in, JSON or problem documents out.
//!
//! ```text
//! request ─► who asks (auth) ─► may they? ─► body and query, every mistake told ─► desk ─► wire
//! ```
//!
//! Whatever is no GET changes something and needs the role `admin`; a browser's cookie needs the
//! session's proof in `x-csrf-token` besides. Routes and the OpenAPI document are made from the same
//! lines, so that neither can have what the other lacks.

mod deliveries;
mod document;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod input;
mod json;
mod params;
mod query;
mod webhooks;
mod wire;

use axum::Json;
use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::auth::By;
use crate::problem::{Problem, ProblemKind};

/// Where the API is.
pub(crate) const PREFIX: &str = "/api/v1";
/// The proof of a request by cookie.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// The routes, below [`PREFIX`].
pub(crate) fn routes(app: &App) -> Router<App> {
    let (router, document) = OpenApiRouter::new()
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::get, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::promote))
        .routes(routes!(webhooks::reveal))
        .routes(routes!(webhooks::stats))
        .routes(routes!(webhooks::standing))
        .routes(routes!(webhooks::audit))
        .routes(routes!(webhooks::event_types))
        .routes(routes!(deliveries::test))
        .routes(routes!(deliveries::of_webhook))
        .routes(routes!(deliveries::all))
        .routes(routes!(deliveries::one))
        .routes(routes!(deliveries::redeliver))
        .routes(routes!(deliveries::recover))
        .routes(routes!(deliveries::dead))
        .routes(routes!(deliveries::replay))
        .routes(routes!(deliveries::drop_one))
        .routes(routes!(deliveries::try_out))
        .split_for_parts();
    let document = document::finished(document);
    router
        .route("/openapi.json", get(move || async move { Json(document) }))
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_route)
        .layer(middleware::from_fn_with_state(app.clone(), guard))
}

/// Lets through who may ask, and says who it is.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let viewer = match judge(&app, &parts) {
        Ok(viewer) => viewer,
        Err(problem) => return problem.into_response(),
    };
    parts.extensions.insert(viewer);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    // What is shown is of this moment and for this viewer.
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(CACHE_CONTROL).or_insert(no_store);
    response
}

fn judge(app: &App, parts: &Parts) -> Result<crate::auth::Viewer, Problem> {
    let viewer = app.auth.viewer(parts)?;
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        if viewer.by == By::Session {
            let proof = parts.headers.get(CSRF).and_then(|value| value.to_str().ok());
            viewer.check_csrf(proof.unwrap_or_default())?;
        }
        viewer.must_be_admin()?;
    }
    Ok(viewer)
}

pub(crate) async fn no_such_route(request: Request) -> Problem {
    // What is nested sees a path without what it is nested in.
    let asked = request.extensions().get().map_or(request.uri(), |OriginalUri(uri)| uri);
    let path: String = asked.path().chars().take(100).collect();
    Problem::new(ProblemKind::NotFound, format!("there is nothing at {path:?}"))
}

pub(crate) async fn no_such_method(request: Request) -> Problem {
    let method: String = request.method().as_str().chars().take(20).collect();
    let why = format!("this address has no method {method}; the header allow says which it has");
    Problem::new(ProblemKind::MethodNotAllowed, why)
}
