//! Where the Erlang nodes of a cluster learn each other's ports: an `epmd` of our own for each node.
//!
//! A node asks the `epmd` of its machine under which port another one listens. Each of ours has one
//! to itself, which names it a proxy's port instead: so every connection between nodes passes a
//! proxy that is ours to cut, and neither root nor a network namespace is needed. The protocol is
//! the three questions of "EPMD Protocol" in Erlang's documentation (Distribution Protocol).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::ports::Port;

/// Questions, by their first byte.
const ALIVE: u8 = 120;
const PORT_PLEASE: u8 = 122;
const NAMES: u8 = 110;

/// Answers.
const ALIVE_ANSWER: u8 = 118;
const PORT_ANSWER: u8 = 119;

/// A node that is seen by others, over TCP and IPv4.
const NODE_TYPE: u8 = 77;
const PROTOCOL: u8 = 0;
/// Versions of the distribution protocol: from OTP R6 to those of OTP 23.
const HIGHEST: u16 = 6;
const LOWEST: u16 = 5;

/// Far more than any question has.
const LONGEST: u16 = 1_024;

/// Tells one life of a node from its others; the lowest numbers are old protocols'.
static LIVES: AtomicU32 = AtomicU32::new(4);

/// Name (before the `@`) and port.
pub(super) type Names = HashMap<String, u16>;

/// Who has registered at any meeting point of a cluster. Tools are found there by every node, for
/// they are sent answers by each; members are told by their proxies.
pub(super) type Registered = Arc<Mutex<Names>>;

/// One node's meeting point. Dropped, nobody is found there any more.
#[derive(Debug)]
pub(super) struct Meeting {
    port: Port,
    _tasks: JoinSet<()>,
}

impl Meeting {
    /// Where a node is told of these others; who comes to register is known besides.
    pub(super) async fn start(others: Names, registered: Registered) -> Result<Self> {
        let port = Port::take()?;
        let listener =
            TcpListener::bind(port.address()).await.context("no port for a meeting point")?;
        let mut tasks = JoinSet::new();
        tasks.spawn(run(listener, port.number(), (Arc::new(others), registered)));
        Ok(Self { port, _tasks: tasks })
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }
}

async fn run(listener: TcpListener, own: u16, known: (Arc<Names>, Registered)) {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let known = known.clone();
                // Who asks something else gets no answer.
                visitors.spawn(async move { serve(stream, own, known).await.unwrap_or_default() });
            }
            Some(_) = visitors.join_next() => {}
        }
    }
}

/// One question. A registration lasts as long as its connection.
async fn serve(
    mut stream: TcpStream,
    own: u16,
    (others, registered): (Arc<Names>, Registered),
) -> Option<()> {
    let length = stream.read_u16().await.ok().filter(|length| (1..=LONGEST).contains(length))?;
    let mut question = vec![0; usize::from(length)];
    stream.read_exact(&mut question).await.ok()?;
    let locked = || registered.lock().unwrap_or_else(PoisonError::into_inner);
    match question[0] {
        ALIVE => {
            let (name, port) = registration(&question)?;
            locked().insert(name.clone(), port);
            // Result, then the number that tells this life of the node from its earlier ones.
            let creation = LIVES.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let answer = [&[ALIVE_ANSWER, 0][..], &creation].concat();
            if stream.write_all(&answer).await.is_ok() {
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
            }
            let mut names = locked();
            // A node that came again meanwhile has the name now.
            if names.get(&name) == Some(&port) {
                names.remove(&name);
            }
        }
        PORT_PLEASE => {
            let name = std::str::from_utf8(&question[1..]).ok()?;
            // Who is away is known nowhere, proxy or not.
            let own = locked().get(name).copied();
            let port = own.map(|own| others.get(name).copied().unwrap_or(own));
            let answer = port.map_or_else(|| vec![PORT_ANSWER, 1], |port| found(name, port));
            stream.write_all(&answer).await.ok()?;
        }
        NAMES => {
            let mut answer = u32::from(own).to_be_bytes().to_vec();
            let lines = |(name, port): (&String, &u16)| format!("name {name} at port {port}\n");
            answer.extend(locked().iter().map(lines).collect::<String>().bytes());
            stream.write_all(&answer).await.ok()?;
        }
        _ => {}
    }
    Some(())
}

/// Name and port of who registers: port, type, protocol, two versions, then the name's length.
fn registration(question: &[u8]) -> Option<(String, u16)> {
    let number = |at: usize| Some(u16::from_be_bytes(question.get(at..at + 2)?.try_into().ok()?));
    let (port, length) = (number(1)?, usize::from(number(9)?));
    let name = question.get(11..11 + length)?;
    Some((String::from_utf8(name.to_vec()).ok()?, port))
}

fn found(name: &str, port: u16) -> Vec<u8> {
    let mut answer = vec![PORT_ANSWER, 0];
    answer.extend(port.to_be_bytes());
    answer.extend([NODE_TYPE, PROTOCOL]);
    answer.extend(HIGHEST.to_be_bytes());
    answer.extend(LOWEST.to_be_bytes());
    // A node's name has at most 255 bytes.
    answer.extend(u16::try_from(name.len()).unwrap_or_default().to_be_bytes());
    answer.extend(name.bytes());
    answer.extend([0, 0]);
    answer
}

#[cfg(test)]
mod tests {
    use super::{found, registration};

    #[test]
    fn a_registration_is_read_and_an_answer_written_as_documented() {
        let question = b"\x78\x30\x39\x4d\x00\x00\x06\x00\x05\x00\x03abc\x00\x00";
        assert_eq!(registration(question), Some(("abc".to_owned(), 12345)));
        assert_eq!(registration(&question[..12]), None);
        assert_eq!(
            found("abc", 12345),
            b"\x77\x00\x30\x39\x4d\x00\x00\x06\x00\x05\x00\x03abc\x00\x00"
        );
    }
}
