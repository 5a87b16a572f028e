//! Where a URL that a sender names leads: its origin (RFC 6454, 4), and which ones are allowed.
//!
//! Such a URL decides whom Fanway calls, so it is read strictly by RFC 3986, and whatever two
//! readers could understand differently is refused: users, fragments, white space, backslashes,
//! percent signs in hosts, numbers that only some take for an IPv4 address. It resolves no name.

mod allowed;
mod host;

use std::fmt;
use std::str::FromStr;

pub use allowed::AllowedOrigin;

/// Why a text is no [`Origin`], [`SplitUrl`] or [`AllowedOrigin`]. Says nothing of what stands in
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It isn't an absolute URL.
    #[error("it doesn't begin with http:// or https://")]
    Scheme,
    /// It holds a user or a password.
    #[error("it has a user or password in it")]
    UserInfo,
    /// Its host is missing, or is neither a name nor an address.
    #[error("its host is missing, or neither a name nor an IP address")]
    Host,
    /// Its port is no number from 1 to 65535.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// It has a fragment.
    #[error("it has a fragment")]
    Fragment,
    /// It has a character that can't stand in a URL, or a `%` that begins no escape.
    #[error("it has a character that must be percent-encoded, or a % that encodes nothing")]
    Character,
    /// It has a path or a query, and an origin has none.
    #[error("it has a path or a query, and an origin has none")]
    Path,
}

/// The schemes of URLs that Fanway calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `http`, port 80 where none is written.
    Http,
    /// `https`, port 443 where none is written.
    Https,
}

impl Scheme {
    /// As it is written in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where none is written.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme before a `://`, in capitals or not, and what follows.
    fn split(text: &str) -> Result<(Self, &str), OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        [Self::Http, Self::Https]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
            .map(|known| (known, rest))
            .ok_or(OriginError::Scheme)
    }
}

/// Scheme, host and port of a URL.
///
/// Equal where all three are: the host is in lower case, an IPv6 address in its shortest form
/// (RFC 5952), and a port that isn't written is the scheme's own. Its text is `https://host:port`,
/// with the scheme's own port left out, and is read back as the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
}

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitUrl<'u> {
    /// Where it leads.
    pub origin: Origin,
    /// The path, as written; `/` where there is none.
    pub path: &'u str,
    /// The query without its `?`, as written.
    pub query: Option<&'u str>,
}

