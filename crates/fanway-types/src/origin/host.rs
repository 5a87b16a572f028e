//! The host of a URL: a name (RFC 1123, 2.1, and `_`), an IPv4 or a bracketed IPv6 address.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{OriginError, Scheme};

/// The longest name (RFC 1035, 2.3.4), without a dot at its end.
const LONGEST: usize = 253;
/// The longest part of a name between two dots.
const LONGEST_LABEL: usize = 63;

/// Host and port of a URL's authority; the scheme's own port where none is written.
pub(super) fn split_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), OriginError> {
    if authority.contains('@') {
        return Err(OriginError::UserInfo);
    }
    // Colons within brackets belong to the address.
    let host_end = if authority.starts_with('[') {
        authority.find(']').ok_or(OriginError::Host)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_end);
    if host.is_empty() {
        return Err(OriginError::Host);
    }
    if port.is_empty() {
        return Ok((host, scheme.default_port()));
    }
    let digits = port.strip_prefix(':').ok_or(OriginError::Port)?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|port| number && *port != 0);
    number.map(|port| (host, port)).ok_or(OriginError::Port)
}

/// The host in its one form: names in lower case, IPv6 addresses in their shortest (RFC 5952).
pub(super) fn parse(host: &str) -> Result<Box<str>, OriginError> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Option<Ipv6Addr> = inner.strip_suffix(']').and_then(|it| it.parse().ok());
        return address
            .map(|address| format!("[{address}]").into())
            .ok_or(OriginError::Host);
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return Ok(host.into());
    }
    parse_name(host)
}

/// A name of labels between dots, in lower case.
pub(super) fn parse_name(host: &str) -> Result<Box<str>, OriginError> {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = host.len() <= LONGEST && host.split('.').all(is_label);
    // Resolvers understand `127.1` and `0x7f.1` as addresses too, each in its own way.
    if !is_name || ends_in_a_number(host) {
        return Err(OriginError::Host);
    }
    Ok(host.to_ascii_lowercase().into())
}

fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit())
}
