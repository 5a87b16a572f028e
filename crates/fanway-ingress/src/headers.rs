//! Which headers of a request are kept with its message.
//!
//! Left out is what lets somebody in (credentials), what concerned only the connection (RFC 9110,
//! section 7.6.1), and what each attempt says for itself: the length, and whom it addresses.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use fanway_types::{Headers, HeadersBuilder};

use crate::problem::{Kind, Problem};

const LEFT_OUT: [HeaderName; 11] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    EXPECT,
    HOST,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The headers that are kept.
///
/// # Errors
/// [`Kind::HeadersTooLarge`] where there are more than `limit`, or one is longer than 65,535 bytes.
pub(crate) fn kept(headers: &HeaderMap, limit: usize) -> Result<Headers, Problem> {
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
    let mut builder = HeadersBuilder::default();
    for (name, value) in headers {
        if is_left_out(name) || is_named(name.as_str()) {
            continue;
        }
        if !builder.push(name.as_str(), value.as_bytes()) {
            let detail = format!("`{name}` is longer than 65,535 bytes");
            return Err(Problem::new(Kind::HeadersTooLarge, detail));
        }
    }
    Ok(builder.build())
}

fn is_left_out(name: &HeaderName) -> bool {
    let text = name.as_str();
    LEFT_OUT.contains(name)
        || text.starts_with("proxy-")
        || matches!(text, "keep-alive" | "http2-settings")
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

    use super::kept;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        map
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: &[(&str, &str)]) {
        let kept = kept(&map(headers), 100).expect("few and short");
        let kept: Vec<_> = kept
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
    fn too_many_or_too_long_headers_are_refused() {
        let two = map(&[("x-a", "1"), ("x-b", "2")]);
        assert!(kept(&two, 2).is_ok());
        assert!(kept(&two, 1).is_err());
        let long = map(&[("x-long", &"v".repeat(65_535))]);
        assert!(kept(&long, 100).is_ok());
        let longer = map(&[("x-long", &"v".repeat(65_536))]);
        assert!(kept(&longer, 100).is_err());
    }
}
