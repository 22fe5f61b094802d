//! The addresses of the page.

mod actions;
mod audit;
mod dead;
mod deliveries;
mod editing;
mod sign_in;
mod webhooks;

use axum::Router;
use axum::extract::{Path, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use subscriptions::WebhookId;
use tokio_util::sync::CancellationToken;

use super::answer::{Refusal, Reply};
use super::assets::Asset;
use super::gate::{gate, open_gate};
use super::live::Live;
use crate::App;
use crate::metrics::Metrics;
use crate::problem::{Problem, ProblemKind};

/// The page, whose streams end when `stop` says so.
pub(crate) fn routes(app: &App, metrics: Metrics, stop: CancellationToken) -> Router<App> {
    let screens = Router::new()
        .route("/admin/webhooks", get(webhooks::list))
        .route("/admin/webhooks/", get(webhooks::list))
        .route("/admin/webhooks/new", get(editing::new).post(editing::create))
        .route("/admin/webhooks/{id}", get(webhooks::deliveries))
        .route("/admin/webhooks/{id}/settings", get(webhooks::settings))
        .route("/admin/webhooks/{id}/audit", get(webhooks::history))
        .route("/admin/webhooks/{id}/live", get(webhooks::live))
        .route("/admin/webhooks/{id}/edit", get(editing::edit).post(editing::save))
        .route("/admin/webhooks/{id}/test", get(actions::ask_test).post(actions::test))
        .route("/admin/webhooks/{id}/enable", post(actions::enable))
        .route("/admin/webhooks/{id}/disable", post(actions::disable))
        .route("/admin/webhooks/{id}/kept", get(actions::ask_kept))
        .route("/admin/webhooks/{id}/delete", get(actions::ask_delete).post(actions::delete))
        .route("/admin/webhooks/{id}/rotate-secret", get(actions::ask_rotate).post(actions::rotate))
        .route("/admin/webhooks/{id}/promote", post(actions::promote))
        .route("/admin/webhooks/{id}/reveal-secret", post(actions::reveal))
        .route("/admin/webhooks/{id}/recover", post(actions::recover))
        .route("/admin/deliveries/{id}", get(deliveries::show))
        .route("/admin/deliveries/{id}/redeliver", post(deliveries::redeliver))
        .route("/admin/dead", get(dead::list))
        .route("/admin/dead/replay", get(dead::ask_replay).post(dead::replay))
        .route("/admin/dead/drop", get(dead::ask_drop).post(dead::drop_letters))
        .route("/admin/audit", get(audit::list))
        .route("/admin/sign-out", post(sign_in::leave))
        .route("/admin/{*rest}", get(nothing))
        .method_not_allowed_fallback(no_such_method)
        .with_state(Page { app: app.clone(), live: Live::new(metrics, stop) })
        .layer(from_fn_with_state(app.clone(), gate));
    let open = Router::new()
        .route("/", get(home))
        .route("/admin", get(home))
        .route("/admin/", get(home))
        .route("/admin/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/admin/assets/{name}", get(asset))
        .method_not_allowed_fallback(no_such_method)
        .with_state(app.clone())
        .layer(from_fn(open_gate));
    // Both have their state; what they are merged into has another.
    screens.merge(open).with_state(())
}

/// What screens are answered from.
#[derive(Clone)]
struct Page {
    app: App,
    live: Live,
}

/// The webhook that an address names.
fn webhook_id(text: &str) -> Result<WebhookId, Problem> {
    WebhookId::try_new(text)
        .map_err(|_| Problem::new(ProblemKind::UnknownWebhook, "no webhook has an id like this"))
}

async fn home() -> Reply {
    Reply::Go("/admin/webhooks".to_owned())
}

async fn no_such_method() -> Refusal {
    Problem::new(ProblemKind::MethodNotAllowed, "use the forms of this page").into()
}

async fn nothing() -> Refusal {
    Problem::new(ProblemKind::NotFound, "check the address").into()
}

/// A file that screens load. Its name changes with its content: it may be kept for good.
async fn asset(State(_): State<App>, Path(name): Path<String>) -> Response {
    let Some(asset) = Asset::of_name(&name) else {
        return nothing().await.into_response();
    };
    let mut response = asset.content().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type()));
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, forever);
    response
}
