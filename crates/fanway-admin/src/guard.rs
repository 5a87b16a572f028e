//! Who may ask: the `Host` and `Origin` of each request.
//!
//! The admin API listens on the loopback and has no tokens yet, so a page in a browser on the same
//! machine must not be able to use it. A page that had its own name resolve to the loopback (DNS
//! rebinding) is known by its `Host`; a page that sends a form or a fetch across origins is known
//! by its `Origin`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::{Kind, Problem};

/// Refuses requests that name another host, and changes that come from another origin.
pub(crate) async fn guard(
    State(listen): State<Arc<SocketAddr>>,
    request: Request,
    next: Next,
) -> Response {
    match check(*listen, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(listen: SocketAddr, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let host = only(headers, &header::HOST)
        .filter(|host| is_own(listen, host))
        .ok_or(Kind::HostForeign)?;
    if request.method().is_safe() || !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let own = only(headers, &header::ORIGIN)
        .and_then(|origin| origin.strip_prefix("http://"))
        .is_some_and(|origin| origin.eq_ignore_ascii_case(host));
    if own {
        Ok(())
    } else {
        Err(Kind::OriginForeign.into())
    }
}

/// The one value under `name`, where there is exactly one and it is text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values
        .next()
        .is_none()
        .then(|| value.to_str().ok())
        .flatten()
}

/// Whether a `Host` names this machine's loopback or the address that is listened on. The port
/// plays no part: a tunnel may have changed it, and no rebinding can choose these names.
fn is_own(listen: SocketAddr, host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if host.contains('@') {
        return false;
    }
    let name = authority.host();
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || literal
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback() || address == listen.ip())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;

    use super::check as guard;

    /// Whether a request with these headers passes on a server that listens on 127.0.0.1:8081.
    #[track_caller]
    fn check(method: &str, headers: &[(&str, &str)], expected: bool) {
        let mut request = Request::builder().method(method).uri("/api/v1/dead");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let listen = "127.0.0.1:8081".parse().expect("an address");
        assert_eq!(guard(listen, &request).is_ok(), expected, "{headers:?}");
    }

    #[test]
    fn only_names_that_no_rebinding_can_choose_are_taken_as_host() {
        check("GET", &[("host", "127.0.0.1:8081")], true);
        check("GET", &[("host", "LocalHost")], true);
        check("GET", &[("host", "localhost:9000")], true);
        check("GET", &[("host", "[::1]:8081")], true);
        check("GET", &[("host", "evil.example")], false);
        check("GET", &[("host", "evil.example:8081")], false);
        check("GET", &[("host", "localhost.evil.example")], false);
        check("GET", &[("host", "127.0.0.1.evil.example")], false);
        check("GET", &[("host", "localhost@evil.example")], false);
        check("GET", &[("host", "10.0.0.1:8081")], false);
        check("GET", &[("host", "")], false);
        check("GET", &[], false);
        check(
            "GET",
            &[("host", "localhost"), ("host", "localhost")],
            false,
        );
    }

    #[test]
    fn changes_come_from_programs_or_from_own_pages() {
        let own = ("host", "localhost:8081");
        check("POST", &[own], true);
        check("POST", &[own, ("origin", "http://localhost:8081")], true);
        check("POST", &[own, ("origin", "http://evil.example")], false);
        check("POST", &[own, ("origin", "http://localhost:9000")], false);
        check("POST", &[own, ("origin", "https://localhost:8081")], false);
        check("POST", &[own, ("origin", "null")], false);
        check("GET", &[own, ("origin", "http://evil.example")], true);
        check("DELETE", &[own, ("origin", "http://evil.example")], false);
    }
}
