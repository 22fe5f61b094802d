//! A TCP connection whose peer cannot send without end while we say nothing.
//!
//! A response's head and body have their bounds, but over HTTP/1.1 a receiver may send informational
//! responses (1xx, RFC 9110, section 15.2) for as long as it likes, and the client library reads on.
//! Over HTTP/2 a peer can make us write (PING, SETTINGS) and so begin anew; there the library's own
//! limits and the attempt's time limit hold.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most bytes that are read after a write of ours: far more than a response within its bounds
/// takes with all its headers, and than HTTP/2 lets anyone send without an answer.
const MOST_AFTER_WRITE: usize = 8 * 1024 * 1024;

/// See the module.
pub(crate) struct Patience {
    tcp: TcpStream,
    unanswered: usize,
}

impl Patience {
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self { tcp, unanswered: 0 }
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl AsyncRead for Patience {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unanswered > MOST_AFTER_WRITE {
            let why = "the receiver sends without end";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, why)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(context, buffer);
        self.unanswered += buffer.filled().len() - before;
        read
    }
}

impl AsyncWrite for Patience {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unanswered = 0;
        Pin::new(&mut self.tcp).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unanswered = 0;
        Pin::new(&mut self.tcp).poll_write_vectored(context, buffers)
    }
}
