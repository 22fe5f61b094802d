//! HTTP/2 (RFC 9113) as no library speaks it: frames by hand, sent once the first request of a
//! connection is there, which is always stream 1.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, split};

use crate::hostile::{Sent, drain};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// Of no known type; such frames are to be ignored.
const UNKNOWN: u8 = 0xfa;

const END_HEADERS: u8 = 4;

/// What comes before the first frame of a client.
const PREFACE: usize = 24;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// What it sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frames {
    /// Nothing but its settings.
    Silence,
    /// Not even those: it takes the connection and says nothing.
    NoSettings,
    /// HTTP/1.1, after it chose HTTP/2.
    NoFrames,
    /// SETTINGS without end, each of which is to be acknowledged.
    Settings,
    /// PING without end, each of which is to be answered.
    Pings,
    /// The same, and it reads none of the answers.
    PingsUnread,
    /// RST_STREAM of the request, without end.
    Resets,
    /// GOAWAY before any request.
    GoAway,
    /// No window: the request's body cannot be sent.
    NoWindow,
    /// No streams: no request may be made.
    NoStreams,
    /// Windows that grow by a byte, without end.
    WindowCrumbs,
    /// A window that grows beyond what a window may be.
    WindowOverflow,
    /// A window that grows by nothing.
    WindowOfNothing,
    /// Headers in CONTINUATION frames without end.
    Continuations,
    /// Small headers that are very large once they are unpacked.
    HeaderBomb,
    /// 1xx responses without end.
    Informational,
    /// A 200, and empty DATA without end.
    EmptyData,
    /// A 200, and more DATA than the window lets it send.
    TooMuchData,
    /// A push of something that nobody asked for.
    Push,
    /// PRIORITY without end.
    Priorities,
    /// Frames of no known type, without end.
    UnknownFrames,
}

impl Frames {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Silence,
        Self::NoSettings,
        Self::NoFrames,
        Self::Settings,
        Self::Pings,
        Self::PingsUnread,
        Self::Resets,
        Self::GoAway,
        Self::NoWindow,
        Self::NoStreams,
        Self::WindowCrumbs,
        Self::WindowOverflow,
        Self::WindowOfNothing,
        Self::Continuations,
        Self::HeaderBomb,
        Self::Informational,
        Self::EmptyData,
        Self::TooMuchData,
        Self::Push,
        Self::Priorities,
        Self::UnknownFrames,
    ];

    /// The settings that it begins with.
    fn settings(self) -> Vec<u8> {
        match self {
            Self::NoSettings => Vec::new(),
            Self::NoFrames => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
            Self::NoWindow => frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 0)),
            Self::NoStreams => frame(SETTINGS, 0, 0, &setting(MAX_CONCURRENT_STREAMS, 0)),
            Self::GoAway => [frame(SETTINGS, 0, 0, &[]), frame(GOAWAY, 0, 0, &[0; 8])].concat(),
            _ => frame(SETTINGS, 0, 0, &[]),
        }
    }

    /// What it sends to the first request, and what it sends ever after.
    fn harm(self) -> (Vec<u8>, Vec<u8>) {
        let none = Vec::new();
        match self {
            Self::Silence
            | Self::NoSettings
            | Self::NoFrames
            | Self::GoAway
            | Self::NoWindow
            | Self::NoStreams => (none.clone(), none),
            Self::Settings => (none, frame(SETTINGS, 0, 0, &[])),
            Self::Pings | Self::PingsUnread => (none, frame(PING, 0, 0, &[7; 8])),
            Self::Resets => (none, frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())),
            Self::WindowCrumbs => (none, frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
            Self::WindowOverflow => {
                (frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(2), none)
            }
            Self::WindowOfNothing => (frame(WINDOW_UPDATE, 0, 1, &[0; 4]), none),
            Self::Continuations => {
                let more = [&literal("x-more", &[b'y'; 100])[..]].concat().repeat(10);
                (frame(HEADERS, 0, 1, &[STATUS_200]), frame(CONTINUATION, 0, 1, &more))
            }
            Self::HeaderBomb => {
                let large = indexed_literal("x", &[b'y'; 4_000]);
                let block = [&[STATUS_200][..], &large, &[DYNAMIC; 12_000]].concat();
                (frame(HEADERS, END_HEADERS, 1, &block), none)
            }
            Self::Informational => (none, frame(HEADERS, END_HEADERS, 1, STATUS_100)),
            Self::EmptyData => {
                (frame(HEADERS, END_HEADERS, 1, &[STATUS_200]), frame(DATA, 0, 1, &[]))
            }
            Self::TooMuchData => {
                let data = frame(DATA, 0, 1, &[b'x'; 16_384]);
                (frame(HEADERS, END_HEADERS, 1, &[STATUS_200]), data)
            }
            Self::Push => {
                let promise = [&2_u32.to_be_bytes()[..], &[0x82, 0x87, 0x84]].concat();
                (frame(PUSH_PROMISE, END_HEADERS, 1, &promise), none)
            }
            Self::Priorities => (none, frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
            Self::UnknownFrames => (none, frame(UNKNOWN, 0, 0, &[0; 64])),
        }
    }
}

/// `:status: 200` in HPACK's static table (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;
/// `:status: 100`, the name from the static table, the value as text.
const STATUS_100: &[u8] = &[0x08, 3, b'1', b'0', b'0'];
/// The first entry of HPACK's dynamic table.
const DYNAMIC: u8 = 0x80 | 62;

pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    frames: Frames,
    sent: &Sent,
) -> io::Result<()> {
    let (mut read, mut write) = split(stream);
    read.read_exact(&mut [0; PREFACE]).await?;
    sent.once(&mut write, &frames.settings()).await?;
    until_request(&mut read).await?;
    let (once, ever) = frames.harm();
    sent.once(&mut write, &once).await?;
    let rest = async {
        if frames == Frames::PingsUnread {
            std::future::pending().await
        } else {
            drain(&mut read).await
        }
    };
    if ever.is_empty() {
        return rest.await;
    }
    // What is read and what is sent go on side by side, until neither can.
    let (_, flooded) = tokio::join!(rest, sent.flood(&mut write, &[], &ever));
    flooded
}

/// Reads frames up to the first HEADERS.
async fn until_request(read: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    loop {
        let mut head = [0; 9];
        read.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        read.read_exact(&mut payload).await?;
        if head[3] == HEADERS {
            return Ok(());
        }
    }
}

/// A frame: length, type, flags, stream, payload (section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A header that is not to be remembered (RFC 7541, section 6.2.2); both parts below 127 bytes.
fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap_or(0);
    [&[0, length(name.as_bytes())], name.as_bytes(), &[length(value)], value].concat()
}

/// A header that is to be remembered (section 6.2.1), with a value of 127 to 16,000 bytes.
fn indexed_literal(name: &str, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap_or(0);
    // An integer with a prefix of seven bits (section 5.1).
    let rest = u16::try_from(value.len().saturating_sub(127)).unwrap_or(0);
    let [low, high] = [rest & 0x7f, rest >> 7].map(|seven| seven.to_be_bytes()[1]);
    [&[0x40, length], name.as_bytes(), &[0x7f, 0x80 | low, high], value].concat()
}
