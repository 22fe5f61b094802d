//! `[admin]`: where the page and the API are, and who may ask them.

use std::net::SocketAddr;
use std::time::Duration;

use control::Tokens;
use ipnet::IpNet;
use settings::{Section, Value};

use super::delivery::network;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admin {
    pub(crate) enabled: bool,
    pub(crate) listen: SocketAddr,
    pub(crate) tokens: Tokens,
    pub(crate) session: Duration,
    /// Where browsers find the page, if a proxy stands before it.
    pub(crate) public_url: Option<String>,
    /// Proxies whose `x-forwarded-for` counts.
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) max_connections: usize,
    pub(crate) timeout: Duration,
    /// How long a request waits before it is answered that the rest of its work follows.
    pub(crate) answer_after: Duration,
}

impl Admin {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let enabled = section.required("enabled", "true or false", Value::boolean);
        let listen: Option<SocketAddr> = section.required("listen", "an address", |value| {
            let expected = "expected an address and a port, such as 127.0.0.1:8080";
            value.parse(|text| text.parse().map_err(|_| expected))
        });
        let tokens = section.optional_secret("tokens", str::parse::<Tokens>).unwrap_or_default();
        let session =
            section.required("session", "a duration", |value| value.duration(MINUTE..=30 * DAY));
        let public_url = section.optional("public_url", |value| {
            value.parse_hidden(|text| control::check_public_url(text).map(|()| text.to_owned()))
        });
        let proxies = |value: &Value<'_>| value.list(|element| element.parse(network));
        let trusted_proxies = section.required("trusted_proxies", "a list of networks", proxies);
        let connections = |value: &Value<'_>| value.integer(1..=10_000);
        let max_connections = section.required("max_connections", "a number", connections);
        let limit = |value: &Value<'_>| value.duration(SECOND..=5 * MINUTE);
        let timeout = section.required("timeout", "a duration", limit);
        let patience = |value: &Value<'_>| value.duration(Duration::from_millis(1)..=MINUTE);
        let answer_after = section.required("answer_after", "a duration", patience);
        if answer_after > timeout && timeout.is_some() {
            section.conflict("answer_after", "answer_after must not exceed timeout");
        }
        let open = listen.is_some_and(|listen| !listen.ip().is_loopback());
        if open && enabled == Some(true) && tokens.is_empty() {
            let why = "without admin.tokens this must be a loopback address such as 127.0.0.1:8080, \
                       for everybody who reaches it could do everything";
            section.conflict("listen", why);
        }
        Some(Self {
            enabled: enabled?,
            listen: listen?,
            tokens,
            session: session?,
            public_url,
            trusted_proxies: trusted_proxies?,
            max_connections: max_connections?,
            timeout: timeout?,
            answer_after: answer_after?,
        })
    }
}
