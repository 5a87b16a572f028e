//! The way of a message, from its request to its ends.

use std::time::Duration;

use hyper::Request;

use crate::gateway::{Gateway, config, folder, smallest};
use crate::sink::Sink;

#[tokio::test]
async fn one_request_reaches_both_targets() {
    let folder = folder();
    let (mut inventory, mut shipping) =
        (Sink::start(Some(200)).await, Sink::start(Some(204)).await);
    let gateway = Gateway::start(config(folder.path(), &smallest(&inventory, &shipping))).await;

    let id = gateway.send("/orders", r#"{"id": 7}"#).await;
    let message = gateway.ended(&id).await;
    assert_eq!(message["state"], "delivered");
    assert_eq!(message["deliveries"][0]["state"], "delivered");
    assert_eq!(message["deliveries"][1]["state"], "delivered");

    for (sink, path) in [(&mut inventory, "/stock"), (&mut shipping, "/shipments")] {
        let sent = sink.next().await;
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", path));
        assert_eq!(&sent.body[..], br#"{"id": 7}"#);
        assert_eq!(sent.header("fanway-message"), id);
        assert_eq!(sent.header("fanway-attempt"), "1");
        assert!(sent.header("idempotency-key").starts_with("\"dlv_"));
        assert!(sink.is_quiet());
    }
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_step_shapes_its_own_request() {
    let folder = folder();
    let mut sink = Sink::start(Some(200)).await;
    let sections = format!(
        "targets: {{ shipping: {{ url: 'http://{}' }} }}\n\
         routes:\n\
         \x20 orders:\n\
         \x20   match: POST /orders\n\
         \x20   send:\n\
         \x20     - to: shipping\n\
         \x20       method: PUT\n\
         \x20       path: /orders/\\(.id)\n\
         \x20       body: '{{n: (.items | length)}}'\n",
        sink.address
    );
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway
        .send("/orders", r#"{"id": "a b", "items": [1, 2]}"#)
        .await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    let sent = sink.next().await;
    assert_eq!(
        (sent.method.as_str(), sent.path.as_str()),
        ("PUT", "/orders/a%20b")
    );
    assert_eq!(&sent.body[..], br#"{"n":2}"#);

    let refused = gateway.ask(Request::post("/orders"), "{".into()).await;
    assert_eq!(refused.status, 400);
    assert!(sink.is_quiet());
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_target_that_fails_at_first_is_tried_again_with_the_same_key() {
    let folder = folder();
    let mut sink = Sink::start(Some(503)).await;
    let sections = format!(
        "targets: {{ mail: {{ url: 'http://{}', retry: {{ first: 1ms }} }} }}\n\
         routes: {{ mails: {{ match: POST /mails, send: [mail] }} }}\n",
        sink.address
    );
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway.send("/mails", "hello").await;
    let first = sink.next().await;
    sink.answer_with(200);
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    let second = sink.next().await;
    assert_eq!(
        first.header("idempotency-key"),
        second.header("idempotency-key")
    );
    assert_eq!(first.header("fanway-attempt"), "1");
    assert_eq!(second.header("fanway-attempt"), "2");
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn metrics_tell_of_both_ends() {
    let folder = folder();
    let (inventory, shipping) = (Sink::start(Some(200)).await, Sink::start(Some(200)).await);
    let gateway = Gateway::start(config(folder.path(), &smallest(&inventory, &shipping))).await;
    let id = gateway.send("/orders", "{}").await;
    gateway.ended(&id).await;
    let metrics = gateway.admin("/metrics").await;
    for line in [
        r#"fanway_ingress_accepted_total{route="orders"} 1"#,
        r#"fanway_target_attempts_total{target="inventory",outcome="delivered"} 1"#,
        r#"fanway_target_dead{target="shipping"} 0"#,
        "fanway_journal_sync_seconds_count",
        "fanway_ledger_lag_seconds",
    ] {
        assert!(
            metrics.text().contains(line),
            "{line} in\n{}",
            metrics.text()
        );
    }
    gateway.stop(Duration::from_secs(10)).await;
}
