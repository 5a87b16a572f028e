//! Addresses that aren't public: the IANA special-purpose registries (RFC 6890, kept at
//! `iana.org/assignments/iana-ipv4-special-registry` and `…-ipv6-special-registry`) and what clouds
//! answer on beside them. Where a registry says that a part of such a range is reachable from
//! everywhere (anycast of protocols), it counts as special all the same: no API is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Network;

/// What a range is, in words that go on from "it is".
type Special = (&'static str, Network);

const METADATA: &str = "a metadata service";

/// IPv4; the first that has an address says what it is.
const V4: [Special; 21] = [
    (METADATA, Network::v4([169, 254, 169, 254], 32)),
    (METADATA, Network::v4([169, 254, 170, 2], 32)),
    (METADATA, Network::v4([100, 100, 100, 200], 32)),
    (METADATA, Network::v4([192, 0, 0, 192], 32)),
    // Azure's, among addresses that are public otherwise.
    (METADATA, Network::v4([168, 63, 129, 16], 32)),
    ("unspecified", Network::v4([0, 0, 0, 0], 8)),
    ("private", Network::v4([10, 0, 0, 0], 8)),
    ("shared", Network::v4([100, 64, 0, 0], 10)),
    ("loopback", Network::v4([127, 0, 0, 0], 8)),
    ("link-local", Network::v4([169, 254, 0, 0], 16)),
    ("private", Network::v4([172, 16, 0, 0], 12)),
    ("for protocols", Network::v4([192, 0, 0, 0], 24)),
    ("for documentation", Network::v4([192, 0, 2, 0], 24)),
    ("a 6to4 relay", Network::v4([192, 88, 99, 0], 24)),
    ("private", Network::v4([192, 168, 0, 0], 16)),
    ("for benchmarking", Network::v4([198, 18, 0, 0], 15)),
    ("for documentation", Network::v4([198, 51, 100, 0], 24)),
    ("for documentation", Network::v4([203, 0, 113, 0], 24)),
    ("multicast", Network::v4([224, 0, 0, 0], 4)),
    ("broadcast", Network::v4([255, 255, 255, 255], 32)),
    ("reserved", Network::v4([240, 0, 0, 0], 4)),
];

const MAPPED: Network = Network::v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);
/// The well-known prefix of RFC 6052.
const NAT64: Network = Network::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// RFC 8215.
const NAT64_OF_A_SITE: Network = Network::v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
/// RFC 4291, 2.5.5.1.
const COMPATIBLE: Network = Network::v6([0; 8], 96);
/// RFC 2765.
const TRANSLATED: Network = Network::v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96);
const TEREDO: Network = Network::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);
const SIX_TO_FOUR: Network = Network::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// IPv6 but for what [`written_for`] knows; the first that has an address says what it is. All that
/// is given out of it is 2000::/3 (RFC 4291, 2.4), the rest is reserved.
const V6: [Special; 25] = [
    ("unspecified", Network::v6([0; 8], 128)),
    ("loopback", Network::v6([0, 0, 0, 0, 0, 0, 0, 1], 128)),
    ("an IPv4 address", COMPATIBLE),
    ("an IPv4 address", TRANSLATED),
    ("NAT64 of a site", NAT64_OF_A_SITE),
    ("discarded", Network::v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64)),
    ("a dummy", Network::v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64)),
    ("Teredo", TEREDO),
    (
        "for benchmarking",
        Network::v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
    ),
    (
        "for protocols",
        Network::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ),
    (
        "for documentation",
        Network::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ),
    ("6to4", SIX_TO_FOUR),
    (
        "for documentation",
        Network::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    ),
    (
        "for segment routing",
        Network::v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
    ),
    (
        METADATA,
        Network::v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    ),
    (
        METADATA,
        Network::v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    ),
    (
        "unique-local",
        Network::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    ),
    ("link-local", Network::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10)),
    ("site-local", Network::v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10)),
    ("multicast", Network::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8)),
    ("reserved", Network::v6([0, 0, 0, 0, 0, 0, 0, 0], 3)),
    ("reserved", Network::v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 3)),
    ("reserved", Network::v6([0x6000, 0, 0, 0, 0, 0, 0, 0], 3)),
    ("reserved", Network::v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 2)),
    ("reserved", Network::v6([0xc000, 0, 0, 0, 0, 0, 0, 0], 2)),
];

/// What an address is that isn't public.
pub(super) fn of(address: IpAddr) -> Option<Special> {
    let address = written_for(address).map_or(address, IpAddr::V4);
    let known: &[Special] = match address {
        IpAddr::V4(_) => &V4,
        IpAddr::V6(_) => &V6,
    };
    let found = known.iter().find(|(_, network)| network.contains(address));
    found.copied()
}

/// The IPv4 address that an IPv6 address is only another way to write, or to reach: mapped, or by
/// the well-known prefix of NAT64. Such a one is as public as that is.
pub(super) fn written_for(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(six) = address else {
        return None;
    };
    let is_either = MAPPED.contains(address) || NAT64.contains(address);
    is_either.then(|| last(six))
}

/// The IPv4 address that packets to an IPv6 address end up at, or may.
pub(super) fn carried(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(six) = address else {
        return None;
    };
    let ends_with = [MAPPED, NAT64, NAT64_OF_A_SITE, COMPATIBLE, TRANSLATED];
    if ends_with.iter().any(|network| network.contains(address)) {
        return Some(last(six));
    }
    if SIX_TO_FOUR.contains(address) {
        let [_, _, a, b, c, d, ..] = six.octets();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    // Teredo turns its client's bits over (RFC 4380, 4).
    TEREDO
        .contains(address)
        .then(|| Ipv4Addr::from_bits(!last(six).to_bits()))
}

fn last(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}
