//! `[operations]`: where metrics and health are asked for.

use std::net::SocketAddr;

use settings::{Section, Value};

/// The operations listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operations {
    pub(crate) listen: SocketAddr,
    pub(crate) webhook_label: bool,
}

impl Operations {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let listen = section.required("listen", "an address", |value| {
            let expected = "expected an address and a port, such as 127.0.0.1:9464";
            value.parse(|text| text.parse().map_err(|_| expected))
        });
        let webhook_label = section.required("webhook_label", "true or false", Value::boolean);
        Some(Self { listen: listen?, webhook_label: webhook_label? })
    }
}
