//! A name server of a test's own (RFC 1035, over UDP and TCP): it answers as it is told, and counts
//! what it is asked. Names that it was not told of do not exist.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

const A: u16 = 1;
const AAAA: u16 = 28;
const HEAD: usize = 12;
/// A name that is the question's.
const SAME_NAME: [u8; 2] = [0xc0, 12];
/// A response, with recursion asked for and done.
const RESPONSE: u16 = 0x8180;
/// In a response: there is more, ask over TCP.
const TRUNCATED: u16 = 0x0200;
const NO_NAME: u16 = 3;
/// How often a port is looked for that is free for both.
const TRIES: usize = 20;

/// What it says of a name.
#[derive(Clone, Debug)]
pub enum Says {
    /// These addresses, for so many seconds.
    Addresses(u32, Vec<IpAddr>),
    /// The same, which only goes over TCP.
    Long(u32, Vec<IpAddr>),
    /// The same, and nothing at all to who asks for IPv6 addresses.
    OnlyIpv4(u32, Vec<IpAddr>),
    /// Nothing at all.
    Nothing,
}

/// A running one. Dropped, it closes.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    names: HashMap<String, Says>,
    /// Questions for IPv4 addresses, by name.
    asked: HashMap<String, usize>,
}

impl NameServer {
    /// Starts one that knows no name.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        let (socket, listener) = sockets().await?;
        let address = socket.local_addr()?;
        let state = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(answer(socket, Arc::clone(&state)));
        tasks.spawn(listen(listener, Arc::clone(&state)));
        Ok(Self { address, state, _tasks: tasks })
    }

    /// Its address, as the configuration has it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What it says from now on.
    pub fn say(&self, name: &str, says: Says) {
        locked(&self.state).names.insert(name.to_owned(), says);
    }

    /// Says these addresses from now on, for so many seconds.
    pub fn lead(&self, name: &str, seconds: u32, addresses: &[&str]) {
        let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
        self.say(name, Says::Addresses(seconds, addresses));
    }

    /// How often it was asked for the IPv4 addresses of a name.
    pub fn asked(&self, name: &str) -> usize {
        locked(&self.state).asked.get(name).copied().unwrap_or(0)
    }
}

/// One port for both.
async fn sockets() -> Result<(UdpSocket, TcpListener)> {
    for _ in 0..TRIES {
        let socket = UdpSocket::bind("127.0.0.1:0").await.context("no port for a name server")?;
        if let Ok(listener) = TcpListener::bind(socket.local_addr()?).await {
            return Ok((socket, listener));
        }
    }
    bail!("no port for a name server that is free for UDP and TCP")
}

async fn listen(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(answer_each(connection, Arc::clone(&state)));
    }
}

/// Over TCP each message has its length before it (RFC 1035, section 4.2.2).
async fn answer_each(mut connection: TcpStream, state: Arc<Mutex<State>>) -> Result<()> {
    loop {
        let mut query = vec![0; usize::from(connection.read_u16().await?)];
        connection.read_exact(&mut query).await?;
        let response = respond(&query, &mut locked(&state), false);
        if let Some(response) = response {
            connection.write_u16(u16::try_from(response.len())?).await?;
            connection.write_all(&response).await?;
        }
    }
}

async fn answer(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut query = [0; 1_500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut query).await else { continue };
        if let Some(response) = respond(&query[..length], &mut locked(&state), true) {
            // Who does not get it asks again.
            socket.try_send_to(&response, from).unwrap_or_default();
        }
    }
}

/// The response to a query; none where nothing is to be said.
fn respond(query: &[u8], state: &mut State, is_short: bool) -> Option<Vec<u8>> {
    let (name, end) = name(query.get(HEAD..)?)?;
    let question = query.get(HEAD..HEAD + end + 4)?;
    let kind = u16::from_be_bytes([question[end], question[end + 1]]);
    if kind == A {
        *state.asked.entry(name.clone()).or_default() += 1;
    }
    let (code, seconds, addresses) = match state.names.get(&name) {
        None => (NO_NAME, 0, Vec::new()),
        Some(Says::Nothing) => return None,
        Some(Says::OnlyIpv4(..)) if kind == AAAA => return None,
        Some(Says::Long(..)) if is_short => (TRUNCATED, 0, Vec::new()),
        Some(
            Says::Addresses(seconds, addresses)
            | Says::Long(seconds, addresses)
            | Says::OnlyIpv4(seconds, addresses),
        ) => (0, *seconds, addresses.clone()),
    };
    let records: Vec<Vec<u8>> = addresses
        .iter()
        .filter_map(|address| match address {
            IpAddr::V4(address) if kind == A => Some(address.octets().to_vec()),
            IpAddr::V6(address) if kind == AAAA => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let count = u16::try_from(records.len()).ok()?;
    let mut response = [
        query.get(..2)?,
        &(RESPONSE | code).to_be_bytes(),
        &1_u16.to_be_bytes(),
        &count.to_be_bytes(),
        &[0; 4],
        question,
    ]
    .concat();
    for record in records {
        response.extend(SAME_NAME);
        response.extend(kind.to_be_bytes());
        response.extend(1_u16.to_be_bytes());
        response.extend(seconds.to_be_bytes());
        response.extend(u16::try_from(record.len()).ok()?.to_be_bytes());
        response.extend(record);
    }
    Some(response)
}

/// A name in lower case with dots between its labels, and how many bytes it takes.
fn name(bytes: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 0);
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = bytes.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
