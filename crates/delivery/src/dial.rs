//! One TCP connection to a host that may have several addresses (RFC 8305, "Happy Eyeballs"): they
//! are tried one after the other, the families in turn, a quarter of a second apart or as soon as
//! one fails, and the first that answers is taken. So an address or a whole family that is away
//! costs moments and not the attempt.
//!
//! Not here: which addresses those are, and whether they may be reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The head start of each address before the next one (RFC 8305, section 8).
const APART: Duration = Duration::from_millis(250);

/// Connects to one of `addresses`, in this order.
///
/// # Errors
///
/// What the last one that failed said; `NotFound` where there are none. There is no limit of time.
pub(crate) async fn dial(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    let mut under_way = FuturesUnordered::new();
    for address in addresses {
        under_way.push(TcpStream::connect(SocketAddr::new(*address, port)));
        match timeout(APART, under_way.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => failure = error,
            // The next one goes on beside it.
            Ok(None) | Err(_) => {}
        }
    }
    while let Some(ended) = under_way.next().await {
        match ended {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// IPv6 and IPv4 in turn, IPv6 first (RFC 8305, section 4); within a family the order stays.
pub(crate) fn in_turn(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (six, four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut turns = Vec::with_capacity(six.len() + four.len());
    while six.len() + four.len() > 0 {
        turns.extend(six.next());
        turns.extend(four.next());
    }
    turns
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn families_come_in_turn_and_ipv6_first() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let turns = in_turn(["1.1.1.1", "1.1.1.2", "1.1.1.3", "::1", "::2"].map(parse));
        assert_eq!(turns, ["::1", "1.1.1.1", "::2", "1.1.1.2", "1.1.1.3"].map(parse));
        assert!(in_turn([]).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_end_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens on the other addresses of loopback.
        let addresses = [2, 3, 1].map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
        let stream = dial(&addresses, port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip(), addresses[2]);
        drop(listener);
        let refused = dial(&addresses, port).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let none = dial(&[], port).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }
}
