//! One AMQP 0-9-1 publish by hand, for what no well-behaved client can be made to send: an id that
//! is no UTF-8, or headers nested thousands of levels deep. Just the frames that it takes, in the
//! order of the specification, section 2.2.4.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const END: u8 = 0xCE;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is published.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The virtual host.
    pub vhost: &'a str,
    /// The exchange.
    pub exchange: &'a str,
    /// The routing key.
    pub key: &'a str,
    /// The bytes of `message_id`, at most 255.
    pub id: &'a [u8],
    /// The entries of the header table as they stand on the wire.
    pub headers: &'a [u8],
    /// The body, which has to fit into one frame.
    pub body: &'a [u8],
}

/// Publishes as guest and waits for the confirm. Blocking.
///
/// # Errors
///
/// When the broker does not confirm.
pub fn publish(broker: SocketAddr, raw: Raw<'_>) -> Result<()> {
    let mut wire = Wire(TcpStream::connect(broker)?);
    wire.0.set_read_timeout(Some(PATIENCE))?;
    wire.0.write_all(b"AMQP\x00\x00\x09\x01")?;
    wire.expect(10, 10)?;
    let login =
        [&[0; 4][..], &short(b"PLAIN"), &long(b"\0guest\0guest"), &short(b"en_US")].concat();
    wire.method(0, 10, 11, &login)?;
    // The broker's own limits, and no heartbeat.
    let mut tune = wire.expect(10, 30)?;
    ensure!(tune.len() == 8, "no tune");
    tune[6..].fill(0);
    wire.method(0, 10, 31, &tune)?;
    wire.method(0, 10, 40, &[&short(raw.vhost.as_bytes())[..], &[0, 0]].concat())?;
    wire.expect(10, 41)?;
    wire.method(1, 20, 10, &[0])?;
    wire.expect(20, 11)?;
    wire.method(1, 85, 10, &[0])?;
    wire.expect(85, 11)?;
    let target = [&[0, 0][..], &short(raw.exchange.as_bytes()), &short(raw.key.as_bytes()), &[1]];
    wire.method(1, 60, 40, &target.concat())?;
    // Headers (bit 13), delivery mode (bit 12) and message id (bit 7), in this order.
    let flags = (1_u16 << 13) | (1 << 12) | (1 << 7);
    let headers = long(raw.headers);
    let size = u64::try_from(raw.body.len())?.to_be_bytes();
    let header =
        [&[0, 60, 0, 0][..], &size, &flags.to_be_bytes(), &headers, &[2], &short(raw.id)].concat();
    wire.frame(HEADER, 1, &header)?;
    wire.frame(BODY, 1, raw.body)?;
    wire.expect(60, 80)?;
    Ok(())
}

struct Wire(TcpStream);

impl Wire {
    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) -> Result<()> {
        let size = u32::try_from(payload.len())?.to_be_bytes();
        let frame = [&[kind][..], &channel.to_be_bytes(), &size, payload, &[END]].concat();
        self.0.write_all(&frame).context("the broker is gone")
    }

    fn method(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) -> Result<()> {
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
        self.frame(METHOD, channel, &payload)
    }

    /// The arguments of the next frame, which must be this method.
    fn expect(&mut self, class: u16, method: u16) -> Result<Vec<u8>> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).context("the broker says nothing more")?;
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; usize::try_from(size)? + 1];
        self.0.read_exact(&mut payload)?;
        let name = [class.to_be_bytes(), method.to_be_bytes()].concat();
        ensure!(
            head[0] == METHOD && payload.starts_with(&name),
            "not {class}.{method}: {payload:?}"
        );
        payload.pop();
        Ok(payload.split_off(name.len()))
    }
}

fn short(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length][..], &text[..usize::from(length)]].concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], text].concat()
}
