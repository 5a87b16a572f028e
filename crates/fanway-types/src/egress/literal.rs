//! Hosts that are addresses, in each of the ways in which resolvers understand one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that a host is, where it is one and no name: in its usual form, an IPv6 address also
/// in brackets and with a zone, and as the C library reads an IPv4 address (`inet_aton`): `127.1`,
/// `0x7f000001`, `0177.0.0.1`. A dot at the end makes no difference.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    let bare = bare.unwrap_or(host);
    let (without_zone, _) = bare.split_once('%').unwrap_or((bare, ""));
    if let Ok(six) = without_zone.parse::<Ipv6Addr>() {
        return Some(six.into());
    }
    let four = bare.strip_suffix('.').unwrap_or(bare);
    let plain = four.parse().ok();
    plain.or_else(|| parts(four)).map(IpAddr::V4)
}

/// One to four numbers between dots, each a byte but the last, which fills what is left.
fn parts(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, bytes) = numbers.split_last()?;
    let room = 32
        - 8 * u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length < 4)?;
    let fits = room == 32 || *last < 1 << room;
    let mut address = fits.then_some(*last)?;
    for (byte, place) in bytes.iter().zip([24, 16, 8]) {
        address |= u32::from(u8::try_from(*byte).ok()?) << place;
    }
    Some(Ipv4Addr::from_bits(address))
}

/// A decimal, octal (`0…`) or hexadecimal (`0x…`) number.
fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // The C library takes `0x` alone for zero.
    if digits.is_empty() && radix == 16 {
        return Some(0);
    }
    u32::from_str_radix(digits, radix).ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[track_caller]
    fn check(host: &str, expected: Option<&str>) {
        let address = literal(host).map(|address| address.to_string());
        assert_eq!(address.as_deref(), expected, "{host}");
    }

    #[test]
    fn an_address_is_known_in_every_notation() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "127.000.000.001",
            "0177.0.0.1",
            "0x7f.1",
            "0X7F.0x0.0x0.0x1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "127.0x1",
        ] {
            check(host, Some("127.0.0.1"));
        }
        check("0", Some("0.0.0.0"));
        check("0x", Some("0.0.0.0"));
        check("4294967295", Some("255.255.255.255"));
        for host in ["::1", "[::1]", "[0:0::0:1]", "::1%lo", "[::1%25lo]"] {
            check(host, Some("::1"));
        }
        check("[::ffff:127.0.0.1]", Some("::ffff:127.0.0.1"));
        check("[fe80::1%25eth0]", Some("fe80::1"));
    }

    #[test]
    fn names_are_no_addresses() {
        for host in [
            "",
            ".",
            "a.example",
            "localhost",
            "127.0.0.1.example",
            "1.2.3.4.5",
            "256.1.1.1",
            "127.0.0.256",
            "127.16777216",
            "4294967296",
            "09",
            "1..1",
            "+1",
            "-1",
            "0x7g",
            "a.0x7f",
            "127.0.0.1..",
        ] {
            check(host, None);
        }
    }
}
