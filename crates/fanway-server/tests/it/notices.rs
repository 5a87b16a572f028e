//! Who is told of what has become of a message.

use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use serde_json::Value;

use crate::gateway::{Gateway, config, folder};
use crate::sink::{Sent, Sink};

/// 32 bytes of `k`.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

fn told(sent: &Sent) -> Value {
    serde_json::from_slice(&sent.body).expect("JSON")
}

#[tokio::test]
async fn targets_are_told_of_ends_and_of_dead_letters() {
    let folder = folder();
    let (mut alerts, mut accounting) = (Sink::start(Some(200)).await, Sink::start(Some(200)).await);
    let refusing = Sink::start(Some(422)).await;
    let sections = format!(
        "targets:\n\
         \x20 inventory: {{ url: 'http://{}' }}\n\
         \x20 alerts: {{ url: 'http://{}/alerts' }}\n\
         \x20 accounting: {{ url: 'http://{}/ends', sign: {{ standard_webhooks: {SECRET} }} }}\n\
         routes:\n\
         \x20 orders: {{ match: POST /orders, send: [inventory], callback: accounting, on_dead: alerts }}\n",
        refusing.address, alerts.address, accounting.address
    );
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway.send("/orders", "7").await;
    assert_eq!(gateway.ended(&id).await["state"], "failed");

    let sent = accounting.next().await;
    assert_eq!(
        (sent.path.as_str(), sent.method.as_str()),
        ("/ends", "POST")
    );
    let ended = told(&sent);
    assert_eq!(ended["type"], "message.ended");
    assert_eq!(ended["data"]["id"], id.as_str());
    assert_eq!(ended["data"]["state"], "failed");
    assert!(sent.header("webhook-signature").starts_with("v1,"));
    let key = sent.header("idempotency-key").trim_matches('"');
    assert_eq!(sent.header("webhook-id"), key);
    // The notice is a message of its own, and can be asked for.
    let notice = gateway.ended(sent.header("fanway-message")).await;
    assert_eq!(notice["deliveries"][0]["step"], "callback");
    assert_eq!(notice["state"], "delivered");

    let dead = told(&alerts.next().await);
    assert_eq!(dead["type"], "delivery.dead");
    assert_eq!(dead["data"]["message"], id.as_str());
    assert_eq!(dead["data"]["reason"], "refused");
    gateway.stop(Duration::from_secs(10)).await;
    assert!(alerts.is_quiet() && accounting.is_quiet());
}

#[tokio::test]
async fn a_sender_names_who_is_told_where_the_route_allows_it() {
    let folder = folder();
    let inventory = Sink::start(Some(200)).await;
    let (mut one, mut other) = (Sink::start(Some(200)).await, Sink::start(Some(200)).await);
    let sections = format!(
        "egress: {{ allow: 127.0.0.0/8 }}\n\
         callbacks: {{ sign: {{ standard_webhooks: {SECRET} }} }}\n\
         targets: {{ inventory: {{ url: 'http://{}' }} }}\n\
         routes:\n\
         \x20 orders:\n\
         \x20   match: POST /orders\n\
         \x20   send: [inventory]\n\
         \x20   callback: {{ allow: ['http://{}', 'http://{}'] }}\n",
        inventory.address, one.address, other.address
    );
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    for (sink, path) in [(&mut one, "/done?order=7"), (&mut other, "/")] {
        let url = format!("http://{}{path}", sink.address);
        let request = Request::post("/orders").header("fanway-callback", url);
        let answer = gateway.ask(request, Bytes::from_static(b"7")).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let sent = sink.next().await;
        assert_eq!(sent.path, path);
        assert_eq!(told(&sent)["data"]["id"], answer.json()["id"]);
        assert!(sent.header("webhook-signature").starts_with("v1,"));
        assert!(sink.is_quiet());
    }
    let elsewhere = Request::post("/orders").header("fanway-callback", "http://127.0.0.1:1/");
    let refused = gateway.ask(elsewhere, Bytes::from_static(b"7")).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    gateway.stop(Duration::from_secs(10)).await;
}
