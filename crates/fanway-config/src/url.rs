//! Addresses that a config names: http or https, a host, a path, and nothing else.

use std::fmt;

use http::Uri;
use http::uri::Scheme;

/// An absolute `http` or `https` URL with a host, and without user, password, query or fragment.
///
/// Its path may be a secret (many webhooks are), so `Debug` shows only scheme and host.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    uri: Uri,
}

/// Why a text is no [`HttpUrl`]. Says nothing of what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It isn't an absolute URL.
    #[error("that is no absolute URL")]
    NotAUrl,
    /// Its scheme is another one.
    #[error("its scheme is neither http nor https")]
    Scheme,
    /// It holds a user or a password.
    #[error("it has a user or password in it, which belong under `credentials`")]
    UserInfo,
    /// It has a query.
    #[error("it has a query, which belongs under a step's `query`")]
    Query,
    /// It has a fragment.
    #[error("it has a fragment, which is never sent")]
    Fragment,
    /// Its host is missing, or its port is no port.
    #[error("its host or port is missing or wrong")]
    Host,
}

impl HttpUrl {
    /// Checks a text.
    ///
    /// # Errors
    /// Where it isn't such a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        // `Uri` drops a fragment, and takes `host:80` for an address without a scheme.
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        if !text.contains("://") {
            return Err(UrlError::NotAUrl);
        }
        let uri: Uri = text.parse().map_err(|_| Self::why_not(text))?;
        let scheme = uri.scheme().ok_or(UrlError::NotAUrl)?;
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(UrlError::Scheme);
        }
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        if uri.query().is_some() {
            return Err(UrlError::Query);
        }
        let after_host = authority
            .as_str()
            .strip_prefix(authority.host())
            .unwrap_or_default();
        let port_fits = after_host.is_empty() || authority.port_u16().is_some_and(|port| port != 0);
        if authority.host().is_empty() || !port_fits {
            return Err(UrlError::Host);
        }
        Ok(Self {
            text: text.to_owned(),
            uri,
        })
    }

    /// What is most likely wrong with a text that doesn't even parse.
    fn why_not(text: &str) -> UrlError {
        match text.split_once("://") {
            Some((_, rest)) if rest.is_empty() || rest.starts_with(['/', ':']) => UrlError::Host,
            _ => UrlError::NotAUrl,
        }
    }

    /// The text, as it was written or referred to.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, taken apart.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self
            .uri
            .authority()
            .map_or("", http::uri::Authority::as_str);
        write!(f, "{scheme}://{authority}/…")
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpUrl, UrlError};

    #[track_caller]
    fn check(text: &str, expected: Option<UrlError>) {
        assert_eq!(HttpUrl::parse(text).err(), expected, "{text}");
    }

    #[test]
    fn plain_http_urls_are_accepted() {
        for text in [
            "http://127.0.0.1:9101/stock",
            "https://api.example",
            "https://[::1]:8443/v2/",
            "HTTP://api.example/a%20b",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn anything_else_is_refused_for_its_reason() {
        check("ftp://api.example/", Some(UrlError::Scheme));
        check("api.example/stock", Some(UrlError::NotAUrl));
        check("localhost:9101", Some(UrlError::NotAUrl));
        check("", Some(UrlError::NotAUrl));
        check("http://", Some(UrlError::Host));
        check("http:///stock", Some(UrlError::Host));
        check("http://:80/", Some(UrlError::Host));
        check("http://api.example:0/", Some(UrlError::Host));
        check("http://api.example:99999/", Some(UrlError::Host));
        check("http://me:pw@api.example/", Some(UrlError::UserInfo));
        check("http://api.example/?a=b", Some(UrlError::Query));
        check("http://api.example/#top", Some(UrlError::Fragment));
        check("http://api example/", Some(UrlError::NotAUrl));
    }

    #[test]
    fn debug_output_hides_the_path() {
        let url = HttpUrl::parse("https://hooks.example/services/T0/hunter2").expect("a URL");
        assert_eq!(format!("{url:?}"), "https://hooks.example/…");
    }
}
