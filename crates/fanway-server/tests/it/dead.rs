//! Dead letters, from their death to their redrive.

use std::time::Duration;

use crate::gateway::{Gateway, config, folder, smallest};
use crate::sink::Sink;

#[tokio::test]
async fn a_refused_delivery_is_a_dead_letter_that_can_be_redriven() {
    let folder = folder();
    let (mut inventory, shipping) = (Sink::start(Some(422)).await, Sink::start(Some(200)).await);
    let gateway = Gateway::start(config(folder.path(), &smallest(&inventory, &shipping))).await;
    let id = gateway.send("/orders", r#"{"id": 7}"#).await;
    assert_eq!(gateway.ended(&id).await["state"], "failed");

    let letter = gateway.dead_letter().await;
    assert_eq!(letter["target"], "inventory");
    assert_eq!(letter["last_status"], 422);
    let dead = letter["id"].as_str().expect("an id");
    let shown = gateway.admin(&format!("/api/v1/dead/{dead}")).await.json();
    assert_eq!(shown["request"]["body"]["text"], r#"{"id": 7}"#);

    inventory.answer_with(200);
    let redriven = gateway
        .command(&format!("/api/v1/dead/{dead}/redrive"), "")
        .await;
    assert_eq!(redriven.status, 202, "{}", redriven.text());
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    let (first, second) = (inventory.next().await, inventory.next().await);
    assert_eq!(first.body, second.body);
    // A target that has done its work after all knows it by its key.
    assert_eq!(
        first.header("idempotency-key"),
        second.header("idempotency-key")
    );

    let list = gateway.admin("/api/v1/dead").await.json();
    assert_eq!(list["dead"], serde_json::json!([]));
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_discarded_letter_leaves_the_list_and_stays_dead() {
    let folder = folder();
    let (inventory, shipping) = (Sink::start(Some(200)).await, Sink::start(Some(400)).await);
    let gateway = Gateway::start(config(folder.path(), &smallest(&inventory, &shipping))).await;
    let id = gateway.send("/orders", "{}").await;
    assert_eq!(gateway.ended(&id).await["state"], "failed");
    let letter = gateway.dead_letter().await;
    let dead = letter["id"].as_str().expect("an id");

    let path = format!("/api/v1/dead/{dead}/discard");
    let discarded = gateway.command(&path, r#"{"reason": "a test"}"#).await;
    assert_eq!(discarded.status, 204, "{}", discarded.text());
    let list = gateway.admin("/api/v1/dead").await.json();
    assert_eq!(list["dead"], serde_json::json!([]));
    assert_eq!(gateway.ended(&id).await["state"], "failed");
    gateway.stop(Duration::from_secs(10)).await;
}
