//! A listener for people and probes, with bounds: so many connections at a time, and each so long
//! at most. Where there are more, the one whose peer has owed us a request for the longest time gives
//! way (`seats.rs`); only where all are being answered, the newest is closed at once. Both are counted.
//!
//! Who is answered and does not take the answer keeps room for as long as a connection may last: that
//! is for people with a token.

mod seats;

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
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::seats::{Seat, Seats};

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
    /// Connections that found no room, or gave it to another.
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
    let mut seats = Seats::new(bounds.max_connections);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(()) = seats.ended() => continue,
            () = closing.cancelled() => break,
        };
        match accepted {
            Ok((stream, from)) => {
                seats.note_ended();
                let is_full = !seats.has_room();
                if is_full {
                    bounds.refused.inc();
                }
                if !is_full || seats.make_room().await {
                    let (app, bounds, closing) = (app.clone(), bounds.clone(), closing.clone());
                    seats.take(|seat| answer((stream, from.ip()), seat, app, bounds, closing));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while seats.ended().await.is_some() {}
}

async fn answer(
    (stream, from): (TcpStream, IpAddr),
    seat: Seat,
    app: Router,
    bounds: Bounds,
    closing: CancellationToken,
) {
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(control::Peer(from));
        let answering = app.call(request.map(|body| seat.coming(body)));
        let seat = seat.clone();
        async move { answering.await.map(|answer| answer.map(|body| seat.going(body))) }
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
