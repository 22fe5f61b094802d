//! The least that receives requests over HTTP/1.1: for programs that measure, where a
//! [`Receiver`](crate::receiver::Receiver) would be a part of what is measured.
//!
//! On a thread of its own, so that who measures and who receives do not wait for each other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What a request is answered with.
pub type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// Serves on a free port of loopback until this process ends.
///
/// # Errors
///
/// When there is no port, or no thread.
pub fn start<S, F, R>(name: &'static str, state: Arc<S>, answer: F) -> Result<SocketAddr>
where
    S: Send + Sync + 'static,
    F: Fn(Request<Incoming>, Arc<S>) -> R + Copy + Send + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(serve(listener, state, answer)) {
            eprintln!("{name} ended: {error}");
        }
    })?;
    Ok(address)
}

/// A body up to so many bytes; `None` where it is larger or breaks off.
#[expect(clippy::disallowed_methods, reason = "what it collects is limited")]
pub async fn whole(body: Incoming, most: usize) -> Option<Bytes> {
    Some(Limited::new(body, most).collect().await.ok()?.to_bytes())
}

async fn serve<S, F, R>(listener: std::net::TcpListener, state: Arc<S>, answer: F) -> Result<()>
where
    S: Send + Sync + 'static,
    F: Fn(Request<Incoming>, Arc<S>) -> R + Copy + Send + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::from_std(listener)?;
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        // How a connection ends is the client's business.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}
