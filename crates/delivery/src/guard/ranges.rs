//! Networks that are not the public internet, after the IANA special-purpose address registries for
//! IPv4 and IPv6 (RFC 6890 and its updates, as of 2026), with the clouds' metadata services that
//! lie outside of them.
//!
//! The more specific network stands first, for the name that people see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network and what it is called.
pub(super) type Row<A> = (A, u32, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(head: [u16; 4]) -> Ipv6Addr {
    Ipv6Addr::new(head[0], head[1], head[2], head[3], 0, 0, 0, 0)
}

pub(super) const V4: &[Row<Ipv4Addr>] = &[
    (v4(169, 254, 169, 254), 32, "a cloud's metadata service"),
    (v4(168, 63, 129, 16), 32, "a cloud's metadata service"),
    (v4(100, 100, 100, 200), 32, "a cloud's metadata service"),
    (v4(0, 0, 0, 0), 32, "the unspecified address"),
    (v4(0, 0, 0, 0), 8, "this network (RFC 791)"),
    (v4(10, 0, 0, 0), 8, "private networks (RFC 1918)"),
    (v4(100, 64, 0, 0), 10, "shared address space (RFC 6598)"),
    (v4(127, 0, 0, 0), 8, "loopback (RFC 1122)"),
    (v4(169, 254, 0, 0), 16, "link-local networks (RFC 3927)"),
    (v4(172, 16, 0, 0), 12, "private networks (RFC 1918)"),
    (v4(192, 0, 0, 0), 24, "protocol assignments (RFC 6890)"),
    (v4(192, 0, 2, 0), 24, "documentation (RFC 5737)"),
    (v4(192, 31, 196, 0), 24, "AS112 service (RFC 7535)"),
    (v4(192, 52, 193, 0), 24, "AMT relays (RFC 7450)"),
    (v4(192, 88, 99, 0), 24, "6to4 relays (RFC 7526)"),
    (v4(192, 168, 0, 0), 16, "private networks (RFC 1918)"),
    (v4(192, 175, 48, 0), 24, "AS112 service (RFC 7534)"),
    (v4(198, 18, 0, 0), 15, "benchmarking (RFC 2544)"),
    (v4(198, 51, 100, 0), 24, "documentation (RFC 5737)"),
    (v4(203, 0, 113, 0), 24, "documentation (RFC 5737)"),
    (v4(224, 0, 0, 0), 4, "multicast (RFC 1112)"),
    (v4(255, 255, 255, 255), 32, "limited broadcast (RFC 919)"),
    (v4(240, 0, 0, 0), 4, "reserved addresses (RFC 1112)"),
];

pub(super) const V6: &[Row<Ipv6Addr>] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "loopback (RFC 4291)"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, "a cloud's metadata service"),
    (v6([0x64, 0xff9b, 1, 0]), 48, "local NAT64 (RFC 8215)"),
    (v6([0x100, 0, 0, 0]), 64, "discarded addresses (RFC 6666)"),
    (v6([0x100, 0, 0, 1]), 64, "dummy prefix (RFC 9780)"),
    (v6([0x2001, 0xdb8, 0, 0]), 32, "documentation (RFC 3849)"),
    (v6([0x2001, 0x2, 0, 0]), 48, "benchmarking (RFC 5180)"),
    (v6([0x2001, 0x10, 0, 0]), 28, "ORCHID (RFC 4843)"),
    (v6([0x2001, 0x20, 0, 0]), 28, "ORCHIDv2 (RFC 7343)"),
    (v6([0x2001, 0x30, 0, 0]), 28, "drone identifiers (RFC 9374)"),
    (v6([0x2001, 1, 0, 0]), 32, "protocol assignments (RFC 2928)"),
    (v6([0x2001, 3, 0, 0]), 32, "AMT (RFC 7450)"),
    (v6([0x2001, 4, 0x112, 0]), 48, "AS112 service (RFC 7535)"),
    (v6([0x2620, 0x4f, 0x8000, 0]), 48, "AS112 service (RFC 7534)"),
    (v6([0x3fff, 0, 0, 0]), 20, "documentation (RFC 9637)"),
    (v6([0x5f00, 0, 0, 0]), 16, "segment routing (RFC 9602)"),
    (v6([0xfc00, 0, 0, 0]), 7, "unique local networks (RFC 4193)"),
    (v6([0xfe80, 0, 0, 0]), 10, "link-local networks (RFC 4291)"),
    (v6([0xfec0, 0, 0, 0]), 10, "site-local networks (RFC 3879)"),
    (v6([0xff00, 0, 0, 0]), 8, "multicast (RFC 4291)"),
];

/// What the network of an address is called, if it is one of the table.
pub(super) fn network_of(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let within = |net: Ipv4Addr, length: u32| {
                (address.to_bits() ^ net.to_bits()).leading_zeros() >= length
            };
            V4.iter().find(|(net, length, _)| within(*net, *length)).map(|row| row.2)
        }
        IpAddr::V6(address) => {
            let within = |net: Ipv6Addr, length: u32| {
                (address.to_bits() ^ net.to_bits()).leading_zeros() >= length
            };
            V6.iter().find(|(net, length, _)| within(*net, *length)).map(|row| row.2)
        }
    }
}
