//! What the operating system asks of the program.
//!
//! | signal | who sends it | what it means |
//! | --- | --- | --- |
//! | `SIGTERM` | Kubernetes, systemd, Docker | drain and end; a second one ends at once |
//! | `SIGINT` | Ctrl-C | the same |
//! | `SIGHUP` | an operator, after an edit | read the configuration again |

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the program listens to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// One request from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Drain and end.
    End,
    /// Read the configuration again.
    Reload,
}

impl Signals {
    /// Starts listening; from here on the signals no longer kill the process.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next request. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Ends when the program is asked to end; other requests are passed over.
    pub(crate) async fn end(&mut self) {
        while self.next().await != Asked::End {}
    }
}
