//! A range of addresses, as RFC 4632 and RFC 4291 (2.3) write one: `10.20.0.0/16`, `fd00::/8`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Zero behind the prefix.
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It begins with no address.
    #[error("what stands before the `/` is no IP address")]
    Address,
    /// What follows the `/` is no length of a prefix.
    #[error("what follows the `/` is no number of bits, 0 to {0}")]
    Prefix(u8),
    /// The address has bits behind the prefix, so that it isn't clear what is meant.
    #[error("the address has bits behind its first {0}: the range begins at {1}")]
    Bits(u8, IpAddr),
}

impl Network {
    /// The range of so many bits; for tables, in which none has bits behind its prefix.
    pub(super) const fn v4(octets: [u8; 4], prefix: u8) -> Self {
        let [a, b, c, d] = octets;
        let address = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        Self { address, prefix }
    }

    /// The same of IPv6.
    pub(super) const fn v6(groups: [u16; 8], prefix: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = groups;
        let address = IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h));
        Self { address, prefix }
    }

    /// Whether an address is in it. An IPv4 address is in no range of IPv6 addresses, whatever way
    /// there is to write it as one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_v4(self.prefix) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_v6(self.prefix) == 0
            }
            _ => false,
        }
    }

    /// The first address of the range of so many bits that an address is in.
    fn first(address: IpAddr, prefix: u8) -> IpAddr {
        match address {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & mask_v4(prefix)).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & mask_v6(prefix)).into(),
        }
    }
}

/// The first so many of 32 bits.
fn mask_v4(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix))
        .unwrap_or_default()
}

/// The first so many of 128 bits.
fn mask_v6(prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(prefix))
        .unwrap_or_default()
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads an address and, behind a `/`, how many of its bits are meant; without that all are.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => most,
            Some(text) => Some(text)
                .filter(digits)
                .and_then(|text| text.parse().ok())
                .filter(|bits| *bits <= most)
                .ok_or(NetworkError::Prefix(most))?,
        };
        let first = Self::first(address, prefix);
        if first != address {
            return Err(NetworkError::Bits(prefix, first));
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[track_caller]
    fn check(text: &str, within: &[&str], outside: &[&str]) {
        let network: Network = text.parse().expect("a range");
        assert_eq!(network.to_string(), text);
        for (addresses, expected) in [(within, true), (outside, false)] {
            for address in addresses {
                let is_in = network.contains(address.parse().expect("an address"));
                assert_eq!(is_in, expected, "{address} in {text}");
            }
        }
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_alike() {
        check(
            "10.20.0.0/16",
            &["10.20.0.0", "10.20.255.255"],
            &["10.19.255.255", "10.21.0.0", "::ffff:10.20.0.0"],
        );
        check("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::"]);
        check("::/0", &["::", "ffff::"], &["0.0.0.0"]);
        check("192.0.2.7/32", &["192.0.2.7"], &["192.0.2.6"]);
        check("fc00::/7", &["fc00::", "fdff::1"], &["fe00::", "fbff::"]);
        check("2001:db8::1/128", &["2001:db8::1"], &["2001:db8::2"]);
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        let error = text.parse::<Network>().expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }

    #[test]
    fn an_address_alone_is_a_range_of_one() {
        let network: Network = "10.0.0.1".parse().expect("a range");
        assert_eq!(network.to_string(), "10.0.0.1/32");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "/8",
            "10/8",
            "10.0.0/8",
            "a.example/8",
            "[::1]/128",
            "0x7f.1/8",
        ] {
            check_refused(text, "what stands before the `/` is no IP address");
        }
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8"] {
            check_refused(text, "what follows the `/` is no number of bits, 0 to 32");
        }
        check_refused(
            "::/129",
            "what follows the `/` is no number of bits, 0 to 128",
        );
        check_refused(
            "10.20.0.1/16",
            "the address has bits behind its first 16: the range begins at 10.20.0.0",
        );
    }
}
