//! Receivers that misbehave, each on an address of its own.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use testbed::ports::Port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a slow one takes: just within the time of an attempt.
const SLOW: Duration = Duration::from_secs(14);
/// More than any request of a measurement has.
const REQUEST: usize = 16 * 1024;

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Take the request and say nothing, for ever.
    Hang,
    /// Nobody listens.
    Refuse,
    /// Take the request and reset the connection.
    Reset,
    /// Answer 200 after [`SLOW`].
    Slow,
}

impl Manner {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Hang, Self::Refuse, Self::Reset, Self::Slow];
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hang => "hang",
            Self::Refuse => "refuse",
            Self::Reset => "reset",
            Self::Slow => "answer after 14 s",
        })
    }
}

/// Some of them. Dropped, they are gone.
pub(crate) struct BadReceivers {
    pub(crate) addresses: Vec<SocketAddr>,
    _ports: Vec<Port>,
    _tasks: JoinSet<()>,
}

impl BadReceivers {
    pub(crate) async fn start(count: u32, manner: Manner) -> Result<Self> {
        let (mut addresses, mut ports, mut tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        for _ in 0..count {
            if manner == Manner::Refuse {
                let port = Port::take()?;
                addresses.push(port.address());
                ports.push(port);
                continue;
            }
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(listener.local_addr()?);
            tasks.spawn(serve(listener, manner));
        }
        Ok(Self { addresses, _ports: ports, _tasks: tasks })
    }
}

async fn serve(listener: TcpListener, manner: Manner) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, manner));
        while connections.try_join_next().is_some() {}
    }
}

/// Requests come whole within one read: they are smaller than a loopback segment.
async fn answer(mut stream: TcpStream, manner: Manner) {
    let mut request = vec![0; REQUEST];
    loop {
        match stream.read(&mut request).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        match manner {
            Manner::Hang | Manner::Refuse => {}
            Manner::Reset => {
                // Closing with no time to linger sends RST.
                stream.set_zero_linger().ok();
                return;
            }
            Manner::Slow => {
                tokio::time::sleep(SLOW).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}
