//! A target with more than one address, and one with a fallback, over real sockets.

use std::time::Duration;

use serde_json::Value;

use crate::gateway::{Changing, Gateway, config, folder};
use crate::sink::Sink;

const GRACE: Duration = Duration::from_secs(10);

/// A route `orders` to one target at these addresses, taken in turn, with more of its keys.
fn sections(sinks: &[&Sink], more: &str) -> String {
    let urls = sinks
        .iter()
        .map(|sink| format!("'http://{}/in'", sink.address));
    let urls: Vec<String> = urls.collect();
    format!(
        "targets: {{ orders: {{ endpoints: [{}], balance: round_robin, {more} }} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [orders] }} }}",
        urls.join(", ")
    )
}

/// Sends one, and waits until it has ended: its one delivery.
async fn deliver(gateway: &Gateway) -> Value {
    let id = gateway.send("/orders", "an order").await;
    let message = gateway.ended(&id).await;
    assert_eq!(message["state"], "delivered", "{message}");
    message["deliveries"][0].clone()
}

async fn states(gateway: &Gateway) -> Vec<String> {
    let target = gateway.admin("/api/v1/targets/orders").await.json();
    let endpoints = target["endpoints"].as_array().expect("a list");
    let state = |endpoint: &Value| endpoint["state"].as_str().expect("a word").to_owned();
    endpoints.iter().map(state).collect()
}

#[tokio::test]
async fn endpoints_take_turns_with_one_set_of_credentials_and_a_dead_one_is_left_out() {
    let folder = folder();
    let (mut one, mut other) = (Sink::start(Some(200)).await, Sink::start(Some(200)).await);
    let more = "credentials: { bearer: a-token }, retry: { first: 0s }, \
                eject: { consecutive: 1, for: 1h }";
    let text = sections(&[&one, &other], more);
    let gateway = Gateway::start(config(folder.path(), &text)).await;
    for _ in 0..2 {
        deliver(&gateway).await;
    }
    for sink in [&mut one, &mut other] {
        let sent = sink.next().await;
        assert_eq!(sent.path, "/in");
        assert_eq!(sent.header("authorization"), "Bearer a-token");
        assert_eq!(sent.header("host"), sink.address.to_string());
        assert!(sink.is_quiet());
    }
    one.answer_with(503);
    let delivery = deliver(&gateway).await;
    assert_eq!(delivery["attempts"], 2, "{delivery}");
    assert_eq!(states(&gateway).await, ["ejected", "up"]);
    assert_eq!(one.next().await.header("fanway-attempt"), "1");
    assert_eq!(other.next().await.header("fanway-attempt"), "2");
    deliver(&gateway).await;
    assert!(one.is_quiet());
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn a_reload_keeps_an_endpoint_left_out_and_takes_up_a_new_one() {
    let folder = folder();
    let (dead, well) = (Sink::start(Some(500)).await, Sink::start(Some(200)).await);
    let more = "retry: { first: 0s }, eject: { consecutive: 1, for: 1h }";
    let source = Changing::new(folder.path(), &sections(&[&dead, &well], more));
    let gateway = Gateway::start_changing(&source).await;
    deliver(&gateway).await;
    assert_eq!(states(&gateway).await, ["ejected", "up"]);
    let new = Sink::start(Some(200)).await;
    source.set(&sections(&[&new, &dead, &well], more));
    let reloaded = gateway.reload().await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    for _ in 0..2 {
        deliver(&gateway).await;
    }
    assert_eq!(states(&gateway).await, ["up", "ejected", "up"]);
    let metrics = gateway.admin("/metrics").await;
    let metrics = metrics.text();
    let line = format!(
        "fanway_target_endpoint_state{{target=\"orders\",endpoint=\"http://{}\"}} 1",
        dead.address
    );
    assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn checks_are_unsigned_gets_with_the_credentials() {
    let folder = folder();
    let mut sink = Sink::start(Some(204)).await;
    let more = "credentials: { bearer: a-token }, health: { path: /health, interval: 10ms }, \
                sign: { standard_webhooks: whsec_aHVudGVyMi1zaWduaW5nLWh1bnRlcjItc2lnbmluZw== }";
    let gateway = Gateway::start(config(folder.path(), &sections(&[&sink], more))).await;
    let check = sink.next().await;
    assert_eq!((&*check.method, &*check.path), ("GET", "/in/health"));
    assert_eq!(check.header("authorization"), "Bearer a-token");
    assert!(check.header("user-agent").starts_with("fanway/"));
    assert!(!check.headers.contains_key("webhook-signature"));
    assert!(!check.headers.contains_key("idempotency-key"));
    gateway.stop(GRACE).await;
}

/// A route to `main`, whose fallback is `backup`.
fn with_fallback(main: &Sink, backup: &Sink) -> String {
    format!(
        "targets:\n\
         \x20 main: {{ url: 'http://{}/in', fallback: backup, credentials: {{ bearer: for-main }} }}\n\
         \x20 backup: {{ url: 'http://{}/other', credentials: {{ bearer: for-backup }} }}\n\
         routes:\n\
         \x20 orders: {{ match: POST /orders, send: [main] }}\n",
        main.address, backup.address
    )
}

#[tokio::test]
async fn what_a_target_refuses_goes_to_its_fallback_with_that_one_s_credentials() {
    let folder = folder();
    let (mut main, mut backup) = (Sink::start(Some(422)).await, Sink::start(Some(200)).await);
    let text = with_fallback(&main, &backup);
    let gateway = Gateway::start(config(folder.path(), &text)).await;
    let delivery = deliver(&gateway).await;
    assert_eq!(delivery["target"], "backup", "{delivery}");
    assert_eq!(delivery["fallback_of"], "main", "{delivery}");
    assert_eq!(delivery["attempts"], 2, "{delivery}");
    let (refused, taken) = (main.next().await, backup.next().await);
    assert_eq!(refused.header("authorization"), "Bearer for-main");
    assert_eq!(taken.header("authorization"), "Bearer for-backup");
    assert_eq!(
        (&*taken.path, &taken.body[..]),
        ("/other", &b"an order"[..])
    );
    let key = "idempotency-key";
    assert_eq!(refused.header(key), taken.header(key));
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn what_has_gone_to_the_fallback_is_made_there_after_a_restart() {
    let folder = folder();
    let (mut main, mut backup) = (Sink::start(Some(422)).await, Sink::start(None).await);
    let text = with_fallback(&main, &backup);
    let gateway = Gateway::start(config(folder.path(), &text)).await;
    let id = gateway.send("/orders", "an order").await;
    backup.next().await;
    gateway.stop(Duration::ZERO).await;
    backup.answer_with(200);
    let gateway = Gateway::start(config(folder.path(), &text)).await;
    let message = gateway.ended(&id).await;
    let delivery = &message["deliveries"][0];
    assert_eq!(delivery["state"], "delivered", "{message}");
    assert_eq!(delivery["fallback_of"], "main", "{message}");
    main.next().await;
    assert!(main.is_quiet(), "it isn't asked again");
    gateway.stop(GRACE).await;
}
