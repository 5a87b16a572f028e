use std::env::VarError;
use std::io;
use std::path::Path;

use bytes::Bytes;
use fanway_config::{Config, Environment};
use fanway_types::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{ExplainRequest, explain};

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Result<String, VarError> {
        Err(VarError::NotPresent)
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}

const TARGETS: &str = "
callbacks: { sign: { standard_webhooks: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw } }
targets:
  mail:
    url: http://127.0.0.1:9101/v1
    credentials: { header: { name: x-api-key, value: hunter2 } }
    sign: { standard_webhooks: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }
  far:
    url: https://far.example/
    tls: { server_name: near.example, min_version: 1.3 }
    proxy: { url: 'socks5h://p.example:1080', user: me, password: hunter2 }
";

/// Explains a request under a config with these routes, as JSON.
fn explained(
    routes: &str,
    request: &str,
    headers: &[(&'static str, &'static str)],
    body: &[u8],
) -> Value {
    let config = format!("{TARGETS}routes:\n{routes}");
    let config = Config::parse(&config, "fanway.yaml", &Nothing).expect("a config");
    let (method, uri) = request.split_once(' ').expect("a method and a path");
    let headers = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    let request = ExplainRequest {
        method: method.parse().expect("a method"),
        uri: uri.parse().expect("a path"),
        headers: HeaderMap::from_iter(headers),
        body: Bytes::copy_from_slice(body),
        received_at: Timestamp::from_millis(1_700_000_000_000),
    };
    let explained = explain(&config, &request).expect("it can be explained");
    serde_json::to_value(explained).expect("it has only text keys")
}

/// Explains what a step of this form does with a JSON body.
fn step(step: &str, body: &Value) -> Value {
    let route = format!("  r: {{ match: POST /, send: [{{ to: mail, {step} }}] }}");
    let mut explained = explained(&route, "POST /", &[], body.to_string().as_bytes());
    explained["steps"][0].take()
}

/// `expected`: each route's name, whether it takes the request, and why.
#[track_caller]
fn check_routes(request: &str, expected: &[(&str, bool, &str)]) {
    let routes = "
  orders: { match: POST /orders, send: [mail] }
  order: { match: 'PUT /orders/{id}', send: [mail] }
  files: { match: '* /{kind}/{all...}', send: [mail] }";
    let explained = explained(routes, request, &[], b"");
    let found = explained["routes"].as_array().expect("a list").iter();
    let found: Vec<_> = found
        .map(|tried| {
            let text = |key: &str| tried[key].as_str().expect("a text");
            let takes = tried["takes"].as_bool().expect("yes or no");
            (text("route"), takes, text("why"))
        })
        .collect();
    assert_eq!(found, expected, "{request}");
}

#[test]
fn each_route_says_why_it_takes_a_request_or_not() {
    check_routes(
        "PUT /orders/a%20b",
        &[
            ("orders", false, "ends where the path goes on with `a%20b`"),
            ("order", true, "takes it: id is `a b`"),
            ("files", false, "fits, but `order` fits better"),
        ],
    );
    check_routes(
        "POST /orders/7",
        &[
            ("orders", false, "ends where the path goes on with `7`"),
            ("order", false, "fits, but takes PUT only"),
            ("files", true, "takes it: kind is `orders`, all is `7`"),
        ],
    );
    check_routes(
        "GET /orders",
        &[
            ("orders", false, "fits, but takes POST only"),
            ("order", false, "goes on with `{id}` where the path ends"),
            (
                "files",
                false,
                "goes on with `{all...}` where the path ends",
            ),
        ],
    );
    let own = "takes nothing under /fanway/";
    check_routes(
        "GET /fanway/messages/msg_1",
        &[
            ("orders", false, own),
            ("order", false, own),
            ("files", false, own),
        ],
    );
}

#[test]
fn a_request_that_no_route_takes_is_refused_as_the_gateway_would() {
    let routes = "  r: { match: POST /a, send: [mail] }";
    let refused = explained(routes, "GET /a", &[], b"");
    assert_eq!(refused["refused"]["status"], 405);
    assert_eq!(refused["message"], json!(null));
    let refused = explained(routes, "POST /b", &[], b"");
    let expected = json!({
        "type": "/fanway/problems/route_unknown",
        "title": "no route has this path",
        "status": 404,
    });
    assert_eq!(refused["refused"], expected);
    let own = explained(routes, "GET /fanway/messages/msg_1", &[], b"");
    assert_eq!(
        (&own["is_reserved"], &own["refused"]),
        (&json!(true), &json!(null))
    );
}

