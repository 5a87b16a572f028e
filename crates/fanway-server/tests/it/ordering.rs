//! Deliveries in order, over real sockets: read off at the target, with stops in between.

use std::time::Duration;

use hyper::Request;
use serde_json::json;

use crate::gateway::{Gateway, config, folder};
use crate::sink::Sink;

fn sections(sink: &Sink, order: &str) -> String {
    sections_with(sink, order, "retry: { first: 1ms, attempts: 2 }")
}

/// The same, with this among the target's keys.
fn sections_with(sink: &Sink, order: &str, more: &str) -> String {
    format!(
        "targets: {{ crm: {{ url: 'http://{}', {more} }} }}\n\
         routes:\n\
         \x20 customers:\n\
         \x20   match: POST /customers\n\
         \x20   send: [{{ to: crm, order_by: .customer, order: {order} }}]\n",
        sink.address
    )
}

/// Sends a message of a customer.
async fn send(gateway: &Gateway, customer: &str, number: u32) -> String {
    let body = json!({"customer": customer, "number": number}).to_string();
    gateway.send("/customers", body).await
}

/// What came next: of whom, and its number.
async fn next(sink: &mut Sink) -> (String, u64) {
    let body = sink.next().await.body;
    let body: serde_json::Value = serde_json::from_slice(&body).expect("what was sent");
    let customer = body["customer"].as_str().expect("a name").to_owned();
    (customer, body["number"].as_u64().expect("a number"))
}

#[tokio::test]
async fn each_customer_s_messages_come_in_order_over_stops() {
    let folder = folder();
    let mut sink = Sink::start(None).await;
    let sections = sections(&sink, "skip");
    let mut ids = Vec::new();
    for round in 0..3 {
        let gateway = Gateway::start(config(folder.path(), &sections)).await;
        for number in 0..5 {
            for customer in ["a", "b"] {
                ids.push(send(&gateway, customer, round * 5 + number).await);
            }
        }
        // The first of each is in flight, and none behind it.
        let mut first = [next(&mut sink).await, next(&mut sink).await];
        first.sort();
        assert_eq!(first, [("a".to_owned(), 0), ("b".to_owned(), 0)]);
        gateway.stop(Duration::ZERO).await;
        assert!(sink.is_quiet());
    }
    sink.answer_with(200);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    for id in &ids {
        assert_eq!(gateway.ended(id).await["state"], "delivered");
    }
    let mut seen = Vec::new();
    for _ in &ids {
        seen.push(next(&mut sink).await);
    }
    for customer in ["a", "b"] {
        let of_one = seen.iter().filter(|(of, _)| of == customer);
        let numbers: Vec<_> = of_one.map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..15).collect::<Vec<_>>(), "of {customer}");
    }
    assert!(sink.is_quiet());
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn order_is_kept_through_retries_an_open_breaker_and_a_stop() {
    let folder = folder();
    let mut sink = Sink::start(Some(503)).await;
    let more = "retry: { first: 1ms, max: 1ms }, breaker: { consecutive: 8, open_for: 1h }";
    let sections = sections_with(&sink, "skip", more);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let mut ids = Vec::new();
    for number in 0..10 {
        for customer in ["a", "b"] {
            ids.push(send(&gateway, customer, number).await);
        }
    }
    let is_open = |crm: &serde_json::Value| crm["breaker"] == "open" && crm["in_flight"] == 0;
    gateway.admin_until("/api/v1/targets/crm", is_open).await;
    gateway.stop(Duration::ZERO).await;
    while !sink.is_quiet() {
        let (_, number) = next(&mut sink).await;
        assert_eq!(
            number, 0,
            "the first of each is tried again, and none behind it"
        );
    }

    sink.answer_with(200);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let crm = gateway.admin("/api/v1/targets/crm").await.json();
    assert_eq!(crm["breaker"], "open", "{crm}");
    let target = Request::patch("/api/v1/targets/crm");
    gateway.steer(target, r#"{"breaker": "closed"}"#).await;
    for id in &ids {
        assert_eq!(gateway.ended(id).await["state"], "delivered");
    }
    let mut seen = Vec::new();
    while !sink.is_quiet() {
        seen.push(next(&mut sink).await);
    }
    for customer in ["a", "b"] {
        let of_one = seen.iter().filter(|(of, _)| of == customer);
        let numbers: Vec<_> = of_one.map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "of {customer}");
    }
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_blocked_customer_waits_for_an_operator() {
    let folder = folder();
    let mut sink = Sink::start(Some(422)).await;
    let sections = sections(&sink, "block");
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let first = send(&gateway, "a", 1).await;
    assert_eq!(gateway.ended(&first).await["state"], "failed");
    sink.answer_with(200);
    let second = send(&gateway, "a", 2).await;
    let other = send(&gateway, "b", 1).await;
    assert_eq!(gateway.ended(&other).await["state"], "delivered");
    let is_held = |message: &serde_json::Value| {
        let delivery = &message["deliveries"][0];
        delivery["state"] == "pending" && delivery["held_by"] == "order"
    };
    let path = format!("/api/v1/messages/{second}");
    gateway.admin_until(&path, is_held).await;

    let delivery = format!("{}_0", first.replace("msg_", "dlv_"));
    let discard = format!("/api/v1/dead/{delivery}/discard");
    let discarded = gateway.command(&discard, r#"{"reason": "seen to"}"#).await;
    assert!(discarded.status.is_success(), "{}", discarded.status);
    assert_eq!(gateway.ended(&second).await["state"], "delivered");
    let came = [
        next(&mut sink).await,
        next(&mut sink).await,
        next(&mut sink).await,
    ];
    let numbers = came.map(|(of, number)| format!("{of}{number}"));
    assert_eq!(numbers, ["a1", "b1", "a2"]);
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_request_without_an_order_key_is_refused_and_null_is_none() {
    let folder = folder();
    let mut sink = Sink::start(Some(200)).await;
    let gateway = Gateway::start(config(folder.path(), &sections(&sink, "skip"))).await;
    let body = r#"{"customer": ["a"]}"#;
    let refused = gateway.ask(Request::post("/customers"), body.into()).await;
    assert_eq!(refused.status, 422);
    let problem: serde_json::Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!(problem["type"], "/fanway/problems/order_key_missing");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(
        detail.contains("`crm`") && detail.contains("an array"),
        "{detail}"
    );
    let refused = gateway.ask(Request::post("/customers"), "{".into()).await;
    assert_eq!(refused.status, 400);
    let id = gateway.send("/customers", r#"{"customer": null}"#).await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    sink.next().await;
    assert!(sink.is_quiet());
    gateway.stop(Duration::from_secs(10)).await;
}
