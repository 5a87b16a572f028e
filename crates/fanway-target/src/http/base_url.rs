//! A target's URL, checked once. Refuses what an attempt could only trip over later.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The URL that paths are appended to: `http` or `https`, a host, maybe a port, maybe a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    port: u16,
    /// Without the `/` at its end.
    prefix: String,
    /// Of the URL with nothing appended.
    path: PathAndQuery,
}

impl BaseUrl {
    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
    }

    /// The port, the scheme's own where the URL has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host and port as a request names them.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Host and port as an operator reads them.
    pub(super) fn peer(&self) -> String {
        format!("{}:{}", self.authority.host(), self.port)
    }

    /// The path and query of a request; `None` where what is appended belongs in no URL.
    pub(super) fn join(&self, appended: &str) -> Option<PathAndQuery> {
        let joined = match appended.as_bytes().first() {
            None => return Some(self.path.clone()),
            Some(b'?') => format!("{}{appended}", self.path),
            Some(b'/') => format!("{}{appended}", self.prefix),
            Some(_) => format!("{}/{appended}", self.prefix),
        };
        // The parser would drop a fragment without a word.
        if appended.contains('#') {
            return None;
        }
        PathAndQuery::try_from(joined).ok()
    }
}

/// The URL as it was given, but for its case and an empty path.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(BaseUrlError::Malformed)?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or(BaseUrlError::Scheme)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(BaseUrlError::Scheme);
        }
        let authority = parts.authority.ok_or(BaseUrlError::Host)?;
        let port = check_authority(&authority, &scheme)?;
        let path = parts
            .path_and_query
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(BaseUrlError::Query);
        }
        if text.contains('#') {
            return Err(BaseUrlError::Fragment);
        }
        let prefix = path
            .path()
            .strip_suffix('/')
            .unwrap_or(path.path())
            .to_owned();
        Ok(Self {
            scheme,
            authority,
            port,
            prefix,
            path,
        })
    }
}

fn check_authority(authority: &Authority, scheme: &Scheme) -> Result<u16, BaseUrlError> {
    if authority.as_str().contains('@') {
        return Err(BaseUrlError::UserInfo);
    }
    if authority.host().is_empty() {
        return Err(BaseUrlError::Host);
    }
    let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    match authority.as_str().strip_prefix(authority.host()) {
        Some("") => Ok(default),
        _ => authority
            .port_u16()
            .filter(|port| *port != 0)
            .ok_or(BaseUrlError::Port),
    }
}

/// Why a text is no URL of a target. Never quotes the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum BaseUrlError {
    /// No URL at all.
    #[error("not a URL")]
    Malformed(#[source] http::uri::InvalidUri),
    /// Another scheme, or none.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// No host.
    #[error("the URL has no host")]
    Host,
    /// A port that is none.
    #[error("the URL's port must be a number from 1 to 65535")]
    Port,
    /// `user:password@`.
    #[error("a user name or password in the URL is not accepted: use `credentials`")]
    UserInfo,
    /// A query.
    #[error("a query in the URL is not accepted: use the step's `query`")]
    Query,
    /// A fragment.
    #[error("a fragment (#) in the URL is not accepted: it is never sent")]
    Fragment,
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::BaseUrl;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let url = text
            .parse::<BaseUrl>()
            .map(|url| url.to_string())
            .map_err(|error| error.to_string());
        assert_eq!(url.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[track_caller]
    fn check_join(url: &str, appended: &str, expected: Option<&str>) {
        let joined = url.parse::<BaseUrl>().expect("a URL").join(appended);
        assert_eq!(
            joined.as_ref().map(PathAndQuery::as_str),
            expected,
            "{url} and {appended}"
        );
    }

    #[test]
    fn urls_are_http_or_https_with_a_host() {
        check(
            "http://127.0.0.1:9101/stock",
            Ok("http://127.0.0.1:9101/stock"),
        );
        check(
            "https://inventory.example/v1/",
            Ok("https://inventory.example/v1/"),
        );
        check(
            "HTTPS://inventory.example",
            Ok("https://inventory.example/"),
        );
        check(
            "ftp://inventory.example",
            Err("the URL must begin with http:// or https://"),
        );
        check(
            "inventory.example",
            Err("the URL must begin with http:// or https://"),
        );
        check("/v1", Err("the URL must begin with http:// or https://"));
        check("", Err("not a URL"));
        check("http://", Err("not a URL"));
        check("http://a b/", Err("not a URL"));
        check("http://:80/", Err("the URL has no host"));
    }

    #[test]
    fn ports_are_checked() {
        check("http://[::1]:9101", Ok("http://[::1]:9101/"));
        check(
            "http://a:0/",
            Err("the URL's port must be a number from 1 to 65535"),
        );
        check(
            "http://a:70000/",
            Err("the URL's port must be a number from 1 to 65535"),
        );
        check(
            "http://a:/",
            Err("the URL's port must be a number from 1 to 65535"),
        );
    }

    #[test]
    fn parts_that_would_be_lost_are_refused() {
        let credentials = "a user name or password in the URL is not accepted: use `credentials`";
        check("http://user:hunter2@a/", Err(credentials));
        check("http://user@a/", Err(credentials));
        check(
            "http://a/?key=1",
            Err("a query in the URL is not accepted: use the step's `query`"),
        );
        check(
            "http://a/#top",
            Err("a fragment (#) in the URL is not accepted: it is never sent"),
        );
    }

    #[test]
    fn host_and_port_are_what_a_connection_needs() {
        let url: BaseUrl = "https://[::1]/".parse().expect("a URL");
        assert_eq!((url.host(), url.port(), url.is_https()), ("::1", 443, true));
        assert_eq!(url.peer(), "[::1]:443");
    }

    #[test]
    fn paths_are_appended_with_one_slash() {
        check_join("http://a", "", Some("/"));
        check_join("http://a/v1", "", Some("/v1"));
        check_join("http://a/v1/", "", Some("/v1/"));
        check_join("http://a/v1/", "/orders/7?x=1", Some("/v1/orders/7?x=1"));
        check_join("http://a/v1", "orders", Some("/v1/orders"));
        check_join("http://a/v1", "?x=1", Some("/v1?x=1"));
        check_join("http://a", "?x=1", Some("/?x=1"));
    }

    #[test]
    fn what_belongs_in_no_path_is_refused() {
        check_join("http://a", "/a b", None);
        check_join("http://a", "/a\r\nx: y", None);
        check_join("http://a", "/a#b", None);
    }
}
