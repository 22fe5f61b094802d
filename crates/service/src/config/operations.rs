//! `[operations]`: where metrics and health are asked for.

use std::net::SocketAddr;
use std::time::Duration;

use settings::{Section, Value};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The operations listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operations {
    pub(crate) listen: SocketAddr,
    pub(crate) max_connections: usize,
    pub(crate) timeout: Duration,
    pub(crate) webhook_label: bool,
}

impl Operations {
    /// `admin` is where the admin listener is, where there is one.
    pub(super) fn read(section: &mut Section<'_, '_>, admin: Option<SocketAddr>) -> Option<Self> {
        let listen: Option<SocketAddr> = section.required("listen", "an address", |value| {
            let expected = "expected an address and a port, such as 127.0.0.1:9464";
            value.parse(|text| text.parse().map_err(|_| expected))
        });
        if listen.is_some_and(|listen| listen.port() != 0 && Some(listen) == admin) {
            section.conflict("listen", "is the same address as admin.listen: give each its own");
        }
        let connections = |value: &Value<'_>| value.integer(1..=10_000);
        let max_connections = section.required("max_connections", "a number", connections);
        let limit = |value: &Value<'_>| value.duration(SECOND..=5 * MINUTE);
        let timeout = section.required("timeout", "a duration", limit);
        let webhook_label = section.required("webhook_label", "true or false", Value::boolean);
        Some(Self {
            listen: listen?,
            max_connections: max_connections?,
            timeout: timeout?,
            webhook_label: webhook_label?,
        })
    }
}
