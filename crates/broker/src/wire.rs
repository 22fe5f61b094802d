//! One TCP (or TLS) connection that is sure to end.
//!
//! lapin runs every connection on a thread of its own, which ends when its socket does. Against a
//! peer that went silent (a half-open connection) a polite close waits for an answer that never
//! comes, so the socket is held here a second time and shut down when the [`Wire`] is dropped.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_rs::TokioRuntime;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::refusal::ConnectError;
use crate::session::SessionError;

/// A connection, and the end of its socket.
pub(crate) struct Wire {
    pub(crate) connection: Arc<Connection>,
    _socket: Socket,
}

impl Wire {
    /// Connects and shakes hands within `limit`.
    pub(crate) async fn open(
        uri: AMQPUri,
        name: &str,
        limit: Duration,
    ) -> Result<Self, SessionError> {
        let socket = Socket::default();
        let cell = Arc::clone(&socket.0);
        let host = uri.authority.host.clone();
        let address = (host.clone(), uri.authority.port);
        let resolved = timeout(limit, lookup_host(address))
            .await
            .map_err(|_| SessionError::Deadline { doing: "resolving its name", limit })?
            .map_err(|source| SessionError::Resolve { host, source })?;
        let addresses: Vec<SocketAddr> = resolved.collect();
        let connect = async move |uri: AMQPUri, runtime: TokioRuntime| {
            let stream = AsyncTcpStream::connect(&runtime, addresses.clone()).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                let tcp = plain.get_ref();
                tcp.set_nodelay(true)?;
                // Only the first connect sets it: lapin is told not to reconnect.
                cell.get_or_init(|| tcp.as_fd().try_clone_to_owned().map(TcpStream::from));
            }
            match uri.scheme {
                AMQPScheme::AMQP => Ok(stream),
                AMQPScheme::AMQPS => {
                    let tls = OwnedTLSConfig::default();
                    Ok(stream.into_tls(&uri.authority.host, tls.as_ref()).await?)
                }
            }
        };
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime().map_err(ConnectError::Other)?;
        let connecting = Connection::connector(uri.clone(), runtime, connect, properties);
        let connection = timeout(limit, connecting)
            .await
            .map_err(|_| SessionError::Deadline { doing: "connecting", limit })?
            .map_err(|error| ConnectError::of(error, &uri))?;
        Ok(Self { connection: Arc::new(connection), _socket: socket })
    }
}

#[derive(Default)]
struct Socket(Arc<OnceLock<std::io::Result<TcpStream>>>);

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(Ok(tcp)) = self.0.get() {
            // An error means that the peer has ended it already.
            tcp.shutdown(Shutdown::Both).ok();
        }
    }
}
