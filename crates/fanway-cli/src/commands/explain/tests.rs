use std::env::VarError;
use std::io;
use std::path::Path;

use bytes::Bytes;
use fanway_config::{Config, Environment};
use fanway_server::explain::{ExplainRequest, Explained, explain};
use fanway_types::Timestamp;
use insta::assert_snapshot;

use super::{difference, text};
use crate::request;

const CONFIG: &str = r#"
targets:
  inventory: { url: http://127.0.0.1:9101/stock, credentials: { bearer: hunter2 } }
  shipping:
    url: http://127.0.0.1:9102/v2
    success: { status: [2xx, 409], body: '.ok == true' }
    retry: { on: [transient, 520-529], never: 501 }
  alerts: { url: http://127.0.0.1:9103, retry: { attempts: 3 } }
routes:
  orders:
    match: POST /orders
    not_before: 10m
    callback: alerts
    on_dead: alerts
    send:
      - to: inventory
        body: '{order: .id}'
        query: { source: web, id: '\(.id)' }
      - to: shipping
        path: /orders/\(.id)
        when: .ships
        critical: false
  order:
    match: PUT /orders/{id}
    send: [shipping]
"#;

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Result<String, VarError> {
        Err(VarError::NotPresent)
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn explained(config: &str, method: &str, path: &str, headers: &[&str], body: &str) -> Explained {
    let config = Config::parse(config, "fanway.yaml", &Nothing).expect("a config");
    let body = Bytes::from(body.to_owned());
    let headers: Vec<_> = headers
        .iter()
        .map(|header| request::header(header).expect("a header"))
        .collect();
    let request = ExplainRequest {
        method: method.parse().expect("a method"),
        uri: request::path(path).expect("a path"),
        headers: request::headers(&headers, &body),
        body,
        received_at: Timestamp::from_millis(1_700_000_000_000),
    };
    explain(&config, &request).expect("it can be explained")
}

/// An explanation as it is shown, whatever this release is called.
fn shown(explained: &Explained) -> String {
    text::text(explained).replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_request_that_is_accepted_is_shown_with_all_that_follows() {
    let headers = ["Idempotency-Key: \"order-7\"", "Fanway-Expires: 2h"];
    let explained = explained(CONFIG, "POST", "/orders?a=b", &headers, r#"{"id": 7}"#);
    assert_snapshot!(shown(&explained), @r#"
    POST /orders?a=b

    routes
      * orders (POST /orders): takes it
      - order (PUT /orders/{id}): goes on with `{id}` where the path ends

    checks of orders
      headers: passed
      idempotency key: passed
      times: passed
      callback: not needed
      size: passed
      json: passed

    accepted: 202
      message: msg_01hf7yat000000000000000000
      plan: 9a1d9202ccc48ccb9538702bad90ecbd
      idempotency key: order-7, kept for 1d
      not before: 10m, says the route
      expires: 2h, says the request

    step inventory to inventory
      query.id: \(.id)
        = 7
      body: {order: .id}
      attempts: 100 within 3d, on transient failures; waits up to 1s, then 2 times as long, at most 1h
      limits: 64 at a time; 10s each, 5s to connect, 10s to the first byte
      breaker: opens for 30s after 10 failures in a row, or 50 % of 20 or more in 10s; 3 probes close it

      POST http://127.0.0.1:9101/stock?source=web&id=7
      content-type: application/json
      idempotency-key: "dlv_01hf7yat000000000000000000_0"
      fanway-message: msg_01hf7yat000000000000000000
      fanway-attempt: 1
      traceparent: 00-018bcfe5680000000000000000000000-0000000000000001-00
      user-agent: fanway/VERSION
      authorization: (hidden)
      content-length: 11

      {"order":7}

    step shipping to shipping, not critical
      when: .ships
        = false or null
      path: /orders/\(.id)
      success: 2xx, 409 where `.ok == true` holds of the body; otherwise retry
      attempts: 100 within 3d, on transient, 520-529 failures, never on 501; waits up to 1s, then 2 times as long, at most 1h
      limits: 64 at a time; 10s each, 5s to connect, 10s to the first byte
      breaker: opens for 30s after 10 failures in a row, or 50 % of 20 or more in 10s; 3 probes close it

      skipped: `when` gives false or null

    notices
      alerts is told when it has ended
      alerts is told of each dead letter
    "#);
}

#[test]
fn a_request_that_is_refused_is_shown_with_the_answer() {
    let explained = explained(CONFIG, "POST", "/orders", &[], r#"{"id":"#);
    assert_snapshot!(shown(&explained), @r#"
    POST /orders

    routes
      * orders (POST /orders): takes it
      - order (PUT /orders/{id}): goes on with `{id}` where the path ends

    checks of orders
      headers: passed
      idempotency key: not needed
      times: passed
      callback: not needed
      size: passed
      json: refused, the text ends where a value is expected at line 1, column 7

    refused: 400
    {
      "type": "/fanway/problems/json_malformed",
      "title": "the body is not well-formed JSON",
      "status": 400,
      "detail": "the text ends where a value is expected at line 1, column 7"
    }
    "#);
}

#[test]
fn a_request_that_no_route_takes_is_shown_with_what_they_take() {
    let explained = explained(CONFIG, "POST", "/orders/7/items", &[], "");
    assert_snapshot!(shown(&explained), @r#"
    POST /orders/7/items

    routes
      - orders (POST /orders): ends where the path goes on with `7`
      - order (PUT /orders/{id}): ends where the path goes on with `items`

    refused: 404
    {
      "type": "/fanway/problems/route_unknown",
      "title": "no route has this path",
      "status": 404
    }
    "#);
}

#[test]
fn a_step_that_fails_says_why() {
    let explained = explained(CONFIG, "POST", "/orders", &[], r#"{"ships": true}"#);
    let text = text::text(&explained);
    let failed: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("no attempt"))
        .collect();
    let expected = [
        r"  no attempt can be made: `query.id` failed: \(.id) is null",
        r"  no attempt can be made: `path` failed: \(.id) is null",
    ];
    assert_eq!(failed, expected);
}

#[test]
fn what_others_wrote_cant_steer_the_terminal() {
    let explained = explained(CONFIG, "PUT", "/orders/%1B%5B2J", &[], "a\u{1b}[2J\nb");
    let text = text::text(&explained);
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("a\\u{1b}[2J\n  b"), "{text}");
}

#[test]
fn a_difference_shows_what_a_config_would_alter() {
    let before = explained(CONFIG, "POST", "/orders", &[], r#"{"id": 7}"#);
    let changed = CONFIG
        .replace("{order: .id}", "{order_id: .id}")
        .replace("    not_before: 10m\n", "")
        .replace("9102/v2", "9102/v3");
    let after = explained(&changed, "POST", "/orders", &[], r#"{"id": 7}"#);
    let difference = difference(["fanway.yaml", "new.yaml"], [&before, &after]);
    let difference = difference.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_snapshot!(difference, @r#"
    --- fanway.yaml
    +++ new.yaml
    @@ -7,20 +7,19 @@
     checks of orders
       headers: passed
       idempotency key: not needed
    -  times: passed
    +  times: not needed
       callback: not needed
       size: passed
       json: passed
     
     accepted: 202
       message: msg_01hf7yat000000000000000000
    -  plan: 9a1d9202ccc48ccb9538702bad90ecbd
    -  not before: 10m, says the route
    +  plan: e23ddb940c295724e4d5434324dbb008
     
     step inventory to inventory
       query.id: \(.id)
         = 7
    -  body: {order: .id}
    +  body: {order_id: .id}
       attempts: 100 within 3d, on transient failures; waits up to 1s, then 2 times as long, at most 1h
       limits: 64 at a time; 10s each, 5s to connect, 10s to the first byte
       breaker: opens for 30s after 10 failures in a row, or 50 % of 20 or more in 10s; 3 probes close it
    @@ -33,9 +32,9 @@
       traceparent: 00-018bcfe5680000000000000000000000-0000000000000001-00
       user-agent: fanway/VERSION
       authorization: (hidden)
    -  content-length: 11
    +  content-length: 14
     
    -  {"order":7}
    +  {"order_id":7}
     
     step shipping to shipping, not critical
       when: .ships
    "#);
}

#[test]
fn nothing_is_different_under_the_same_config() {
    let explained = [(); 2].map(|()| explained(CONFIG, "POST", "/orders", &[], "{}"));
    let [before, after] = &explained;
    let shown = difference(["a", "b"], [before, after]);
    assert_eq!(
        (shown.as_str(), before == after),
        ("nothing is different", true)
    );
}