#[test]
fn the_first_check_that_refuses_is_the_answer() {
    let routes =
        "  r: { match: POST /, idempotency: { required: true }, send: [{ to: mail, body: . }] }";
    let refused = explained(routes, "POST /", &[], b"{");
    let verdicts: Vec<_> = refused["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|checked| format!("{} {}", checked["check"], checked["verdict"]).replace('"', ""))
        .collect();
    let expected = [
        "headers passed",
        "idempotency_key refused",
        "times not_needed",
        "callback not_needed",
        "size passed",
        "json refused",
    ];
    assert_eq!(verdicts, expected);
    let code = "/fanway/problems/idempotency_key_missing";
    assert_eq!(refused["refused"]["type"], code);
    assert_eq!(refused["steps"], json!([]));
}

#[test]
fn an_outgoing_request_is_whole_but_for_its_secrets() {
    let step = step("path: /mails", &json!({"id": 7}));
    let request = &step["request"];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["url"], "http://127.0.0.1:9101/v1/mails");
    assert_eq!(request["body"], json!({"text": r#"{"id":7}"#}));
    let headers = request["headers"].as_array().expect("a list");
    let value = |name: &str| {
        let header = headers.iter().find(|header| header[0] == name);
        header.map(|header| header[1].as_str().expect("a text"))
    };
    assert_eq!(value("x-api-key"), Some("(hidden)"));
    assert_eq!(value("webhook-signature"), Some("(hidden)"));
    let key = "\"dlv_01hf7yat000000000000000000_0\"";
    assert_eq!(value("idempotency-key"), Some(key));
    assert_eq!(value("fanway-attempt"), Some("1"));
    assert!(!step.to_string().contains("hunter2"));
}

#[test]
fn expressions_are_shown_with_what_they_give() {
    let step = step(
        r"path: '/a/\(.id)', query: { fixed: '1', q: '\(.q)' }, headers: { x-fixed: a, x-id: '\(.id)' }, when: .id, body: '{a: .id}'",
        &json!({"id": 7, "q": "a&b=c"}),
    );
    let expected = json!([
        {"field": "when", "source": ".id", "result": "true"},
        {"field": "path", "source": r"/a/\(.id)", "result": "/a/7"},
        {"field": "query.q", "source": r"\(.q)", "result": "a%26b%3Dc"},
        {"field": "headers.x-id", "source": r"\(.id)", "result": "7"},
        {"field": "body", "source": "{a: .id}", "result": null},
    ]);
    assert_eq!(step["expressions"], expected);
    assert_eq!(step["request"]["body"], json!({"text": r#"{"a":7}"#}));
}

#[test]
fn a_parameter_is_told_from_those_that_are_passed_on() {
    let route =
        r"  r: { match: POST /, send: [{ to: mail, forward: [query], query: { q: '\(.q)' } }] }";
    let explained = explained(route, "POST /?q=theirs&z=1", &[], br#"{"q": "ours"}"#);
    let step = &explained["steps"][0];
    assert_eq!(step["expressions"][0]["result"], "ours");
    let url = "http://127.0.0.1:9101/v1?q=theirs&z=1&q=ours";
    assert_eq!(step["request"]["url"], url);
}

#[test]
fn a_step_that_sends_nothing_says_why() {
    let skipped = step("when: .wanted", &json!({"wanted": null}));
    assert_eq!(skipped["skipped"], "`when` gives false or null");
    assert_eq!(skipped["expressions"][0]["result"], "false or null");
    assert_eq!(skipped["request"], json!(null));

    let fails = step("body: '.a.b'", &json!({"a": 1}));
    let why = fails["fails"].as_str().expect("a text");
    assert!(why.starts_with("`body` failed: cannot index 1"), "{why}");
    let fails = step(r"headers: { x-a: '\(.a)' }", &json!({"a": "b\nc"}));
    assert!(fails["fails"].is_string(), "{fails}");
}

#[test]
fn a_body_that_is_no_text_is_shown_in_base_64() {
    let route = "  r: { match: POST /, send: [mail] }";
    let explained = explained(route, "POST /", &[], b"\xff\x00");
    let body = &explained["steps"][0]["request"]["body"];
    assert_eq!(*body, json!({"base64": "/wA="}));
}

#[test]
fn a_message_is_kept_with_what_the_request_and_the_route_say() {
    let route = "
  r:
    match: POST /
    not_before: 90s
    expires: 1h
    callback: { to: mail, allow: ['https://*.example.com'] }
    on_dead: mail
    idempotency: { keep: 12h }
    send: [{ to: mail, critical: false }]";
    let headers = [
        ("idempotency-key", "\"a b\""),
        ("fanway-expires", "2h"),
        ("fanway-callback", "https://a.example.com/told?x=1"),
    ];
    let explained = explained(route, "POST /", &headers, b"");
    let terms = json!({
        "idempotency_key": {"key": "a b", "keep": "12h"},
        "not_before": {"said": "90s", "by": "route"},
        "expires": {"said": "2h", "by": "sender"},
    });
    assert_eq!(explained["terms"], terms);
    let notices = json!({
        "callback": "mail",
        "callback_url": "https://a.example.com/told?x=1",
        "on_dead": "mail",
    });
    assert_eq!(explained["notices"], notices);
    assert_eq!(explained["steps"][0]["critical"], false);
    assert_eq!(explained["message"], "msg_01hf7yat000000000000000000");
}

#[test]
fn an_explanation_is_the_same_each_time() {
    let route = "  r: { match: POST /, send: [{ to: mail, body: '$message' }] }";
    let [first, second] = [(); 2].map(|()| explained(route, "POST /", &[], b"{}"));
    let sent = |explained: &Value| explained["steps"][0]["request"]["body"].clone();
    assert_eq!(sent(&first), sent(&second));
    assert_eq!(first["message"], second["message"]);
}

#[test]
fn how_a_target_is_connected_to_is_shown_without_the_proxys_password() {
    let route = "  r: { match: POST /, send: [mail, far] }";
    let explained = explained(route, "POST /", &[], b"");
    assert!(!explained.to_string().contains("hunter2"), "{explained}");
    let policy = |step: usize| &explained["steps"][step]["policy"];
    let tls = json!({
        "shows_certificate": false,
        "server_name": "near.example",
        "min_version": "1.3",
    });
    assert_eq!(policy(1)["tls"], tls);
    let proxy = json!({"url": "socks5h://p.example:1080", "logs_in": true});
    assert_eq!(policy(1)["proxy"], proxy);
    assert!(policy(0).get("tls").is_none() && policy(0).get("proxy").is_none());
}
