//! A receiver that means harm: everything that a customer's server, or somebody on the way to it,
//! can do to whoever sends to it. One [`Behaviour`] each, on a port of 127.0.0.1 each.
//!
//! What an HTTP library would never send is written here byte by byte: HTTP/1.1 and TLS in this
//! file, HTTP/2's frames in `hostile/http2.rs`. Floods go on for as long as somebody reads them, and
//! count what was read. What it comes to for the sender is the test's business
//! (`tests/it/hostile.rs`).

mod http2;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::receiver::{Authority, Identity};

pub use http2::Frames;

/// Where a flood ends although somebody still reads it: the test has failed long before.
const FLOOD: u64 = 256 * 1024 * 1024;

/// The pace of what comes byte by byte.
const PAUSE: Duration = Duration::from_secs(1);

/// Metadata services have this address in most clouds.
const METADATA: &str = "http://169.254.169.254/latest/meta-data/";

/// What it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Behaviour {
    /// Accepts and says nothing.
    Silent,
    /// Closes as soon as the request is there.
    Closes,
    /// Says something that is no HTTP.
    NoHttp,
    /// Sends a response's head a byte a second.
    SlowHead,
    /// Sends a whole head, and a body a byte a second.
    SlowBody,
    /// Sends header lines without end.
    EndlessHeaders,
    /// Sends one header line without end.
    EndlessLine,
    /// Sends 200 and a body without end.
    EndlessBody,
    /// Sends 102 without end.
    EndlessInformational,
    /// Sends a chunk whose extension has no end.
    EndlessExtension,
    /// Sends trailers without end.
    EndlessTrailers,
    /// Sends less than its `content-length` says.
    ShortBody,
    /// Sends more than its `content-length` says.
    LongBody,
    /// Says two lengths.
    TwoLengths,
    /// Says a length below zero.
    NegativeLength,
    /// Says a chunk's size that no number holds.
    HugeChunk,
    /// Sends a small body that would be very large if it were decompressed.
    Bomb,
    /// Redirects to a metadata service.
    RedirectToMetadata,
    /// Accepts and takes no part in the TLS handshake.
    HandshakeStalls,
    /// Answers the TLS handshake in plain text.
    NoTls,
    /// Its certificate is over.
    Expired,
    /// Its certificate is another host's.
    WrongHost,
    /// Nobody vouches for its certificate.
    SelfSigned,
    /// Speaks HTTP/2, and so.
    Http2(Frames),
}

impl Behaviour {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let below = [
            Self::Silent,
            Self::Closes,
            Self::NoHttp,
            Self::SlowHead,
            Self::SlowBody,
            Self::EndlessHeaders,
            Self::EndlessLine,
            Self::EndlessBody,
            Self::EndlessInformational,
            Self::EndlessExtension,
            Self::EndlessTrailers,
            Self::ShortBody,
            Self::LongBody,
            Self::TwoLengths,
            Self::NegativeLength,
            Self::HugeChunk,
            Self::Bomb,
            Self::RedirectToMetadata,
            Self::HandshakeStalls,
            Self::NoTls,
            Self::Expired,
            Self::WrongHost,
            Self::SelfSigned,
        ];
        below.into_iter().chain(Frames::ALL.map(Self::Http2))
    }

    /// Who it says it is; `None` where there is no TLS.
    fn identity(self, authority: &Authority) -> Result<Option<Identity>> {
        Ok(match self {
            Self::Expired => Some(authority.expired("localhost")?),
            Self::WrongHost => Some(authority.identity("elsewhere.example")?),
            Self::SelfSigned => Some(Identity::self_signed("localhost")?),
            Self::Http2(_) => Some(authority.identity("localhost")?),
            _ => None,
        })
    }

    /// Whether its URL is `https`.
    fn is_secure(self) -> bool {
        matches!(
            self,
            Self::HandshakeStalls
                | Self::NoTls
                | Self::Expired
                | Self::WrongHost
                | Self::SelfSigned
                | Self::Http2(_)
        )
    }
}

/// A running one. Dropped, it closes everything.
#[derive(Debug)]
pub struct Hostile {
    address: SocketAddr,
    behaviour: Behaviour,
    sent: Sent,
    _tasks: JoinSet<()>,
}

/// Bytes that were sent and, but for what the system holds, read. Cheap to clone.
#[derive(Clone, Debug, Default)]
struct Sent(Arc<AtomicU64>);

