//! What would become of a request, said without sending it.

use std::time::Duration;

use bytes::Bytes;
use fanway_ingress::explain::{Check, Difference, Explanation, Match, Outcome, Taken, Verdict};
use fanway_ingress::problem::Kind;
use fanway_ingress::{Idempotency, Params};
use fanway_types::{ByteCount, Segment};

use crate::gateway::{Gateway, NOW, Pipes, request};

fn explain(
    change: impl FnOnce(&mut Params),
    start: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Explanation {
    let (method, uri) = start.split_once(' ').expect("a method and a path");
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let pipes = Pipes::new(change);
    let explanation = pipes
        .ingress
        .explain(&head, &Bytes::copy_from_slice(body.as_bytes()));
    assert!(pipes.store.take_accepted().is_empty(), "nothing is sent");
    explanation
}

fn taken(explanation: Explanation) -> Taken {
    match explanation.outcome {
        Outcome::Taken(taken) => *taken,
        other => panic!("{other:?}"),
    }
}

/// Each check, and the code of its refusal, `ok` or `-`.
fn verdicts(taken: &Taken) -> Vec<(Check, &'static str)> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Passed => "ok",
        Verdict::NotNeeded => "-",
        Verdict::Refused(refusal) => refusal.kind.code(),
    };
    let checks = taken.checks.iter();
    checks
        .map(|(check, verdict)| (*check, word(verdict)))
        .collect()
}

#[test]
fn each_route_says_whether_it_takes_the_request() {
    let change = |params: &mut Params| {
        let paths = ["/orders/{id}", "/{kind}/7", "/orders/{id}/items"];
        let routes = ["order", "seven", "items"].into_iter().zip(paths);
        let post = Some(http::Method::POST);
        let routes = routes.map(|(name, path)| crate::gateway::route(name, post.clone(), path));
        params.table.routes.extend(routes);
    };
    let explanation = explain(change, "POST /orders/7", &[], "");
    let segment = |segment, expected: Option<Segment>, found: Option<&str>| {
        Match::Path(Difference {
            segment,
            expected,
            found: found.map(Into::into),
        })
    };
    let literal = |text: &str| Some(Segment::Literal(text.into()));
    let takes = Match::Takes(vec![("id".into(), "7".into())]);
    let behind = Match::Behind("order".parse().expect("a name"));
    let expected = [
        ("orders", segment(1, None, Some("7"))),
        ("replace", segment(1, None, Some("7"))),
        ("json", segment(0, literal("json"), Some("orders"))),
        ("any", segment(0, literal("any"), Some("orders"))),
        ("order", takes),
        ("seven", behind),
        ("items", segment(2, literal("items"), None)),
    ];
    for ((route, verdict), (name, expected)) in explanation.routes.iter().zip(expected) {
        assert_eq!((route.as_str(), verdict), (name, &expected));
    }
    assert_eq!(taken(explanation).route.as_str(), "order");
}

#[test]
fn a_method_that_no_route_takes_is_named() {
    let explanation = explain(|_| {}, "PATCH /orders", &[], "");
    let (route, verdict) = &explanation.routes[0];
    assert_eq!(route.as_str(), "orders");
    assert_eq!(*verdict, Match::Method(http::Method::POST));
    match explanation.outcome {
        Outcome::Refused(refusal) => assert_eq!(refusal.kind, Kind::MethodNotAllowed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reserved_paths_are_no_routes() {
    let all = |params: &mut Params| {
        let routes = &mut params.table.routes;
        routes.push(crate::gateway::route("all", None, "/{path...}"));
    };
    let explanation = explain(all, "GET /fanway/messages/x", &[], "");
    assert!(matches!(explanation.outcome, Outcome::Reserved));
}

const HEADERS: [(&str, &str); 5] = [
    ("content-type", "application/json"),
    ("authorization", "Bearer hunter2"),
    ("idempotency-key", "\"k\""),
    ("fanway-not-before", "1m"),
    ("fanway-callback", "http://127.0.0.1:9000/done"),
];

/// `POST /json` takes all that [`HEADERS`] ask for.
fn generous(params: &mut Params) {
    params.table.routes[2].callbacks = ["http://127.0.0.1:9000".parse().expect("an origin")].into();
}

#[tokio::test]
async fn the_message_is_the_one_that_would_be_kept() {
    let explanation = explain(generous, "POST /json?a=b", &HEADERS, r#"{"id":1}"#);
    let taken = taken(explanation);
    let expected = [
        (Check::Headers, "ok"),
        (Check::Key, "ok"),
        (Check::Times, "ok"),
        (Check::Callback, "ok"),
        (Check::Size, "ok"),
        (Check::Json, "ok"),
    ];
    assert_eq!(verdicts(&taken), expected);
    let message = taken.message.expect("nothing is refused");
    assert_eq!(message.id.timestamp(), NOW);

    let gateway = Gateway::start_with(generous).await;
    let sent = request("POST /json?a=b", &HEADERS, r#"{"id":1}"#);
    gateway.exchange(sent).await;
    let accepted = gateway.store.take_accepted();
    let kept = &accepted[0];
    assert_eq!(
        format!("{:?}", kept.request),
        format!("{:?}", message.request)
    );
    assert_eq!(kept.terms, message.terms);
    assert_eq!((&kept.route, kept.plan), (&message.route, message.plan));
}

#[test]
fn all_checks_are_made_whatever_one_of_them_says() {
    let strict = |params: &mut Params| {
        params.table.routes[2].idempotency = Idempotency {
            required: true,
            keep: Duration::from_secs(60),
        };
    };
    let headers = [
        ("fanway-expires", "never"),
        ("fanway-callback", "http://a.example/"),
    ];
    let taken = taken(explain(strict, "POST /json", &headers, "[1, 2,"));
    let expected = [
        (Check::Headers, "ok"),
        (Check::Key, "idempotency_key_missing"),
        (Check::Times, "terms_malformed"),
        (Check::Callback, "callback_refused"),
        (Check::Size, "ok"),
        (Check::Json, "json_malformed"),
    ];
    assert_eq!(verdicts(&taken), expected);
    assert!(taken.message.is_none());
    let Some((_, Verdict::Refused(refusal))) = taken.checks.last() else {
        panic!("{:?}", taken.checks);
    };
    let detail = refusal.detail.as_deref().expect("it says where");
    assert!(detail.contains("line 1, column 7"), "{detail}");
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let small = |params: &mut Params| params.table.limits.max_body = ByteCount::new(4);
    let taken = taken(explain(small, "POST /json", &[], "[1, 2]"));
    let last = verdicts(&taken).pop().expect("there are checks");
    assert_eq!(last, (Check::Size, "body_too_large"));
    assert!(taken.message.is_none());
}

#[test]
fn what_nobody_asks_for_needs_no_check() {
    let taken = taken(explain(|_| {}, "POST /orders", &[], ""));
    let expected = [
        (Check::Headers, "ok"),
        (Check::Key, "-"),
        (Check::Times, "-"),
        (Check::Callback, "-"),
        (Check::Size, "-"),
        (Check::Json, "-"),
    ];
    assert_eq!(verdicts(&taken), expected);
    assert!(taken.message.is_some());
}

#[test]
fn nothing_more_is_known_where_there_are_too_many_headers() {
    let few = |params: &mut Params| params.table.limits.max_headers = 1;
    let headers = [("x-a", "1"), ("x-b", "2")];
    let taken = taken(explain(few, "POST /orders", &headers, ""));
    assert_eq!(verdicts(&taken), [(Check::Headers, "headers_too_large")]);
    assert!(taken.message.is_none());
}
