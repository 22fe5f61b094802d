//! All routes of the admin listener, and what holds for each of them.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::api;
use crate::auth::Auth;
use crate::desk::Desk;
use crate::metrics::Metrics;
use crate::page;
use crate::problem::{Problem, ProblemKind};

/// Nothing from elsewhere, nothing written into the page, no page around ours.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What every answer says.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// The page and the API, each answer of which begins within `limit`. The page's streams of live rows
/// end when `stop` says so. Who connected is expected as a [`Peer`](crate::Peer) among a request's
/// extensions.
pub fn router(
    desk: Desk,
    auth: Auth,
    metrics: Metrics,
    limit: Duration,
    stop: CancellationToken,
) -> Router {
    let app = App { desk, auth };
    let front_of = Front { app: app.clone(), metrics, limit };
    Router::new()
        .nest(api::PREFIX, api::routes(&app))
        .merge(page::routes(&app, stop))
        .fallback(api::no_such_route)
        .method_not_allowed_fallback(api::no_such_method)
        .layer(middleware::from_fn_with_state(front_of, front))
        .with_state(app)
}

/// What [`front`] goes by.
#[derive(Clone)]
struct Front {
    app: App,
    metrics: Metrics,
    limit: Duration,
}

/// Refuses what another site makes a browser ask for; counts; says what browsers must not do.
async fn front(State(front): State<Front>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (parts, body) = request.into_parts();
    let mut response = match front.app.auth.check_origin(&parts) {
        Ok(()) => {
            let answer = next.run(Request::from_parts(parts, body));
            timeout(front.limit, answer).await.unwrap_or_else(|_| too_slow(front.limit))
        }
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    // What is no route counts as one, so that nobody can make up labels.
    front.metrics.answered(route.as_deref().unwrap_or("none"), response.status());
    response
}

/// What was asked for may or may not have been done.
fn too_slow(limit: Duration) -> Response {
    let why = format!("there was no answer within {limit:?}; it may have been done all the same");
    Problem::new(ProblemKind::TimedOut, why).into_response()
}
