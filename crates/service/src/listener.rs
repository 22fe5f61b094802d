//! A listener for people and probes, with bounds: so many connections at a time, and each so long
//! at most. More are closed at once, and counted.
//!
//! Who can reach it and wants to can keep all the room for as long as a connection may last: it is
//! for networks that one trusts.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::IntCounter;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Pause after a connection could not be accepted, as when the process has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long requests that are under way may take when the listener closes.
const CLOSING: Duration = Duration::from_secs(2);

/// What a listener puts up with.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// The most connections at the same time.
    pub(crate) max_connections: usize,
    /// How long a connection may last, from its beginning to the last byte of the answer.
    pub(crate) timeout: Duration,
    /// How long the head of a request may take, and how long none may come.
    pub(crate) head_timeout: Duration,
    /// What becomes of a connection after an answer.
    pub(crate) connections: Connections,
    /// Connections that found no room.
    pub(crate) refused: IntCounter,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// It is closed: probes ask once.
    Once,
    /// It is kept for the next request: browsers ask for many things.
    Kept,
}

/// Answers until `closing`, and for a moment longer to whoever asked before.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    bounds: Bounds,
    closing: CancellationToken,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            () = closing.cancelled() => break,
        };
        match accepted {
            Ok((stream, from)) if open.len() < bounds.max_connections => {
                let (app, bounds, closing) = (app.clone(), bounds.clone(), closing.clone());
                open.spawn(answer(stream, from.ip(), app, bounds, closing));
            }
            Ok(_) => bounds.refused.inc(),
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn answer(
    stream: TcpStream,
    from: IpAddr,
    app: Router,
    bounds: Bounds,
    closing: CancellationToken,
) {
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(control::Peer(from));
        app.call(request)
    });
    let connection = http1::Builder::new()
        .keep_alive(bounds.connections == Connections::Kept)
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = timeout(bounds.timeout, connection.as_mut()) => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(CLOSING, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request came to no good end"),
        Err(_) => tracing::debug!("a connection took too long"),
    }
}
