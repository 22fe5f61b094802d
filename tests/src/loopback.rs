//! Short HTTP requests to what runs beside us on loopback: a broker's management, the program's
//! operations listener.
//!
//! One request per connection, blocking: answers take milliseconds, and a value that cleans up
//! when it is dropped cannot await. Not for anything that may keep us waiting.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// Longest wait for a byte. A broker on a loaded machine makes a vhost within seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most that is read of an answer.
const MOST: u64 = 16 * 1024 * 1024;

/// An answer: the status, the headers and the body as text.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The value of a header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Sends a GET without further headers.
///
/// # Errors
///
/// When nobody listens there or the answer is no HTTP.
pub fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    request(address, "GET", path, "", "")
}

/// Sends a request; `headers` are whole lines that end with CRLF.
///
/// # Errors
///
/// When nobody listens there or the answer is no HTTP.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> Result<Answer> {
    request_within(PATIENCE, address, method, path, headers, body)
}

/// As [`request`], with another longest wait for a byte.
///
/// # Errors
///
/// When nobody listens there, the wait is over, or the answer is no HTTP.
pub fn request_within(
    patience: Duration,
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> Result<Answer> {
    let body = body.as_ref();
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.take(MOST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    parse(&text).with_context(|| format!("{method} {path} at {address}: no HTTP answer"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers = head.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Some(Answer { status, headers: headers.collect(), body: body.to_owned() })
}
