//! What each target gets, from the config to the wire.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{Gateway, config, folder};
use crate::sink::Sink;

fn sections(stock: &Sink, more: &str) -> String {
    format!(
        "targets:\n\
         \x20 stock: {{ url: 'http://{}/stock', {more} }}\n\
         routes:\n\
         \x20 orders: {{ match: POST /orders, send: [stock] }}\n",
        stock.address
    )
}

async fn stock(gateway: &Gateway) -> Value {
    gateway.admin("/api/v1/targets/stock").await.json()
}

#[tokio::test]
async fn a_breaker_that_was_open_is_open_after_a_restart_and_nothing_is_attempted() {
    let folder = folder();
    let mut sink = Sink::start(Some(503)).await;
    let breaker = "breaker: { consecutive: 2, open_for: 1h }, retry: { first: 0s }";
    let sections = sections(&sink, breaker);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway.send("/orders", "{}").await;
    let is_open = |stock: &Value| stock["breaker"] == "open";
    let before = gateway.admin_until("/api/v1/targets/stock", is_open).await;
    assert_eq!(before["breaker_cause"], "failures");
    sink.next().await;
    sink.next().await;
    gateway.stop(Duration::from_secs(10)).await;

    sink.answer_with(200);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    gateway.send("/orders", "{}").await;
    let is_held = |stock: &Value| stock["pending"] == 2;
    let after = gateway.admin_until("/api/v1/targets/stock", is_held).await;
    assert_eq!(
        [
            &after["breaker"],
            &after["held_by"],
            &after["breaker_cause"]
        ],
        ["open", "breaker", "failures"]
    );
    assert!(sink.is_quiet(), "nothing is attempted");
    let closed = r#"{"breaker": "closed"}"#;
    let target = hyper::Request::patch("/api/v1/targets/stock");
    gateway.steer(target, closed).await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_target_gets_no_more_than_its_rate_and_that_shows() {
    let folder = folder();
    let mut sink = Sink::start(Some(200)).await;
    let sections = sections(&sink, "rate: { limit: 20/s, burst: 2 }, concurrency: auto");
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let began = Instant::now();
    for _ in 0..8 {
        gateway.send("/orders", "{}").await;
    }
    for _ in 0..8 {
        sink.next().await;
    }
    // The first two at once, the others a twentieth of a second apart.
    assert!(began.elapsed() >= Duration::from_millis(300));
    let stock = stock(&gateway).await;
    assert_eq!(stock["concurrency"], json!(20));
    let metrics = gateway.admin("/metrics").await;
    let metrics = metrics.text();
    assert!(
        metrics.contains(r#"fanway_target_concurrency{target="stock"}"#),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nfanway_target_connections_waited_total 0"),
        "{metrics}"
    );
    gateway.stop(Duration::from_secs(10)).await;
}
