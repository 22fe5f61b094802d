//! A TCP connection whose peer cannot send without end what nobody asked for.
//!
//! A response's head and body have their bounds, but a receiver may send informational responses
//! (1xx, RFC 9110, section 15.2) for as long as it likes, and over HTTP/2 PING, SETTINGS,
//! RST_STREAM, WINDOW_UPDATE, empty DATA and frames of no known type (RFC 9113, section 10.5); the
//! client library reads on, and answers some of them. So every byte that is read uses up credit,
//! and every response that begins gives what one within its bounds may take. A connection whose
//! credit is used up is closed, idle or not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most credit that a connection has, in bytes, and that it begins with: several times what the
/// responses take that one connection can bring before the first of them is noticed (bodies up to
/// HTTP/2's window, 1 MiB, and the heads of as many requests as a host gets), and little enough
/// that as many frames of nothing cost a fraction of a second.
const MOST: usize = 4 * 1024 * 1024;
/// What a response may take beside its body: its head, and what TLS and framing add.
const HEAD: usize = 128 * 1024;
/// How many times its length a body may take on the wire, in small frames.
const FRAMED: usize = 2;

/// How many bytes a connection's peer may still send. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Credit {
    left: Arc<AtomicUsize>,
    per_response: usize,
    most: usize,
}

impl Credit {
    /// Full credit for responses whose bodies are read up to `max_response_bytes`.
    pub(crate) fn new(max_response_bytes: usize) -> Self {
        let per_response = max_response_bytes.saturating_mul(FRAMED).saturating_add(HEAD);
        let most = MOST.max(per_response);
        Self { left: Arc::new(AtomicUsize::new(most)), per_response, most }
    }

    /// A response has begun.
    pub(crate) fn answered(&self) {
        let more = |left: usize| Some(left.saturating_add(self.per_response).min(self.most));
        // The closure always gives a value.
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
    }

    fn use_up(&self, bytes: usize) {
        let less = |left: usize| Some(left.saturating_sub(bytes));
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok();
    }

    fn is_used_up(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// See the module.
pub(crate) struct Patience {
    tcp: TcpStream,
    credit: Credit,
}

impl Patience {
    pub(crate) fn new(tcp: TcpStream, credit: Credit) -> Self {
        Self { tcp, credit }
    }

    pub(crate) fn credit(&self) -> &Credit {
        &self.credit
    }
}

impl AsyncRead for Patience {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.credit.is_used_up() {
            let why = "the receiver sends without end";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, why)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(context, buffer);
        self.credit.use_up(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Patience {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
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
        Pin::new(&mut self.tcp).poll_write_vectored(context, buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_give_credit_up_to_its_bound_and_bytes_use_it_up() {
        let credit = Credit::new(64 * 1024);
        credit.answered();
        credit.use_up(MOST - 1);
        assert!(!credit.is_used_up(), "an answer gives no more than there is room for");
        credit.use_up(2);
        assert!(credit.is_used_up());
        credit.answered();
        credit.use_up(256 * 1024 - 1);
        assert!(!credit.is_used_up());
    }

    #[test]
    fn the_largest_response_that_is_read_fits() {
        let largest = 16 * 1024 * 1024;
        let credit = Credit::new(largest);
        credit.use_up(2 * largest);
        assert!(!credit.is_used_up());
    }
}