impl Hostile {
    /// Starts one; what it says over TLS, `authority` vouches for, unless that is the harm.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(behaviour: Behaviour, authority: &Authority) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a receiver")?;
        let address = listener.local_addr()?;
        let identity = behaviour.identity(authority)?;
        let tls = identity.map(|identity| identity.acceptor()).transpose()?;
        let sent = Sent::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, behaviour, tls, sent.clone()));
        Ok(Self { address, behaviour, sent, _tasks: tasks })
    }

    /// Where it is; by name where certificates matter.
    pub fn url(&self) -> String {
        if self.behaviour.is_secure() {
            format!("https://localhost:{}/", self.address.port())
        } else {
            format!("http://{}/", self.address)
        }
    }

    /// How many bytes it could send, over all connections.
    pub fn sent(&self) -> u64 {
        self.sent.0.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, behaviour: Behaviour, tls: Option<TlsAcceptor>, sent: Sent) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (tls, sent) = (tls.clone(), sent.clone());
                // How it ends is seen from the other side.
                connections.spawn(async move { serve(stream, behaviour, tls, &sent).await.ok() });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    behaviour: Behaviour,
    tls: Option<TlsAcceptor>,
    sent: &Sent,
) -> io::Result<()> {
    if behaviour == Behaviour::NoTls {
        read_some(&mut stream).await?;
        return sent.once(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    }
    match (behaviour, tls) {
        (Behaviour::Http2(frames), Some(tls)) => {
            http2::serve(tls.accept(stream).await?, frames, sent).await
        }
        (_, Some(tls)) => answer(tls.accept(stream).await?, behaviour, sent).await,
        (_, None) => answer(stream, behaviour, sent).await,
    }
}

/// Takes a request over HTTP/1.1, and answers.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    behaviour: Behaviour,
    sent: &Sent,
) -> io::Result<()> {
    if matches!(behaviour, Behaviour::Silent | Behaviour::HandshakeStalls) {
        return drain(&mut stream).await;
    }
    read_request(&mut stream).await?;
    let text = match behaviour {
        Behaviour::Closes => return Ok(()),
        Behaviour::SlowHead => {
            return slowly(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
        Behaviour::SlowBody => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
            sent.once(&mut stream, head).await?;
            return slowly(&mut stream, &[b'x'; 1_000]).await;
        }
        Behaviour::EndlessHeaders => {
            return sent.flood(&mut stream, OK, b"x-more: and more\r\n").await;
        }
        Behaviour::EndlessLine => return sent.flood(&mut stream, OK, b"more").await,
        Behaviour::EndlessInformational => {
            return sent.flood(&mut stream, b"", b"HTTP/1.1 102 Processing\r\n\r\n").await;
        }
        Behaviour::EndlessBody => {
            let head = b"HTTP/1.1 200 OK\r\n\r\n";
            return sent.flood(&mut stream, head, &[b'x'; 1024]).await;
        }
        Behaviour::EndlessExtension => {
            return sent.flood(&mut stream, &chunked(b"1;"), b"more").await;
        }
        Behaviour::EndlessTrailers => {
            return sent.flood(&mut stream, &chunked(b"0\r\n"), b"x-more: and more\r\n").await;
        }
        Behaviour::HugeChunk => chunked(b"fffffffffffffffffffff\r\nx"),
        Behaviour::NoHttp => b"220 mail.example ESMTP\r\n".to_vec(),
        Behaviour::ShortBody => ok("content-length: 1000", b"short"),
        Behaviour::LongBody => ok("content-length: 2", b"much longer than that"),
        Behaviour::TwoLengths => ok("content-length: 2\r\ncontent-length: 3", b"ok!"),
        Behaviour::NegativeLength => ok("content-length: -1", b"ok"),
        Behaviour::Bomb => ok(&format!("content-encoding: gzip\r\n{}", length(BOMB)), BOMB),
        Behaviour::RedirectToMetadata => {
            format!("HTTP/1.1 302 Found\r\nlocation: {METADATA}\r\ncontent-length: 0\r\n\r\n")
                .into()
        }
        // Their harm was done before, or they have no words.
        _ => ok("content-length: 2", b"ok"),
    };
    sent.once(&mut stream, &text).await?;
    stream.shutdown().await?;
    drain(&mut stream).await
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// 10 MiB of zeros, compressed twice over by gzip; what it is does not matter to who never looks.
const BOMB: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xed, 0xc1, 1, 0x0d, 0, 0, 0, 0xc2];

fn ok(header: &str, body: &[u8]) -> Vec<u8> {
    [OK, header.as_bytes(), b"\r\n\r\n", body].concat()
}

fn length(body: &[u8]) -> String {
    format!("content-length: {}", body.len())
}

fn chunked(begin: &[u8]) -> Vec<u8> {
    ok("transfer-encoding: chunked", begin)
}

impl Sent {
    async fn once(&self, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Sends `begin` once and `more` until nobody reads it.
    async fn flood(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        begin: &[u8],
        more: &[u8],
    ) -> io::Result<()> {
        self.once(stream, begin).await?;
        let block = more.repeat((16 * 1024 / more.len()).max(1));
        while self.0.load(Ordering::Relaxed) < FLOOD {
            self.once(stream, &block).await?;
        }
        Ok(())
    }
}

async fn slowly(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Reads a request with its body.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    const END: &[u8] = b"\r\n\r\n";
    let mut request = Vec::new();
    let end = loop {
        if let Some(at) = request.windows(END.len()).position(|four| four == END) {
            break at + END.len();
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    while request.len() < end + length {
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn read_some(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    stream.read(&mut [0; 1024]).await.map(|_| ())
}

/// Reads until the other side closes.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(|_| ())
}
