//! A TCP proxy on loopback that breaks connections on request: what lies between the program and
//! its broker, or between the program and a customer.
//!
//! A [`Fault`] is switched while connections stand and meets them all at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::eventually::eventually;
use crate::ports::Port;

/// Bytes taken in one go.
const PIECE: usize = 64 * 1024;

/// Longest time until a changed listener is seen from outside.
const SWITCH: Duration = Duration::from_secs(10);

/// What happens to connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Nothing.
    #[default]
    Pass,
    /// Every piece waits so long before it goes on.
    Delay(Duration),
    /// Connections stand and are accepted, but no byte comes through: half-open, as behind a
    /// firewall that forgot them. What was swallowed is lost, and what has lost a byte in a direction
    /// passes nothing on in it any more.
    Swallow,
    /// Nothing listens, and what stood is cut.
    Refuse,
}

/// A running proxy. Dropped, it closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    fault: watch::Sender<Fault>,
    cuts: watch::Sender<u64>,
    open: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy before `target`.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        Self::balance(vec![target]).await
    }

    /// Starts a proxy before several servers that are one service, as a load balancer is: each
    /// connection goes to the next one in turn that takes it.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn balance(targets: Vec<SocketAddr>) -> Result<Self> {
        // A fixed port: after a refusal the same address has to be there again.
        let port = Port::take()?;
        let listener = TcpListener::bind(port.address()).await.context("no port for a proxy")?;
        let (fault, cuts) = (watch::Sender::new(Fault::Pass), watch::Sender::new(0));
        let open = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let line = Line {
            targets: targets.into(),
            fault: fault.subscribe(),
            cuts: cuts.subscribe(),
            open: open.clone(),
            turn: Arc::default(),
        };
        tasks.spawn(run(listener, port.address(), line));
        Ok(Self { port, fault, cuts, open, _tasks: tasks })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// A URL with its host and port replaced by the proxy's.
    pub fn before(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let account = authority.rfind('@').map_or("", |at| &authority[..=at]);
        format!("{scheme}://{account}{}{path}", self.address())
    }

    /// Switches what happens, and waits until it does.
    ///
    /// # Errors
    ///
    /// When the listener cannot be closed or opened again.
    pub async fn set(&self, fault: Fault) -> Result<()> {
        self.fault.send_replace(fault);
        let address = self.address();
        let refuses = fault == Fault::Refuse;
        if refuses {
            self.cut();
        }
        eventually("the proxy's listener is switched", SWITCH, || async move {
            (TcpStream::connect(address).await.is_err() == refuses).then_some(())
        })
        .await
    }

    /// Closes every connection on both sides; new ones are accepted as before.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many connections stand.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Line {
    targets: Arc<[SocketAddr]>,
    fault: watch::Receiver<Fault>,
    cuts: watch::Receiver<u64>,
    open: Arc<AtomicUsize>,
    turn: Arc<AtomicU64>,
}

async fn run(first: TcpListener, address: SocketAddr, mut line: Line) {
    let mut listener = Some(first);
    let mut connections = JoinSet::new();
    loop {
        let refuses = *line.fault.borrow_and_update() == Fault::Refuse;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        tokio::select! {
            Some(stream) = accept(listener.as_ref()) => {
                connections.spawn(carry(stream, line.clone()));
            }
            Some(_) = connections.join_next() => {}
            changed = line.fault.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// The next connection; none where nothing listens.
async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    listener?.accept().await.ok().map(|(stream, _)| stream)
}

/// A connection to the first that takes one, beginning with the `turn`-th.
async fn reach(targets: &[SocketAddr], turn: u64) -> Option<TcpStream> {
    let count = targets.len();
    let first = usize::try_from(turn % count.max(1) as u64).unwrap_or_default();
    for n in 0..count {
        if let Ok(stream) = TcpStream::connect(targets[(first + n) % count]).await {
            return Some(stream);
        }
    }
    None
}

async fn carry(near: TcpStream, line: Line) {
    let Line { targets, fault, mut cuts, open, turn } = line;
    // Only cuts from now on concern this connection.
    cuts.mark_unchanged();
    if *fault.borrow() == Fault::Refuse {
        // It was accepted just before nothing was to be.
        return;
    }
    let Some(far) = reach(&targets, turn.fetch_add(1, Ordering::Relaxed)).await else {
        return;
    };
    open.fetch_add(1, Ordering::Relaxed);
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        _ = async {
            tokio::join!(
                pass(near_read, far_write, fault.clone()),
                pass(far_read, near_write, fault.clone()),
            )
        } => {}
        _ = cuts.changed() => {}
    }
    open.fetch_sub(1, Ordering::Relaxed);
}

/// Carries one direction to its end and passes the end on, too.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    fault: watch::Receiver<Fault>,
) {
    let mut piece = vec![0; PIECE];
    let mut forgotten = false;
    loop {
        let read = from.read(&mut piece).await.unwrap_or(0);
        let now = if forgotten { Fault::Swallow } else { *fault.borrow() };
        forgotten = now == Fault::Swallow;
        match now {
            // Swallowed too is the news that the other side has closed.
            Fault::Swallow if read == 0 => return std::future::pending().await,
            Fault::Swallow => continue,
            Fault::Delay(delay) => sleep(delay).await,
            Fault::Pass | Fault::Refuse => {}
        }
        if read == 0 || to.write_all(&piece[..read]).await.is_err() {
            break;
        }
    }
    // A direction that ended in an error has nobody left to tell.
    to.shutdown().await.unwrap_or_default();
}
