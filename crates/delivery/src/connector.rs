//! From a URL to a connection: resolve and judge, connect, count, encrypt, all within one limit.
//!
//! ```text
//! Limited( HttpsConnector( Counted( HttpConnector( GuardedResolver ))))
//! ```
//!
//! hyper-util's connector tries the addresses that the resolver gives, and no others. Whatever goes
//! wrong becomes a [`ConnectError`] where it is known what it is, so that the attempt finds the
//! failure kind by type.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use metering::IntGauge;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::net::lookup_host;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower_service::Service;

use crate::guard::{Blocked, Guard};
use crate::patience::Patience;

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("the host's name does not resolve: {0}")]
    Dns(#[source] io::Error),
    #[error(transparent)]
    Blocked(#[from] Blocked),
    #[error("no TCP connection: {0}")]
    Tcp(#[source] BoxError),
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

/// Builds the whole connector.
pub(crate) fn build(
    guard: Guard,
    tls: ClientConfig,
    limit: Duration,
    connections: Arc<Semaphore>,
    open: IntGauge,
) -> Connector {
    let mut tcp = HttpConnector::new_with_resolver(GuardedResolver(guard));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(Counted { tcp, connections, open });
    Limited { https, limit }
}

/// Resolves a name once and gives only the addresses that the guard lets through.
#[derive(Clone)]
struct GuardedResolver(Guard);

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ConnectError;
    type Future = BoxFuture<Self::Response, ConnectError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move {
            // The connector puts the URL's port in.
            let found = lookup_host((name.as_str(), 0)).await.map_err(ConnectError::Dns)?;
            let (mut allowed, mut blocked) = (Vec::new(), None);
            for address in found {
                match guard.judge(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(refusal) => blocked = Some(refusal),
                }
            }
            match blocked {
                Some(refusal) if allowed.is_empty() => Err(refusal.into()),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

/// Bounds the open connections: a permit travels in each and is given up when it closes.
#[derive(Clone)]
pub(crate) struct Counted {
    tcp: HttpConnector<GuardedResolver>,
    connections: Arc<Semaphore>,
    open: IntGauge,
}

impl Service<Uri> for Counted {
    type Response = CountedStream;
    type Error = ConnectError;
    type Future = BoxFuture<CountedStream, ConnectError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.tcp.poll_ready(context).map_err(|error| ConnectError::Tcp(error.into()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            return Box::pin(ready(Err(ConnectError::Exhausted)));
        };
        let (connecting, open) = (self.tcp.call(uri), self.open.clone());
        Box::pin(async move {
            let stream = connecting.await.map_err(|error| name(error.into()))?;
            let stream = TokioIo::new(Patience::new(stream.into_inner()));
            open.inc();
            Ok(CountedStream { stream, open, _permit: permit })
        })
    }
}

/// hyper-util wraps what the resolver said; it is taken out again, so that every cause is one of
/// ours.
fn name(error: BoxError) -> ConnectError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(inner) = cause {
        match inner.downcast_ref::<ConnectError>() {
            Some(ConnectError::Blocked(blocked)) => return ConnectError::Blocked(*blocked),
            Some(ConnectError::Dns(why)) => {
                return ConnectError::Dns(io::Error::new(why.kind(), why.to_string()));
            }
            _ => cause = inner.source(),
        }
    }
    ConnectError::Tcp(error)
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
        self.stream.inner().tcp().connected()
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
        self.https.poll_ready(context).map_err(ConnectError::Tcp)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.https.call(uri), self.limit);
        Box::pin(async move {
            match timeout(limit, connecting).await {
                Ok(Ok(stream)) => Ok(stream),
                // What is not one of ours comes from the layer between: the TLS handshake.
                Ok(Err(error)) => Err(match error.downcast::<ConnectError>() {
                    Ok(ours) => *ours,
                    Err(other) => ConnectError::Tls(other),
                }),
                Err(_) => Err(ConnectError::Deadline(limit)),
            }
        })
    }
}
