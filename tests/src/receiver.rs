//! A customer's server: it keeps every request it gets, byte for byte, and answers as a script
//! says, well or badly.
//!
//! HTTP/1.1 and HTTP/2 on a port of 127.0.0.1, over TLS if asked. One receiver serves any number
//! of webhooks, told apart by path; each path has its own [`Script`]. It never checks a signature:
//! that is the test's business, or the page's own recipe (`page`).

mod script;
mod tls;
mod wire;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

pub use script::{Answer, Script};
pub use tls::{Authority, Identity};

use script::Reply;
use wire::Wire;

/// More than the program ever sends; a body that is longer ends the connection.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// All headers.
    pub headers: HeaderMap,
    /// The exact bytes of the body.
    pub body: Bytes,
    /// When its head had arrived.
    pub at: Instant,
    /// The same by the wall clock.
    pub time: SystemTime,
    /// Counts the receiver's connections from 0.
    pub connection: usize,
    /// The status that the script gives it, whether or not it arrives.
    pub answered: StatusCode,
}

impl Received {
    /// A header as text; empty when it is missing or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The delivery id.
    pub fn delivery(&self) -> &str {
        self.header("x-boottify-delivery")
    }

    /// The attempt's number; 0 when the header is missing or no number.
    pub fn attempt(&self) -> u32 {
        self.header("x-boottify-attempt").parse().unwrap_or(0)
    }
}

/// A running server. Dropped, it closes its listener and all connections.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    secure: bool,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    requests: Mutex<Vec<Received>>,
    scripts: Mutex<HashMap<String, Script>>,
    count: watch::Sender<usize>,
}

impl Receiver {
    /// Starts a server without TLS whose paths all follow `script`.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(script: Script) -> Result<Self> {
        Self::listen(script, None).await
    }

    /// Starts a server with TLS.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start_tls(script: Script, identity: &Identity) -> Result<Self> {
        Self::listen(script, Some(identity.acceptor()?)).await
    }

    async fn listen(script: Script, tls: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a receiver")?;
        let address = listener.local_addr()?;
        let secure = tls.is_some();
        let state = Arc::new(State {
            requests: Mutex::new(Vec::new()),
            scripts: Mutex::new(HashMap::from([(String::new(), script)])),
            count: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, tls, state.clone()));
        Ok(Self { address, secure, state, _tasks: tasks })
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives a path a script of its own, from the next request on.
    pub fn answer(&self, path: &str, script: Script) {
        locked(&self.state.scripts).insert(path.to_owned(), script);
    }

    /// Everything that arrived so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        locked(&self.state.requests).clone()
    }

    /// What arrived at one path.
    pub fn requests_at(&self, path: &str) -> Vec<Received> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == path);
        requests
    }

    /// How many requests arrived so far.
    pub fn count(&self) -> usize {
        locked(&self.state.requests).len()
    }

    /// Forgets what arrived so far; scripts go on where they are.
    pub fn forget(&self) {
        locked(&self.state.requests).clear();
        self.state.count.send_replace(0);
    }

    /// Waits until at least `count` requests have arrived and gives all of them.
    ///
    /// # Errors
    ///
    /// When they have not arrived at the deadline.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Result<Vec<Received>> {
        let mut seen = self.state.count.subscribe();
        let enough = tokio::time::timeout(deadline, seen.wait_for(|seen| *seen >= count)).await;
        let requests = self.requests();
        if enough.is_err() {
            anyhow::bail!(
                "gave up waiting for {count} requests after {deadline:?}: {} arrived: {:?}",
                requests.len(),
                requests
                    .iter()
                    .map(|request| (&request.path, request.attempt()))
                    .collect::<Vec<_>>()
            );
        }
        Ok(requests)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, tls.clone(), state.clone(), number));
                number += 1;
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end, which is the client's business unless the script says
/// otherwise; how it ends is seen from the other side.
async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>, connection: usize) {
    let (wire, control) = Wire::new(stream);
    let service = service_fn(move |request| {
        let (state, control) = (state.clone(), control.clone());
        async move {
            match state.take(request, connection).await {
                Ok(answer) => Ok(answer.give(&control).await),
                Err(_) => {
                    Ok::<Response<Reply>, Infallible>(Answer::status(413).give(&control).await)
                }
            }
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let ended = match tls {
        None => builder.serve_connection(TokioIo::new(wire), service).await,
        Some(tls) => match tls.accept(wire).await {
            Ok(secured) => builder.serve_connection(TokioIo::new(secured), service).await,
            Err(_) => return,
        },
    };
    ended.unwrap_or_default();
}

impl State {
    /// Keeps a request and says how it is to be answered.
    async fn take(&self, request: Request<Incoming>, connection: usize) -> Result<Answer> {
        let (at, time) = (Instant::now(), SystemTime::now());
        let (head, mut incoming) = request.into_parts();
        let mut body = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            if let Ok(data) = frame?.into_data() {
                anyhow::ensure!(body.len() + data.len() <= LARGEST_BODY, "too large");
                body.extend_from_slice(&data);
            }
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let answer = {
            let mut scripts = locked(&self.scripts);
            let key = if scripts.contains_key(&path) { path.as_str() } else { "" };
            scripts.get_mut(key).map_or_else(|| Answer::status(404), Script::next)
        };
        let count = {
            let mut requests = locked(&self.requests);
            requests.push(Received {
                method: head.method,
                path,
                version: head.version,
                headers: head.headers,
                body: body.freeze(),
                at,
                time,
                connection,
                answered: answer.code(),
            });
            requests.len()
        };
        self.count.send_if_modified(|seen| {
            *seen = count.max(*seen);
            true
        });
        Ok(answer)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
