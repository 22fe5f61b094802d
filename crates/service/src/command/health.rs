//! `health`: asks the operations listener of a running program, for images without a shell.
//!
//! It prints one line and says the same by its exit code: what a container's health check wants.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::Health;
use crate::exit::Failed;
use crate::print;

/// From the name lookup to the end of the answer; probes that take longer are of no use.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that is read of an answer. Ours is one line.
const MOST: usize = 4 * 1024;

/// The most that is shown of a reason.
const SHOWN: usize = 500;

/// Where the program with this `operations.listen` can be asked from the same machine.
pub(crate) fn own_address(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port()).to_string()
}

/// Asks, and says yes or ends with exit code 1 and the reason.
pub(crate) async fn run(asked: &Health, address: &str) -> Result<(), Failed> {
    let (path, yes) = if asked.live { ("/healthz", "live") } else { ("/readyz", "ready") };
    let answer = timeout(PATIENCE, ask(address, path)).await;
    let answer =
        answer.unwrap_or_else(|_| Err(anyhow::anyhow!("it took longer than {PATIENCE:?}")));
    let (good, said) = answer.with_context(|| format!("no answer from http://{address}{path}"))?;
    if good {
        return print::line(yes);
    }
    // What strangers wrote must not speak to the terminal.
    let why: String = said.trim().chars().take(SHOWN).collect();
    Err(Failed::No(format!("not {yes}: {}", why.replace(char::is_control, "·"))))
}

/// Whether the answer was 200, and its text.
pub(super) async fn ask(address: &str, path: &str) -> Result<(bool, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let uri: Uri = path.parse()?;
    let request = Request::get(uri).header(header::HOST, address).body(Empty::<Bytes>::new())?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let good = answer.status() == http::StatusCode::OK;
        let mut body = answer.into_body();
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            text.extend(frame?.into_data().unwrap_or_default());
            ensure!(text.len() <= MOST, "it is none of ours");
        }
        Ok((good, String::from_utf8_lossy(&text).into_owned()))
    };
    // The connection has to be driven while it is asked. Its end without an answer is told by the
    // request that waits for one.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        _ended = connection => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::own_address;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("10.1.2.3:1", "10.1.2.3:1"),
        ] {
            assert_eq!(own_address(listen.parse().unwrap()), asked);
        }
    }
}
