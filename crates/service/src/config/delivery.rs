//! `[delivery]`: the limits of an attempt, and which addresses it may reach.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use settings::Section;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The port of a name server that names none.
const DNS_PORT: u16 = 53;

/// Limits and exceptions of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) max_response_bytes: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) max_in_flight_per_host: NonZeroU32,
    pub(crate) max_connections: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_idle_per_host: usize,
    pub(crate) dns_servers: Vec<SocketAddr>,
    pub(crate) dns_max_ttl: Duration,
    pub(crate) dns_max_names: usize,
    pub(crate) allow_addresses: Vec<IpNet>,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Delivery {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let connect_timeout = section.required("connect_timeout", "a duration", |value| {
            value.duration(SECOND / 10..=MINUTE)
        });
        let timeout =
            section.required("timeout", "a duration", |value| value.duration(SECOND..=5 * MINUTE));
        let max_response_bytes = section
            .required("max_response_bytes", "a size", |value| value.size(1024..=16 * 1024 * 1024));
        let [max_in_flight, max_connections] = ["max_in_flight", "max_connections"]
            .map(|key| section.required(key, "a number", |value| value.integer(1..=100_000)));
        let max_in_flight_per_host =
            section
                .required("max_in_flight_per_host", "a number", |value| value.integer(1..=100_000));
        let idle_timeout = section
            .required("idle_timeout", "a duration", |value| value.duration(SECOND..=10 * MINUTE));
        let max_idle_per_host =
            section.required("max_idle_per_host", "a number", |value| value.integer(0..=10_000));
        let dns_servers = section.required("dns_servers", "a list of name servers", |value| {
            value.list(|element| element.parse(name_server))
        });
        let dns_max_ttl =
            section.required("dns_max_ttl", "a duration", |value| value.duration(SECOND..=DAY));
        let dns_max_names =
            section.required("dns_max_names", "a number", |value| value.integer(1..=1_000_000));
        let allow_addresses = section.required("allow_addresses", "a list of networks", |value| {
            value.list(|element| element.parse(network))
        });
        let ca_file = section.optional("ca_file", |value| value.parse(absolute));
        if connect_timeout > timeout && timeout.is_some() {
            section.conflict("connect_timeout", "connect_timeout must not exceed timeout");
        }
        Some(Self {
            connect_timeout: connect_timeout?,
            timeout: timeout?,
            max_response_bytes: usize::try_from(max_response_bytes?).ok()?,
            max_in_flight: max_in_flight?,
            max_in_flight_per_host: NonZeroU32::new(max_in_flight_per_host?)?,
            max_connections: max_connections?,
            idle_timeout: idle_timeout?,
            max_idle_per_host: max_idle_per_host?,
            dns_servers: dns_servers?,
            dns_max_ttl: dns_max_ttl?,
            dns_max_names: dns_max_names?,
            allow_addresses: allow_addresses?,
            ca_file,
        })
    }
}

/// A name server's address, with a port where it is not 53.
fn name_server(text: &str) -> Result<SocketAddr, &'static str> {
    let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    bare.or_else(|_| text.parse()).map_err(|_| {
        "expected the address of a name server, such as 10.0.0.53, 10.0.0.53:5353 or [fd00::53]:53"
    })
}

/// A network, written as one.
pub(super) fn network(text: &str) -> Result<IpNet, &'static str> {
    let expected = "expected a network such as 10.0.0.0/8 or fd00::/8";
    let network: IpNet = text.parse().map_err(|_| expected)?;
    if network.addr() == network.network() {
        Ok(network)
    } else {
        // 10.1.2.3/8 opens far more than it seems to.
        Err("the address has bits beyond the prefix length; write the network, such as 10.0.0.0/8")
    }
}

/// An absolute path: the service's working folder is nobody's intention.
pub(super) fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    let path = Path::new(text);
    if path.is_absolute() { Ok(path.to_owned()) } else { Err("expected an absolute path") }
}
