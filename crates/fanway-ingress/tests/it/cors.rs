//! Web pages of other origins.

use std::time::Duration;

use fanway_ingress::{Cors, Origins, Params};
use http::Method;

use crate::gateway::{Gateway, request, route};

/// The pages of these origins may send.
fn listed(origins: &[&str]) -> Origins {
    let origins = origins
        .iter()
        .map(|origin| origin.parse().expect("origins"));
    Origins::Listed(origins.collect())
}

fn allowing(origins: Origins) -> impl FnOnce(&mut Params) {
    move |params| {
        params.table.cors = Some(Cors {
            origins,
            max_age: Duration::from_secs(600),
        });
    }
}

async fn gateway(origins: Origins) -> Gateway {
    Gateway::start_with(allowing(origins)).await
}

const SHOP: &str = "https://shop.example";

fn preflight(path: &str, origin: &str) -> Vec<u8> {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,idempotency-key",
        ),
    ];
    request(&format!("OPTIONS {path}"), &headers, "")
}

#[tokio::test]
async fn a_preflight_of_a_page_that_may_send_is_answered_for_any_path() {
    let gateway = gateway(listed(&[SHOP])).await;
    for path in ["/orders", "/any/thing", "/nothing", "/fanway/messages/x"] {
        assert_eq!(
            gateway.exchange(preflight(path, SHOP)).await,
            "HTTP/1.1 204 No Content\n\
             vary: origin, access-control-request-method, access-control-request-headers\n\
             access-control-allow-origin: https://shop.example\n\
             access-control-allow-methods: POST\n\
             access-control-allow-headers: content-type,idempotency-key\n\
             access-control-max-age: 600\n\
             connection: close\n\n",
            "{path}"
        );
    }
    assert!(gateway.store.take_accepted().is_empty());
}

#[tokio::test]
async fn a_preflight_of_another_page_is_told_nothing() {
    let gateway = gateway(listed(&[SHOP])).await;
    for origin in ["https://evil.example", "http://shop.example", "null", "?"] {
        assert_eq!(
            gateway.exchange(preflight("/any/thing", origin)).await,
            "HTTP/1.1 204 No Content\n\
             vary: origin, access-control-request-method, access-control-request-headers\n\
             connection: close\n\n",
            "{origin}"
        );
    }
    assert!(gateway.store.take_accepted().is_empty());
}

/// What an answer says of who may read it.
fn said(answer: &str) -> Vec<&str> {
    let (head, _) = answer.split_once("\n\n").expect("a head");
    let of_cors = |line: &&str| line.starts_with("access-control-") || line.starts_with("vary:");
    head.lines().filter(of_cors).collect()
}

const SHARED: [&str; 3] = [
    "vary: origin",
    "access-control-allow-origin: https://shop.example",
    "access-control-expose-headers: location, retry-after, idempotent-replayed, \
     preference-applied, allow, accept-encoding",
];

#[tokio::test]
async fn a_page_that_may_send_may_read_what_it_is_answered() {
    let gateway = gateway(listed(&["https://*.other.example", SHOP])).await;
    let from = [("origin", SHOP)];
    for (start, status) in [
        ("POST /orders", "202"),
        ("POST /nothing", "404"),
        ("DELETE /orders", "405"),
        ("GET /fanway/messages/x", "404"),
        ("GET /fanway/problems/store_full", "200"),
    ] {
        let answer = gateway.exchange(request(start, &from, "{}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert_eq!(said(&answer), SHARED, "{start}");
    }
}

#[tokio::test]
async fn others_are_told_only_that_answers_differ() {
    let gateway = gateway(listed(&[SHOP])).await;
    for headers in [&[("origin", "https://evil.example")][..], &[]] {
        let answer = gateway.exchange(request("POST /orders", headers, "")).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        assert_eq!(said(&answer), ["vary: origin"]);
    }
}

#[tokio::test]
async fn pages_from_anywhere_are_one_answer_for_all() {
    let gateway = gateway(Origins::Any).await;
    for origin in ["https://evil.example", "null"] {
        let from = [("origin", origin)];
        let answer = gateway.exchange(request("POST /orders", &from, "")).await;
        assert_eq!(
            said(&answer),
            ["access-control-allow-origin: *", SHARED[2]],
            "{origin}"
        );
        let answer = gateway.exchange(preflight("/orders", origin)).await;
        assert_eq!(said(&answer)[1], "access-control-allow-origin: *");
    }
}

#[tokio::test]
async fn only_a_preflight_is_taken_for_one() {
    let gateway = gateway(listed(&[SHOP])).await;
    let asked = ("access-control-request-method", "POST");
    for (start, headers) in [
        ("OPTIONS /any/x", &[("origin", SHOP)][..]),
        ("OPTIONS /any/x", &[asked]),
        ("POST /any/x", &[("origin", SHOP), asked]),
    ] {
        let answer = gateway.exchange(request(start, headers, "")).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
}

#[tokio::test]
async fn without_it_a_preflight_is_a_request_like_any_other() {
    let gateway = Gateway::start_with(|params| {
        let options = route("options", Some(Method::OPTIONS), "/options");
        params.table.routes.push(options);
    })
    .await;
    let answer = gateway.exchange(preflight("/options", SHOP)).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(said(&answer).is_empty(), "{answer}");
    let answer = gateway.exchange(preflight("/orders", SHOP)).await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(said(&answer).is_empty(), "{answer}");
}
