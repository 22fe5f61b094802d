//! What the guard lets through, and what not, in every form that an address can take.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn blocked(address: &str) -> Option<&'static str> {
    Guard::default().judge(address.parse().unwrap()).err().map(|blocked| blocked.network)
}

#[test]
fn public_addresses_pass_and_others_are_named() {
    for public in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ] {
        assert_eq!(blocked(public), None, "{public}");
    }
    let named = [
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("127.1.2.3", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("100.127.255.255", "shared"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fdff::1", "unique local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("250.0.0.1", "reserved"),
        ("2001:db8::1", "documentation"),
        ("198.19.255.255", "benchmarking"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b:1::1", "NAT64"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("2001:0:1:2:3:4:80ff:fffe", "loopback"),
    ];
    for (address, name) in named {
        let network = blocked(address);
        assert!(network.is_some_and(|network| network.contains(name)), "{address}: {network:?}");
    }
}

#[test]
fn an_exception_is_exactly_that() {
    let guard = Guard::new(vec!["10.1.0.0/16".parse().unwrap(), "::1/128".parse().unwrap()]);
    for allowed in ["10.1.2.3", "::ffff:10.1.2.3", "::1"] {
        assert_eq!(guard.judge(allowed.parse().unwrap()), Ok(()), "{allowed}");
    }
    for refused in ["10.2.0.1", "127.0.0.1", "fe80::1"] {
        assert!(guard.judge(refused.parse().unwrap()).is_err(), "{refused}");
    }
}

proptest! {
    #[test]
    fn every_address_of_a_network_is_refused_in_every_form(
        row in select(ranges::V4),
        host in any::<u32>(),
        low in any::<u64>(),
    ) {
        let (network, length, _) = row;
        let mask = u32::MAX.checked_shr(length).unwrap_or(0);
        let address = Ipv4Addr::from_bits(network.to_bits() | (host & mask));
        let [a, b, c, d] = address.octets().map(u16::from);
        let (high, rest) = ((a << 8) | b, (c << 8) | d);
        let tail = Ipv6Addr::from_bits(u128::from(low)).segments();
        let forms = [
            IpAddr::V4(address),
            IpAddr::V6(address.to_ipv6_mapped()),
            IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, rest)),
            IpAddr::V6(Ipv6Addr::new(0x2002, high, rest, tail[3], tail[4], tail[5], tail[6], tail[7])),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0, tail[2], tail[3], tail[4], tail[5], !high, !rest)),
        ];
        for form in forms {
            prop_assert!(Guard::default().judge(form).is_err(), "{} as {}", address, form);
        }
    }

    #[test]
    fn every_address_of_an_ipv6_network_is_refused(row in select(ranges::V6), host in any::<u128>()) {
        let (network, length, _) = row;
        let mask = u128::MAX.checked_shr(length).unwrap_or(0);
        let address = Ipv6Addr::from_bits(network.to_bits() | (host & mask));
        prop_assert!(Guard::default().judge(IpAddr::V6(address)).is_err(), "{}", address);
    }
}
