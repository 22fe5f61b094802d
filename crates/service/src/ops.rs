//! The operations listener: `/metrics`, `/healthz`, `/readyz`, and `/revision` for the command line.
//!
//! It runs on a thread and a runtime of its own, so that it answers truthfully while the rest of
//! the program is drowning. It never asks the broker, a store or the network anything.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{Registry, TextEncoder};
use serde_json::{Value, json};
use store::Store;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::listener::{self, Bounds};

/// What the listener answers from.
pub(crate) struct Operations {
    pub(crate) registry: Registry,
    pub(crate) health: Health,
    pub(crate) bounds: Bounds,
    pub(crate) live: Store,
    /// Brings computed gauges up to date before they are read.
    pub(crate) refresh: Box<dyn Fn() + Send + Sync>,
}

/// The listener could not be opened.
#[derive(Debug, Error)]
#[error("cannot listen on {address} (operations.listen)")]
pub(crate) struct ListenError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Opens the listener and answers on a thread of its own until the process ends.
///
/// # Errors
///
/// [`ListenError`] where the address is taken or not ours, or no thread can be had.
pub(crate) fn start(
    address: SocketAddr,
    operations: Operations,
) -> Result<SocketAddr, ListenError> {
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let listener = {
        let _within = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(failed)?
    };
    let bounds = operations.bounds.clone();
    let never = CancellationToken::new();
    let serve =
        move || runtime.block_on(listener::serve(listener, router(operations), bounds, never));
    std::thread::Builder::new().name("operations".to_owned()).spawn(serve).map_err(failed)?;
    tracing::info!("operations listener on http://{local}");
    Ok(local)
}

fn router(operations: Operations) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/revision", get(revision))
        .with_state(Arc::new(operations))
}

async fn metrics(State(operations): State<Arc<Operations>>) -> Response {
    (operations.refresh)();
    match TextEncoder::new().encode_to_string(&operations.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn healthz(State(operations): State<Arc<Operations>>) -> Response {
    answer(operations.health.live())
}

async fn readyz(State(operations): State<Arc<Operations>>) -> Response {
    answer(operations.health.ready())
}

/// Which change of which store is live.
async fn revision(State(operations): State<Arc<Operations>>) -> Json<Value> {
    let store = &operations.live;
    Json(json!({ "store": store.identity(), "revision": store.revision() }))
}

fn answer(state: Result<(), String>) -> Response {
    match state {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}
