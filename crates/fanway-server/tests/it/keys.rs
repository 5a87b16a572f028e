//! `Idempotency-Key`, over a restart.

use std::time::Duration;

use bytes::Bytes;
use hyper::Request;

use crate::gateway::{Gateway, config, folder};
use crate::sink::Sink;

#[tokio::test]
async fn one_key_is_one_message_over_a_restart() {
    let folder = folder();
    let mut inventory = Sink::start(Some(200)).await;
    let sections = format!(
        "targets: {{ inventory: {{ url: 'http://{}' }} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [inventory] }} }}",
        inventory.address
    );
    let keyed = || Request::post("/orders").header("idempotency-key", "\"order-7\"");
    let body = Bytes::from_static(b"{\"id\": 7}");
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let first = gateway.ask(keyed(), body.clone()).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    gateway.ended(&id).await;
    inventory.next().await;
    gateway.stop(Duration::from_secs(10)).await;

    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let again = gateway.ask(keyed(), body).await;
    assert_eq!(again.status, 202, "{}", again.text());
    assert_eq!(again.json()["id"], id.as_str());
    assert_eq!(again.json()["state"], "delivered");
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["location"], first.headers["location"]);
    let other = gateway
        .ask(keyed(), Bytes::from_static(b"{\"id\": 8}"))
        .await;
    assert_eq!(other.status, 422, "{}", other.text());
    gateway.stop(Duration::from_secs(10)).await;
    assert!(inventory.is_quiet());
}
