//! Fixed ports for what has to come back on the same port after a restart.
//!
//! They lie below the range from which kernels take the source ports of outgoing connections. A
//! port inside that range can be taken while its server is down, and a client that keeps dialling
//! it can even connect to itself. Each port is held by a file lock, so that tests in many
//! processes never choose the same one; what needs no fixed port binds port 0 instead.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use anyhow::{Context, Result, bail};

/// Below Linux' (32768) and macOS' (49152) ephemeral ranges and off the default ports of RabbitMQ.
const CANDIDATES: Range<u16> = 12_000..25_000;

/// A port of 127.0.0.1 that no other holder of a `Port` uses. Nobody listens on it yet.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Takes a free port.
    ///
    /// # Errors
    ///
    /// When none is left, or when the folder with the locks cannot be written.
    pub fn take() -> Result<Self> {
        // One folder for all checkouts of one user; another user's could not be written.
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("boottify-webhooks-ports-{user}"));
        fs::create_dir_all(&folder).context("failed to make the folder of port locks")?;
        let span = CANDIDATES.end - CANDIDATES.start;
        // Processes start their search in different places; within one, locks keep threads apart.
        let mut offset = (std::process::id() as u16).wrapping_mul(17) % span;
        for _ in 0..span {
            let number = CANDIDATES.start + offset;
            offset = (offset + 1) % span;
            let lock = File::create(folder.join(number.to_string()))
                .context("failed to make a port lock")?;
            if lock.try_lock().is_ok() && is_free(number) {
                return Ok(Self { number, _lock: lock });
            }
        }
        bail!("no free port on 127.0.0.1 in {CANDIDATES:?}")
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The loopback address with this port.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

fn is_free(number: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
}
