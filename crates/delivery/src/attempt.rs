//! One attempt from the request to the outcome.
//!
//! The time limit covers everything: name, connection, TLS, request, and the response to its end.
//! A 2xx counts once it is whole, or once more of it has come than is read: a response that breaks
//! off leaves open what the receiver did, and a repeat carries the same id.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use event::{DeliveryId, Event, TraceContext};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use subscriptions::{Host, Secrets, Webhook};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::connector::{self, ConnectError, Connector, Way};
use crate::guard::Guard;
use crate::headers::{Signatures, headers};
use crate::metrics::Metrics;
use crate::names::Names;
use crate::outcome::{Failure, FailureKind, NotSent, Outcome, Response};
use crate::patience::Credit;
use crate::retry_after;
use crate::tls::{self, TlsError};

/// How much of a response is kept for people.
const EXCERPT: usize = 4 * 1024;
/// The longest response head over HTTP/1.1, in bytes.
const HTTP1_HEAD: usize = 64 * 1024;
/// The longest header list over HTTP/2, in bytes.
const HTTP2_HEAD: u32 = 64 * 1024;
/// What a receiver may send ahead over HTTP/2, per request and per connection, in bytes.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// A connection that answers no ping is found dead after the two together, in use or idle: without
/// it every request on it would wait for its own time limit, and the next one would take its place.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(5);
const HTTP2_PING_LIMIT: Duration = Duration::from_secs(5);

/// The bounds of every attempt.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a connection stands: name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// The whole attempt.
    pub timeout: Duration,
    /// Bytes read of a response body.
    pub max_response_bytes: usize,
    /// Open connections, to all hosts together.
    pub max_connections: usize,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept per host.
    pub max_idle_per_host: usize,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// To whom.
    pub webhook: &'a Webhook,
    /// What it is signed with: those of the webhook.
    pub secrets: &'a Secrets,
    /// What happened.
    pub event: &'a Event,
    /// The delivery's id.
    pub delivery: &'a DeliveryId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The trace context that the receiver is told.
    pub trace: Option<&'a TraceContext>,
}

/// An attempt that was made, or that a bound kept from being made.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// What it came to.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// What proved its origin; `None` where nothing was to be sent.
    pub signatures: Option<Signatures>,
}

/// Makes attempts; holds the connections. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    client: Client<Connector, Full<Bytes>>,
    guard: Guard,
    limits: Limits,
    metrics: Metrics,
}

impl Sender {
    /// A sender without connections, that trusts the system's certificate authorities and those of
    /// `extra_ca_pem`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] where `extra_ca_pem` holds no certificates.
    pub fn new(
        limits: Limits,
        guard: Guard,
        names: Names,
        extra_ca_pem: Option<&[u8]>,
        metrics: Metrics,
    ) -> Result<Self, TlsError> {
        let tls = tls::config(extra_ca_pem)?;
        let way = Way {
            guard: guard.clone(),
            names,
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            open: metrics.connections_open.clone(),
            max_response_bytes: limits.max_response_bytes,
        };
        let connector = connector::build(way, tls, limits.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_timeout)
            .pool_max_idle_per_host(limits.max_idle_per_host)
            .http1_max_buf_size(HTTP1_HEAD)
            .http2_max_header_list_size(HTTP2_HEAD)
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .http2_keep_alive_interval(HTTP2_PING_EVERY)
            .http2_keep_alive_timeout(HTTP2_PING_LIMIT)
            .http2_keep_alive_while_idle(true)
            .build(connector);
        Ok(Self { client, guard, limits, metrics })
    }

