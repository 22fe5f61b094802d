//! A listener for people and probes, with bounds: so many connections at a time, each with one
//! request and so long at most. More are closed at once, and counted.
//!
//! Who can reach it and wants to can keep all the room for as long as a connection may last: it is
//! for networks that one trusts.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::IntCounter;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Pause after a connection could not be accepted, as when the process has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the head of a request may take: probes and scrapers send it at once.
const HEADER_LIMIT: Duration = Duration::from_secs(2);

/// What a listener puts up with.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// The most connections at the same time.
    pub(crate) max_connections: usize,
    /// How long a connection may last, from its beginning to the last byte of the answer.
    pub(crate) timeout: Duration,
    /// Connections that found no room.
    pub(crate) refused: IntCounter,
}

/// Answers until the runtime goes down.
pub(crate) async fn serve(listener: TcpListener, app: Router, bounds: Bounds) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) if open.len() < bounds.max_connections => {
                open.spawn(answer(stream, app.clone(), bounds.timeout));
            }
            Ok(_) => bounds.refused.inc(),
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, app: Router, limit: Duration) {
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT.min(limit))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    match timeout(limit, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request came to no good end"),
        Err(_) => tracing::debug!(?limit, "a connection took too long"),
    }
}
