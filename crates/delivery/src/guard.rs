//! The address guard: which addresses a webhook may lead to.
//!
//! Anyone who may create a webhook could otherwise make us talk to what only we can reach: the
//! cloud's metadata service, the broker, a neighbour's admin page. Refused is everything that the
//! IANA special-purpose registries keep off the public internet ([`ranges`]), in IPv4 and IPv6, and
//! in every form of IPv6 that carries an IPv4 address. A list of networks opens exceptions.
//!
//! Not here: when it is asked. Literal addresses are judged before a request is made, the answers
//! of a resolver before a connection is; the connection goes to the very address that was judged.

mod ranges;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use thiserror::Error;

/// Judges addresses. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
}

/// An address that webhooks must not reach, and the network that it belongs to.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{address} belongs to {network}, which webhooks must not reach")]
pub struct Blocked {
    /// The address as it was found.
    pub address: IpAddr,
    /// What its network is called.
    pub network: &'static str,
}

impl Guard {
    /// A guard that lets through public addresses, and those of `allowed` whatever they are.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether a webhook may reach `address`.
    ///
    /// # Errors
    ///
    /// [`Blocked`] names the network.
    pub fn judge(&self, address: IpAddr) -> Result<(), Blocked> {
        let inner = unwrap(address);
        let judged = inner.unwrap_or(address);
        let exempt = |net: &IpNet| net.contains(&address) || net.contains(&judged);
        if self.allowed.iter().any(exempt) {
            return Ok(());
        }
        // A form that carries a public address is let through unless the form itself is refused.
        let network = ranges::network_of(judged).or_else(|| ranges::network_of(address));
        network.map_or(Ok(()), |network| Err(Blocked { address, network }))
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64, 6to4, Teredo.
fn unwrap(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let bits = (u32::from(high) << 16) | u32::from(low);
        Some(IpAddr::V4(Ipv4Addr::from_bits(bits)))
    };
    match [a, b, c, d, e, f] {
        // RFC 4291, section 2.5.5: ::ffff:0:0/96 mapped, ::/96 compatible but for :: and ::1.
        [0, 0, 0, 0, 0, 0xffff] => v4(g, h),
        [0, 0, 0, 0, 0, 0] if address > Ipv6Addr::LOCALHOST => v4(g, h),
        // RFC 6052, section 2.1: NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
        // RFC 3056, section 2: 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        // RFC 4380, section 4: Teredo, the client's address inverted.
        [0x2001, 0, ..] => v4(!g, !h),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
