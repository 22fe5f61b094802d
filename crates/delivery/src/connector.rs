//! From a URL to a connection: resolve and judge, connect, count, encrypt, all within one limit.
//!
//! ```text
//! Limited( HttpsConnector( Counted( names ─► guard ─► dial )))
//! ```
//!
//! Whatever goes wrong becomes a [`ConnectError`] where it is known what it is, so that the attempt
//! finds the failure kind by type.

use std::future::{Future, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use metering::IntGauge;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower_service::Service;

use crate::dial::{dial, in_turn};
use crate::guard::{Blocked, Guard};
use crate::names::{NameError, Names};
use crate::patience::{Credit, Patience};

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("the host's name does not resolve: {0}")]
    Dns(#[source] NameError),
    #[error(transparent)]
    Blocked(#[from] Blocked),
    #[error("no TCP connection: {0}")]
    Tcp(#[source] io::Error),
    #[error("no TLS session: {0}")]
    Tls(#[source] BoxError),
    #[error("not connected within {0:?}")]
    Deadline(Duration),
    #[error("as many connections are open as may be")]
    Exhausted,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// What requests are sent over.
pub(crate) type Connector = Limited;

/// Who may be connected to, and how many at the same time.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) guard: Guard,
    pub(crate) names: Names,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) open: IntGauge,
    /// Bytes that are read of a response's body.
    pub(crate) max_response_bytes: usize,
}

/// Builds the whole connector.
pub(crate) fn build(way: Way, tls: ClientConfig, limit: Duration) -> Connector {
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(Counted(way));
    Limited { https, limit }
}

/// Bounds the open connections: a permit travels in each and is given up when it closes.
#[derive(Clone)]
pub(crate) struct Counted(Way);

impl Service<Uri> for Counted {
    type Response = CountedStream;
    type Error = ConnectError;
    type Future = BoxFuture<CountedStream, ConnectError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.0.connections).try_acquire_owned() else {
            return Box::pin(ready(Err(ConnectError::Exhausted)));
        };
        let way = self.0.clone();
        Box::pin(async move {
            let tcp = way.connect(&uri).await?;
            let credit = Credit::new(way.max_response_bytes);
            let stream = TokioIo::new(Patience::new(tcp, credit));
            way.open.inc();
            Ok(CountedStream { stream, open: way.open, _permit: permit })
        })
    }
}

impl Way {
    /// Connects to one of the addresses that the guard lets through, and to no other.
    async fn connect(&self, uri: &Uri) -> Result<TcpStream, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or_else(|| default_port(uri));
        let tcp = match literal(host) {
            Some(address) => dial(&self.allowed(&[address])?, port).await,
            None => {
                let found = self.names.addresses(host).await.map_err(ConnectError::Dns)?;
                dial(&self.allowed(&found)?, port).await
            }
        };
        let tcp = tcp.map_err(ConnectError::Tcp)?;
        tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
        Ok(tcp)
    }

    fn allowed(&self, found: &[IpAddr]) -> Result<Vec<IpAddr>, Blocked> {
        let (mut allowed, mut blocked) = (Vec::with_capacity(found.len()), None);
        for address in found {
            match self.guard.judge(*address) {
                Ok(()) => allowed.push(*address),
                Err(refusal) => blocked = Some(refusal),
            }
        }
        match blocked {
            Some(refusal) if allowed.is_empty() => Err(refusal),
            _ => Ok(in_turn(allowed)),
        }
    }
}

/// The address that a host is, where it is one.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn default_port(uri: &Uri) -> u16 {
    if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 }
}

/// A TCP connection that is counted as long as it is open.
pub(crate) struct CountedStream {
    stream: TokioIo<Patience>,
    open: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl Connection for CountedStream {
    fn connected(&self) -> Connected {
        // The attempt that a response is for gives credit for it.
        Connected::new().extra(self.stream.inner().credit().clone())
    }
}

impl Read for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}

/// One time limit over name, TCP and TLS.
#[derive(Clone)]
pub(crate) struct Limited {
    https: HttpsConnector<Counted>,
    limit: Duration,
}

impl Service<Uri> for Limited {
    type Response = MaybeHttpsStream<CountedStream>;
    type Error = ConnectError;
    type Future = BoxFuture<Self::Response, ConnectError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.https.poll_ready(context).map_err(ours)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.https.call(uri), self.limit);
        Box::pin(async move {
            match timeout(limit, connecting).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(ours(error)),
                Err(_) => Err(ConnectError::Deadline(limit)),
            }
        })
    }
}

/// What is not one of ours comes from the layer between: the TLS handshake.
fn ours(error: BoxError) -> ConnectError {
    error.downcast::<ConnectError>().map_or_else(ConnectError::Tls, |ours| *ours)
}
