//! Which headers of a request are kept with its message.
//!
//! Left out is what lets somebody in (credentials), what concerned only the connection (RFC 9110,
//! section 7.6.1), what each attempt says for itself (the length, and whom it addresses), and what
//! is meant for the gateway: that is handed over apart.

use http::header::{CONNECTION, HeaderMap, HeaderValue};

use fanway_types::{Headers, HeadersBuilder};

use crate::problem::{Kind, Problem};

/// The name of the header that a sender's key is in.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The name of the header that says before when nothing is attempted.
pub(crate) const NOT_BEFORE: &str = "fanway-not-before";
/// The name of the header that says when a message expires.
pub(crate) const EXPIRES: &str = "fanway-expires";
/// The name of the header with a sender's callback.
pub(crate) const CALLBACK: &str = "fanway-callback";

/// The bytes that a header takes in a message, as a rule: so many are made room for.
const TYPICAL: usize = 32;

/// The headers of a request, sorted out.
#[derive(Debug)]
pub(crate) struct Sorted<'h> {
    /// Those that are kept with the message.
    pub(crate) kept: Headers,
    /// Those that are meant for the gateway.
    pub(crate) own: Own<'h>,
}

/// The headers that are meant for the gateway.
#[derive(Debug, Default)]
pub(crate) struct Own<'h> {
    pub(crate) key: Sent<'h>,
    pub(crate) not_before: Sent<'h>,
    pub(crate) expires: Sent<'h>,
    pub(crate) callback: Sent<'h>,
}

/// How often a header was sent that may be sent once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Sent<'h> {
    #[default]
    Never,
    Once(&'h HeaderValue),
    Repeatedly,
}

impl<'h> Own<'h> {
    fn of(&mut self, name: &str) -> Option<&mut Sent<'h>> {
        match name {
            IDEMPOTENCY_KEY => Some(&mut self.key),
            NOT_BEFORE => Some(&mut self.not_before),
            EXPIRES => Some(&mut self.expires),
            CALLBACK => Some(&mut self.callback),
            _ => None,
        }
    }
}

impl<'h> Sent<'h> {
    fn add(&mut self, value: &'h HeaderValue) {
        *self = match self {
            Self::Never => Self::Once(value),
            Self::Once(_) | Self::Repeatedly => Self::Repeatedly,
        };
    }
}

/// Sorts out which headers are kept.
///
/// # Errors
/// [`Kind::HeadersTooLarge`] where there are more than `limit`, or one is longer than 65,535 bytes.
pub(crate) fn sort(headers: &HeaderMap, limit: usize) -> Result<Sorted<'_>, Problem> {
    if headers.len() > limit {
        return Err(Problem::new(
            Kind::HeadersTooLarge,
            format!("{} headers are more than {limit}", headers.len()),
        ));
    }
    let named = headers
        .get(CONNECTION)
        .map(|_| named_by_connection(headers));
    let is_named = |name: &str| {
        named
            .as_ref()
            .is_some_and(|named| named.iter().any(|other| other.eq_ignore_ascii_case(name)))
    };
    let mut builder = HeadersBuilder::with_capacity(headers.len() * TYPICAL);
    let mut own = Own::default();
    for (name, value) in headers {
        let name = name.as_str();
        if let Some(sent) = own.of(name) {
            sent.add(value);
            continue;
        }
        if is_left_out(name) || is_named(name) {
            continue;
        }
        if !builder.push(name, value.as_bytes()) {
            let detail = format!("`{name}` is longer than 65,535 bytes");
            return Err(Problem::new(Kind::HeadersTooLarge, detail));
        }
    }
    let kept = builder.build();
    Ok(Sorted { kept, own })
}

fn is_left_out(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "connection"
            | "content-length"
            | "cookie"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "set-cookie"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || name.starts_with("proxy-")
}

fn named_by_connection(headers: &HeaderMap) -> Vec<&str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Sent, sort};

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        map
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: &[(&str, &str)]) {
        let map = map(headers);
        let sorted = sort(&map, 100).expect("few and short");
        let kept: Vec<_> = sorted
            .kept
            .iter()
            .map(|(name, value)| (name, str::from_utf8(value).expect("text")))
            .collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_senders_own_headers_are_kept_with_their_repetitions() {
        let own = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("x-tag", "a"),
            ("x-tag", "b"),
            ("traceparent", "00-1-1-01"),
        ];
        check(&own, &own);
    }

    #[test]
    fn credentials_are_never_kept() {
        check(
            &[
                ("authorization", "Bearer secret"),
                ("cookie", "session=secret"),
                ("set-cookie", "session=secret"),
                ("proxy-authorization", "Basic secret"),
                ("x-kept", "1"),
            ],
            &[("x-kept", "1")],
        );
    }

    #[test]
    fn what_concerned_only_the_connection_is_left_out() {
        check(
            &[
                ("host", "gateway.example"),
                ("connection", "keep-alive, X-Hop"),
                ("connection", "x-other"),
                ("x-hop", "1"),
                ("x-other", "1"),
                ("keep-alive", "timeout=5"),
                ("te", "trailers"),
                ("trailer", "x-sum"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAMAAABk"),
                ("proxy-connection", "keep-alive"),
                ("expect", "100-continue"),
                ("content-length", "3"),
                ("x-kept", "1"),
            ],
            &[("x-kept", "1")],
        );
    }

    #[test]
    fn what_is_meant_for_the_gateway_is_handed_over_apart() {
        let own = [
            ("idempotency-key", "a"),
            ("fanway-not-before", "1s"),
            ("fanway-not-before", "2s"),
            ("fanway-expires", "2h"),
            ("fanway-message", "1"),
        ];
        check(&own, &[("fanway-message", "1")]);
        let map = map(&own);
        let own = sort(&map, 100).expect("few and short").own;
        assert!(matches!(own.key, Sent::Once(key) if key == "a"));
        assert!(matches!(own.not_before, Sent::Repeatedly));
        assert!(matches!(own.expires, Sent::Once(at) if at == "2h"));
        assert!(matches!(own.callback, Sent::Never));
    }

    #[test]
    fn too_many_or_too_long_headers_are_refused() {
        let two = map(&[("x-a", "1"), ("x-b", "2")]);
        assert!(sort(&two, 2).is_ok());
        assert!(sort(&two, 1).is_err());
        let long = map(&[("x-long", &"v".repeat(65_535))]);
        assert!(sort(&long, 100).is_ok());
        let longer = map(&[("x-long", &"v".repeat(65_536))]);
        assert!(sort(&longer, 100).is_err());
    }
}