    /// Makes one attempt.
    pub async fn attempt(&self, request: &Request<'_>) -> Attempted {
        let started = Instant::now();
        // The connector judges it, too, but a connection of before may be open still.
        if let Host::Address(address) = request.webhook.url.host()
            && let Err(blocked) = self.guard.judge(address)
        {
            let failure = Failure::new(FailureKind::BlockedAddress, blocked.to_string());
            let (outcome, duration) = (Outcome::Failed(failure), started.elapsed());
            self.metrics.attempted(&outcome, duration);
            return Attempted { outcome, duration, signatures: None };
        }
        let (headers, signatures) = headers(request, now_seconds());
        let deadline = started + self.limits.timeout;
        let outcome = match timeout_at(deadline, self.send(request, headers, deadline)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(not_sent)) => {
                self.metrics.connections_exhausted.inc();
                let outcome = Outcome::NotSent(not_sent);
                return Attempted { outcome, duration: started.elapsed(), signatures: None };
            }
            Err(_) => {
                let limit = self.limits.timeout;
                Outcome::Failed(Failure::new(
                    FailureKind::Timeout,
                    format!("not answered within {limit:?}"),
                ))
            }
        };
        let duration = started.elapsed();
        self.metrics.attempted(&outcome, duration);
        Attempted { outcome, duration, signatures: Some(signatures) }
    }

    async fn send(
        &self,
        request: &Request<'_>,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Outcome, NotSent> {
        let mut message = http::Request::new(Full::new(request.event.body().clone()));
        *message.method_mut() = Method::POST;
        *message.uri_mut() = request.webhook.url.uri().clone();
        *message.headers_mut() = headers;
        match self.client.request(message).await {
            Ok(response) => {
                if let Some(credit) = response.extensions().get::<Credit>() {
                    credit.answered();
                }
                Ok(self.read(response, deadline).await)
            }
            Err(error) => failed(&error).map(Outcome::Failed),
        }
    }

    /// Any other status than 2xx says all by itself: its body is read for people only.
    async fn read(&self, response: http::Response<Incoming>, deadline: Instant) -> Outcome {
        let (head, body) = response.into_parts();
        let read = if head.status.is_success() {
            self.read_body(body).await
        } else {
            timeout_at(deadline, self.read_body(body)).await.unwrap_or_else(|_| Ok(Bytes::new()))
        };
        let excerpt = match read {
            Ok(excerpt) => excerpt,
            Err(_) if !head.status.is_success() => Bytes::new(),
            Err(error) => {
                let status = head.status.as_u16();
                let detail = format!("the response {status} broke off: {}", causes(&error));
                return Outcome::Failed(Failure::new(FailureKind::Protocol, detail));
            }
        };
        let response = Response { status: head.status.as_u16(), excerpt };
        if head.status.is_success() {
            return Outcome::Delivered(response);
        }
        Outcome::Failed(Failure {
            kind: FailureKind::Http(head.status.as_u16()),
            detail: status_line(head.status),
            retry_after: retry_after::read(head.status, &head.headers, SystemTime::now()),
            response: Some(response),
        })
    }

    /// Reads the body to its end or to the bound, and gives its beginning. Dropping what is left
    /// closes the connection (HTTP/1.1) or resets the stream (HTTP/2).
    async fn read_body(&self, mut body: Incoming) -> Result<Bytes, hyper::Error> {
        let (mut excerpt, mut left) = (BytesMut::new(), self.limits.max_response_bytes);
        while !body.is_end_stream() {
            let Some(frame) = body.frame().await else {
                break;
            };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            let room = EXCERPT.saturating_sub(excerpt.len()).min(left);
            excerpt.extend_from_slice(&data[..room.min(data.len())]);
            if data.len() > left {
                self.metrics.responses_cut.inc();
                break;
            }
            left -= data.len();
        }
        Ok(excerpt.freeze())
    }
}

/// The failure that an error of the client stands for.
fn failed(error: &Error) -> Result<Failure, NotSent> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<ConnectError>() {
            let kind = match error {
                ConnectError::Dns(_) => FailureKind::Dns,
                ConnectError::Blocked(_) => FailureKind::BlockedAddress,
                ConnectError::Tcp(_) => FailureKind::Connect,
                ConnectError::Tls(_) => FailureKind::Tls,
                ConnectError::Deadline(_) => FailureKind::Timeout,
                ConnectError::Exhausted => return Err(NotSent::Connections),
            };
            return Ok(Failure::new(kind, causes(error)));
        }
        cause = inner.source();
    }
    let kind = if is_silence(error) { FailureKind::Timeout } else { FailureKind::Protocol };
    Ok(Failure::new(kind, causes(error)))
}

/// Whether the connection was found dead: no ping came back.
fn is_silence(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout) {
            return true;
        }
        cause = inner.source();
    }
    false
}

fn status_line(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("answered {} {reason}", status.as_u16()),
        None => format!("answered {}", status.as_u16()),
    }
}

/// An error and its causes in one line; a cause that the line already tells is not repeated.
fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = inner.source();
    }
    line.replace(char::is_control, " ")
}

fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