impl Origin {
    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, written or not; never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl<'u> SplitUrl<'u> {
    /// Takes an absolute `http` or `https` URL apart.
    ///
    /// # Errors
    /// Where it isn't one by RFC 3986, or has a user or a fragment.
    pub fn parse(url: &'u str) -> Result<Self, OriginError> {
        let (scheme, rest) = Scheme::split(url)?;
        if rest.contains('#') {
            return Err(OriginError::Fragment);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = host::split_port(authority, scheme)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        check_characters(path, "/:@")?;
        check_characters(query.unwrap_or_default(), "/:@?")?;
        let host = host::parse(host)?;
        Ok(Self {
            origin: Origin { scheme, host, port },
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }
}

/// Refuses what is neither unreserved, a sub-delimiter, an escape nor one of `more` (RFC 3986, 2).
fn check_characters(text: &str, more: &str) -> Result<(), OriginError> {
    const MARKS: &str = "-._~!$&'()*+,;=";
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let fits = match character {
            '%' => [rest.next(), rest.next()]
                .into_iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            other => other.is_ascii_alphanumeric() || MARKS.contains(other) || more.contains(other),
        };
        if !fits {
            return Err(OriginError::Character);
        }
    }
    Ok(())
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads an origin alone: nothing stands behind host and port, not even a `/`.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        check_bare(text)?;
        SplitUrl::parse(text).map(|url| url.origin)
    }
}

/// Refuses what has something behind its host and port.
fn check_bare(text: &str) -> Result<(), OriginError> {
    let (_, rest) = Scheme::split(text)?;
    if rest.contains('#') {
        Err(OriginError::Fragment)
    } else if rest.contains(['/', '?']) {
        Err(OriginError::Path)
    } else {
        Ok(())
    }
}

/// Writes `https://host:port`, the scheme's own port left out.
fn write_origin(
    f: &mut fmt::Formatter<'_>,
    scheme: Scheme,
    host: fmt::Arguments<'_>,
    port: u16,
) -> fmt::Result {
    write!(f, "{}://{host}", scheme.as_str())?;
    if port == scheme.default_port() {
        return Ok(());
    }
    write!(f, ":{port}")
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_origin(f, self.scheme, format_args!("{}", self.host), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, OriginError, SplitUrl};

    #[track_caller]
    fn check(url: &str, origin: &str, path: &str, query: Option<&str>) {
        let split = SplitUrl::parse(url).expect("a URL");
        assert_eq!(
            (split.origin.to_string().as_str(), split.path, split.query),
            (origin, path, query),
            "{url}"
        );
        assert_eq!(origin.parse::<Origin>(), Ok(split.origin), "{url}");
    }

    #[track_caller]
    fn check_refused(url: &str, expected: OriginError) {
        assert_eq!(SplitUrl::parse(url), Err(expected), "{url}");
    }

    #[test]
    fn a_url_is_taken_apart() {
        check("https://a.example", "https://a.example", "/", None);
        check(
            "HTTPS://A.Example:443/x?y=z",
            "https://a.example",
            "/x",
            Some("y=z"),
        );
        check("http://a.example:443/", "http://a.example:443", "/", None);
        check("http://a.example?b", "http://a.example", "/", Some("b"));
        check("http://a.example/?", "http://a.example", "/", Some(""));
        check(
            "http://127.0.0.1:9000/a//b/../c;d=1/%2F?e=f?g/h",
            "http://127.0.0.1:9000",
            "/a//b/../c;d=1/%2F",
            Some("e=f?g/h"),
        );
        check("http://[0:0::1]:80/", "http://[::1]", "/", None);
        check(
            "https://[2001:DB8::A]:8443/",
            "https://[2001:db8::a]:8443",
            "/",
            None,
        );
        check("http://a_b-c.example/", "http://a_b-c.example", "/", None);
        check("http://localhost/", "http://localhost", "/", None);
    }

    #[test]
    fn anything_but_http_is_refused() {
        for text in [
            "",
            "a.example/x",
            "//a.example/",
            "ftp://a.example/",
            "file:///etc",
            " http://a/",
        ] {
            check_refused(text, OriginError::Scheme);
        }
    }

    #[test]
    fn users_and_fragments_are_refused() {
        check_refused("http://me@a.example/", OriginError::UserInfo);
        check_refused("http://me:pw@a.example/", OriginError::UserInfo);
        check_refused("http://@a.example/", OriginError::UserInfo);
        check_refused("http://a.example/#b", OriginError::Fragment);
        check_refused("http://a.example#@b.example/", OriginError::Fragment);
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for host in [
            "",
            ":80",
            ".",
            "a..b",
            ".a",
            "a.",
            "-a.example",
            "a-.example",
            "a b",
            "a%2eb",
            "é.example",
            "a\\b",
            "*.example",
            "a,b",
            "[::1",
            "::1",
            "[::1%eth0]",
            "[1.2.3.4]",
            "[]",
            "[::g]",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "256.1.1.1",
            "2130706433",
            "0x7f.1",
            "a.0x7f",
            "a.1",
        ] {
            check_refused(&format!("http://{host}/"), OriginError::Host);
        }
        let longest = format!("{}.example", "a".repeat(63));
        check(
            &format!("http://{longest}/"),
            &format!("http://{longest}"),
            "/",
            None,
        );
        check_refused(
            &format!("http://{}.example/", "a".repeat(64)),
            OriginError::Host,
        );
        check_refused(&format!("http://{}a/", "a.".repeat(127)), OriginError::Host);
    }

    #[test]
    fn ports_are_numbers_from_1_to_65535() {
        for port in ["", "0", "65536", "+80", "8o", "99999999999"] {
            check_refused(&format!("http://a.example:{port}/"), OriginError::Port);
            check_refused(&format!("http://[::1]:{port}/"), OriginError::Port);
        }
        check_refused("http://[::1]80/", OriginError::Port);
        check(
            "http://a.example:65535/",
            "http://a.example:65535",
            "/",
            None,
        );
    }

    #[test]
    fn what_must_be_encoded_is_refused() {
        for rest in [
            "/a b",
            "/é",
            "/\r\nx: y",
            "/\t",
            "/<",
            "/\\b",
            "/%",
            "/%2",
            "/%zz",
            "?[",
            "?\0",
            "/a|b",
        ] {
            check_refused(&format!("http://a.example{rest}"), OriginError::Character);
        }
    }

    #[test]
    fn an_origin_has_nothing_behind_its_port() {
        for text in [
            "http://a.example/",
            "http://a.example?b",
            "http://a.example/b",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Path), "{text}");
        }
    }
}
