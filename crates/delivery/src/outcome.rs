//! What an attempt came to: the words of the contract.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// What an attempt came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A complete 2xx within the time limit.
    Delivered(Response),
    /// Anything else that the receiver, or the way to it, did.
    Failed(Failure),
    /// A bound of our own bit before anything was sent; no attempt was made.
    NotSent(NotSent),
}

/// What was read of a response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The beginning of the body, at most 4 KiB, as it came and never decompressed.
    pub excerpt: Bytes,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The failure kind.
    pub kind: FailureKind,
    /// A line for people; holds no secret, no URL and nothing of the response's body.
    pub detail: String,
    /// How long the receiver asked to be left alone, on 429 and 503.
    pub retry_after: Option<Duration>,
    /// The response, where there was a whole one.
    pub response: Option<Response>,
}

/// The failure kinds of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The host's name does not resolve.
    Dns,
    /// No TCP connection.
    Connect,
    /// No TLS session: no trust in the certificate, or the handshake broke.
    Tls,
    /// Not connected or not answered in time.
    Timeout,
    /// A status outside of 2xx.
    Http(u16),
    /// The host leads to an address that webhooks must not reach.
    BlockedAddress,
    /// What came back was no HTTP, or broke off.
    Protocol,
}

/// The bounds of our own that keep an attempt from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotSent {
    /// As many connections are open as may be.
    Connections,
}

impl FailureKind {
    /// All kinds but those of a status, for metrics that begin at 0.
    pub const WORDS: [Self; 6] =
        [Self::Dns, Self::Connect, Self::Tls, Self::Timeout, Self::BlockedAddress, Self::Protocol];

    /// The kind that is written so; `None` for what no attempt comes to.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(status) = text.strip_prefix("http_") {
            let status = status.parse().ok()?;
            let kind = Self::Http(status);
            let possible = (100..=999).contains(&status) && !(200..=299).contains(&status);
            return (possible && kind.to_string() == text).then_some(kind);
        }
        Self::WORDS.into_iter().find(|kind| kind.word() == Some(text))
    }

    /// The kind's word where it is one of a fixed few.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Dns => Some("dns"),
            Self::Connect => Some("connect"),
            Self::Tls => Some("tls"),
            Self::Timeout => Some("timeout"),
            Self::BlockedAddress => Some("blocked_address"),
            Self::Protocol => Some("protocol"),
            Self::Http(_) => None,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.word()) {
            (Self::Http(status), _) => write!(f, "http_{status}"),
            (_, word) => f.write_str(word.unwrap_or_default()),
        }
    }
}

impl NotSent {
    /// The word in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None, response: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for text in ["dns", "connect", "tls", "timeout", "blocked_address", "protocol", "http_503"]
        {
            assert_eq!(
                FailureKind::parse(text).map(|kind| kind.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "http_",
            "http_99",
            "http_1000",
            "http_-1",
            "http_+503",
            "http_0503",
            "http_200",
            "DNS",
            "evil_1",
        ] {
            assert_eq!(FailureKind::parse(text), None, "{text}");
        }
    }
}
