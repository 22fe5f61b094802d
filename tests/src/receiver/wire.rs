//! The bytes below a receiver's HTTP: what no HTTP library would send, it makes of what one does.
//!
//! It sits below TLS and HTTP alike, so that a slow head and a reset are real on every protocol.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How the bytes that follow are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// As they come.
    Plain,
    /// One byte, then a pause.
    Trickle { pause: Duration },
    /// So many bytes, then a reset.
    Reset { after: usize },
}

/// The side of a [`Wire`] that says how to write.
#[derive(Clone, Debug)]
pub(super) struct Control(Arc<Mutex<Manner>>);

impl Control {
    pub(super) fn set(&self, manner: Manner) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    fn get(&self) -> Manner {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that writes in a [`Manner`].
pub(super) struct Wire {
    stream: TcpStream,
    control: Control,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Control) {
        let control = Control(Arc::new(Mutex::new(Manner::Plain)));
        (Self { stream, control: control.clone(), pause: None }, control)
    }

    fn trickle(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &[u8],
        pause: Duration,
    ) -> Poll<io::Result<usize>> {
        if let Some(waiting) = &mut self.pause {
            ready!(waiting.as_mut().poll(cx));
        }
        let byte = &buffer[..buffer.len().min(1)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, byte));
        self.pause = Some(Box::pin(sleep(pause)));
        Poll::Ready(written)
    }

    fn reset(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &[u8],
        after: usize,
    ) -> Poll<io::Result<usize>> {
        if after == 0 {
            // With no time to linger, closing discards what is unsent and sends RST.
            self.stream.set_zero_linger()?;
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let some = &buffer[..buffer.len().min(after)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, some))?;
        self.control.set(Manner::Reset { after: after - written });
        Poll::Ready(Ok(written))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.control.get() {
            Manner::Plain => Pin::new(&mut self.stream).poll_write(cx, buffer),
            Manner::Trickle { pause } => self.trickle(cx, buffer, pause),
            Manner::Reset { after } => self.reset(cx, buffer, after),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
