//! When a message is to be sent, until when, and whom its end is told.

use std::time::Duration;

use fanway_ingress::Params;
use fanway_ingress::problem::Kind;
use fanway_types::{Terms, Timestamp};

use crate::gateway::{Gateway, NOW, request};
use crate::refusing;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `POST /orders` waits ten minutes and expires after an hour, `PUT /orders` has callbacks.
fn defaults(params: &mut Params) {
    params.table.routes[0].not_before = Some(10 * MINUTE);
    params.table.routes[0].expires = Some(60 * MINUTE);
    let allowed = ["https://*.example.com", "http://127.0.0.1:9000"];
    params.table.routes[1].callbacks = allowed
        .map(|origin| origin.parse().expect("an origin"))
        .into();
}

/// What is kept of a request's terms.
async fn kept(start: &str, headers: &[(&str, &str)]) -> Terms {
    let gateway = Gateway::start_with(defaults).await;
    let answer = gateway.exchange(request(start, headers, "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
    let accepted = gateway.store.take_accepted();
    assert_eq!(accepted[0].request.headers.iter().count(), 0);
    accepted[0].terms.clone()
}

/// Of a request with these two headers, before when nothing is attempted and when it expires: times
/// from now.
async fn check(
    start: &str,
    not_before: Option<&str>,
    expires: Option<&str>,
    expected: (Option<Duration>, Option<Duration>),
) {
    let named = [
        ("Fanway-Not-Before", not_before),
        ("Fanway-Expires", expires),
    ];
    let headers: Vec<_> = named
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let terms = kept(start, &headers).await;
    let from_now = |at: Option<Timestamp>| at.map(|at| at.since(NOW));
    let found = (from_now(terms.not_before), from_now(terms.expires));
    assert_eq!(found, expected, "{headers:?}");
}

#[tokio::test]
async fn without_a_word_a_message_is_sent_at_once_and_never_expires() {
    check("PUT /orders", None, None, (None, None)).await;
}

#[tokio::test]
async fn what_a_sender_says_goes_before_what_the_route_says() {
    let (ten, hour) = (Some(10 * MINUTE), Some(60 * MINUTE));
    check("POST /orders", None, None, (ten, hour)).await;
    check("POST /orders", Some("20m"), None, (Some(20 * MINUTE), hour)).await;
    check("POST /orders", None, Some("11m"), (ten, Some(11 * MINUTE))).await;
    check("POST /orders", Some("0s"), None, (None, hour)).await;
}

#[tokio::test]
async fn times_are_read_in_every_form() {
    let at = |form: &'static str, after: Duration| async move {
        check("PUT /orders", Some(form), None, (Some(after), None)).await;
        check("PUT /orders", None, Some(form), (None, Some(after))).await;
    };
    at("90s", Duration::from_secs(90)).await;
    at("10m", 10 * MINUTE).await;
    at("2h", 120 * MINUTE).await;
    at("7d", 7 * DAY).await;
    // It is 2023-11-14T22:13:20.123Z.
    at("2023-11-14T22:14:20.123Z", MINUTE).await;
    at("2023-11-15T00:14:20.123+02:00", MINUTE).await;
    let short = MINUTE - Duration::from_millis(123);
    at("Tue, 14 Nov 2023 22:14:20 GMT", short).await;
    at("Tuesday, 14-Nov-23 22:14:20 GMT", short).await;
    at("Tue Nov 14 22:14:20 2023", short).await;
}

#[tokio::test]
async fn a_first_attempt_in_the_past_is_made_at_once() {
    check(
        "PUT /orders",
        Some("2023-11-14T22:13:20Z"),
        None,
        (None, None),
    )
    .await;
    check(
        "PUT /orders",
        Some("Tue, 14 Nov 2023 22:13:20 GMT"),
        None,
        (None, None),
    )
    .await;
}

#[tokio::test]
async fn times_reach_as_far_as_their_limits() {
    let furthest = (Some(30 * DAY), Some(365 * DAY));
    check("PUT /orders", Some("30d"), Some("365d"), furthest).await;
}

#[tokio::test]
async fn times_that_cannot_be_met_are_refused() {
    let gateway = Gateway::start_with(defaults).await;
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("PUT", &[("fanway-not-before", "tomorrow")]),
        ("PUT", &[("fanway-not-before", "")]),
        ("PUT", &[("fanway-not-before", "1.5h")]),
        ("PUT", &[("fanway-not-before", "+5m")]),
        ("PUT", &[("fanway-not-before", "5")]),
        ("PUT", &[("fanway-not-before", "5m 3s")]),
        ("PUT", &[("fanway-not-before", "5µ")]),
        ("PUT", &[("fanway-not-before", "31d")]),
        ("PUT", &[("fanway-not-before", "9999999999999999999d")]),
        ("PUT", &[("fanway-not-before", "2023-12-14T22:13:20.124Z")]),
        (
            "PUT",
            &[("fanway-not-before", "1m"), ("fanway-not-before", "1m")],
        ),
        ("PUT", &[("fanway-expires", "366d")]),
        ("PUT", &[("fanway-expires", "0s")]),
        ("PUT", &[("fanway-expires", "2023-11-14T22:13:20.123Z")]),
        ("PUT", &[("fanway-expires", "2020-01-01T00:00:00Z")]),
        ("PUT", &[("fanway-expires", "1m"), ("fanway-expires", "1m")]),
        (
            "PUT",
            &[("fanway-expires", "5m"), ("fanway-not-before", "5m")],
        ),
        ("POST", &[("fanway-expires", "5m")]),
        ("POST", &[("fanway-not-before", "1h")]),
    ];
    for (method, headers) in cases {
        let start = format!("{method} /orders");
        let answer = gateway.exchange(request(&start, headers, "{}")).await;
        refusing::check(&gateway, &answer, Kind::TermsMalformed);
    }
}

#[tokio::test]
async fn a_callback_that_the_route_allows_is_kept_in_one_spelling() {
    for (sent, expected) in [
        ("https://a.example.com/x?y=z", "https://a.example.com/x?y=z"),
        ("HTTPS://A.Example.com:443", "https://a.example.com/"),
        ("http://127.0.0.1:9000/%2F?", "http://127.0.0.1:9000/%2F?"),
    ] {
        let terms = kept("PUT /orders", &[("Fanway-Callback", sent)]).await;
        assert_eq!(terms.callback.as_deref(), Some(expected), "{sent}");
    }
}

#[tokio::test]
async fn any_other_callback_is_refused() {
    let gateway = Gateway::start_with(defaults).await;
    let check = async |start: &str, urls: &[&str]| {
        let headers: Vec<_> = urls.iter().map(|url| ("fanway-callback", *url)).collect();
        let answer = gateway.exchange(request(start, &headers, "{}")).await;
        refusing::check(&gateway, &answer, Kind::CallbackRefused);
        answer
    };
    for url in [
        "",
        "/relative",
        "ftp://a.example.com/",
        "https://me:pw@a.example.com/",
        "https://a.example.com/#x",
        "https://a.example.com/é",
        "https://example.com/",
        "https://example.org/",
        "http://a.example.com/",
        "https://a.example.com:8443/",
        "http://127.0.0.1/",
    ] {
        check("PUT /orders", &[url]).await;
    }
    let allowed = "https://a.example.com/";
    check("PUT /orders", &[allowed, allowed]).await;
    let answer = check("POST /orders", &[allowed]).await;
    assert!(answer.contains("takes no callbacks"), "{answer}");
    let answer = check("PUT /orders", &["https://secret:pw@evil.example/"]).await;
    assert!(!answer.contains("secret"), "{answer}");
}
