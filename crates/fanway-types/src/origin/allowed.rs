//! Origins that are allowed: one, or all hosts below a name.

use std::fmt;
use std::str::FromStr;

use super::{Origin, OriginError, Scheme, check_bare, host, write_origin};

/// What stands before a name to mean all hosts below it.
const BELOW: &str = "*.";

/// One origin, or the same on all hosts below a name: `https://*.example.com`.
///
/// Scheme and port are always those that are written, a missing port being the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: Scheme,
    host: Hosts,
    port: u16,
}

/// Names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    One(Box<str>),
    /// All below a name, whatever the number of dots, and not the name itself.
    Below(Box<str>),
}

impl AllowedOrigin {
    /// The host, where it is one; an IPv6 address is in brackets.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.host {
            Hosts::One(host) => Some(host),
            Hosts::Below(_) => None,
        }
    }

    /// Whether an origin is among these.
    #[must_use]
    pub fn allows(&self, origin: &Origin) -> bool {
        let host = match &self.host {
            Hosts::One(host) => *host == origin.host,
            Hosts::Below(name) => origin
                .host
                .strip_suffix(&**name)
                .is_some_and(|before| before.ends_with('.')),
        };
        host && self.scheme == origin.scheme && self.port == origin.port
    }
}

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    /// Reads scheme, host and perhaps port, with nothing behind.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        check_bare(text)?;
        let (scheme, authority) = Scheme::split(text)?;
        let Some(authority) = authority.strip_prefix(BELOW) else {
            let Origin { scheme, host, port } = text.parse()?;
            let host = Hosts::One(host);
            return Ok(Self { scheme, host, port });
        };
        let (name, port) = host::split_port(authority, scheme)?;
        let host = Hosts::Below(host::parse_name(name)?);
        Ok(Self { scheme, host, port })
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Hosts::One(host) => write_origin(f, self.scheme, format_args!("{host}"), self.port),
            Hosts::Below(name) => {
                write_origin(f, self.scheme, format_args!("{BELOW}{name}"), self.port)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{AllowedOrigin, Origin, OriginError};

    #[track_caller]
    fn check(allowed: &str, origin: &str, expected: bool) {
        let allowed: AllowedOrigin = allowed.parse().expect("allowed");
        let origin: Origin = origin.parse().expect("an origin");
        assert_eq!(allowed.allows(&origin), expected, "{allowed} {origin}");
    }

    #[track_caller]
    fn check_refused(text: &str, expected: OriginError) {
        assert_eq!(text.parse::<AllowedOrigin>(), Err(expected), "{text}");
    }

    #[test]
    fn one_origin_allows_itself_only() {
        check("https://a.example", "https://A.example:443", true);
        check("https://a.example", "https://b.a.example", false);
        check("https://a.example", "https://example", false);
        check("https://a.example", "http://a.example", false);
        check("https://a.example", "http://a.example:443", false);
        check("https://a.example", "https://a.example:8443", false);
        check("http://127.0.0.1:9000", "http://127.0.0.1:9000", true);
        check("http://127.0.0.1:9000", "http://127.0.0.1", false);
        check("http://[::1]:9000", "http://[0::1]:9000", true);
    }

    #[test]
    fn a_star_allows_all_hosts_below() {
        check("https://*.Example.com", "https://a.example.com", true);
        check("https://*.example.com", "https://a.b.example.com", true);
        check("https://*.example.com", "https://example.com", false);
        check("https://*.example.com", "https://evilexample.com", false);
        check("https://*.example.com", "https://example.com.evil", false);
        check("https://*.example.com", "http://a.example.com", false);
        check("https://*.example.com", "https://a.example.com:8443", false);
        check("http://*.svc:8080", "http://a.svc:8080", true);
    }

    #[test]
    fn anything_else_is_refused() {
        check_refused("a.example", OriginError::Scheme);
        check_refused("https://a.example/", OriginError::Path);
        check_refused("https://*.a.example?b", OriginError::Path);
        check_refused("https://*.a.example:0", OriginError::Port);
        check_refused("https://me@*.a.example", OriginError::UserInfo);
        check_refused("https://*.me@a.example", OriginError::UserInfo);
        check_refused("https://*.a#b", OriginError::Fragment);
        for host in [
            "*",
            "*.",
            "*.*.example",
            "a.*.example",
            "*a.example",
            "*.[::1]",
            "*.1.2.3.4",
            "*.a.",
        ] {
            check_refused(&format!("https://{host}"), OriginError::Host);
        }
    }

    #[test]
    fn the_text_is_the_one_that_is_read() {
        for text in [
            "https://*.example.com",
            "http://127.0.0.1:9000",
            "http://[::1]",
            "https://*.a:1",
        ] {
            let allowed: AllowedOrigin = text.parse().expect("allowed");
            assert_eq!(allowed.to_string(), text);
        }
    }
}
