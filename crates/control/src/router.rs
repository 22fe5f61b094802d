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
    let front_of = Front { auth: app.auth.clone(), metrics: metrics.clone(), limit };
    Router::new()
        .nest(api::PREFIX, api::routes(&app))
        .merge(page::routes(&app, metrics, stop))
        .fallback(api::no_such_route)
        .method_not_allowed_fallback(api::no_such_method)
        .layer(middleware::from_fn_with_state(front_of, front))
        .with_state(app)
}

/// What [`front`] goes by.
#[derive(Clone)]
struct Front {
    auth: Auth,
    metrics: Metrics,
    limit: Duration,
}

/// Refuses what another site makes a browser ask for; counts; says what browsers must not do.
async fn front(State(front): State<Front>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (parts, body) = request.into_parts();
    let for_screen = page::is_screen(parts.uri.path());
    let answer = match front.auth.check_origin(&parts) {
        Ok(()) => {
            let answer = next.run(Request::from_parts(parts, body));
            timeout(front.limit, answer).await.map_err(|_| too_slow(front.limit))
        }
        Err(problem) => Err(problem),
    };
    let mut response = answer.unwrap_or_else(|problem| {
        if for_screen { page::turned_away(&problem) } else { problem.into_response() }
    });
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    // What is no route counts as one, so that nobody can make up labels.
    front.metrics.answered(route.as_deref().unwrap_or("none"), response.status());
    response
}

/// What was asked for may or may not have been done.
fn too_slow(limit: Duration) -> Problem {
    let why = format!("there was no answer within {limit:?}; it may have been done all the same");
    Problem::new(ProblemKind::TimedOut, why)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use http::header::CONTENT_TYPE;
    use metering::Registry;
    use tower_service::Service;

    use super::*;

    /// What a route that never answers comes to.
    async fn asked(path: &'static str, headers: &[(&str, &str)]) -> (u16, String, String) {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let tokens = "alice admin tok_0123456789abcdef".parse().unwrap();
        let limit = Duration::from_millis(10);
        let auth = Auth::new(tokens, limit, None, Vec::new(), metrics.clone()).unwrap();
        let front_of = Front { auth, metrics, limit };
        let mut app = Router::new()
            .route(path, get(std::future::pending::<()>))
            .layer(middleware::from_fn_with_state(front_of, front));
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = app.call(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, kind) = (response.status().as_u16(), response.headers()[CONTENT_TYPE].clone());
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let kind = kind.to_str().unwrap().to_owned();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn people_get_screens_and_programs_get_documents() {
        let foreign = [("sec-fetch-site", "cross-site")];
        for (headers, status) in [(&[][..], 503), (&foreign[..], 403)] {
            for path in ["/", "/admin", "/admin/webhooks"] {
                let (found, kind, body) = asked(path, headers).await;
                assert_eq!((found, &*kind), (status, "text/html; charset=utf-8"), "{path}");
                assert!(body.contains("id=\"fault\""), "{path}: {body}");
            }
            for path in ["/api/v1/webhooks", "/administrator"] {
                let (found, kind, _) = asked(path, headers).await;
                assert_eq!((found, &*kind), (status, "application/problem+json"), "{path}");
            }
        }
    }
}
