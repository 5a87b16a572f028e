//! What waits: for a target that hangs, over a restart, for a target that is gone.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::gateway::{Gateway, config, folder, smallest};
use crate::sink::Sink;

#[tokio::test]
async fn what_a_stop_breaks_off_is_done_after_the_next_start() {
    let folder = folder();
    let (mut inventory, shipping) = (Sink::start(None).await, Sink::start(Some(200)).await);
    let sections = smallest(&inventory, &shipping);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway.send("/orders", "{}").await;
    let broken_off = inventory.next().await;
    gateway.stop(Duration::ZERO).await;

    inventory.answer_with(200);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    let again = inventory.next().await;
    let key = |sent: &crate::sink::Sent| sent.header("idempotency-key").to_owned();
    assert_eq!(key(&broken_off), key(&again));
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_is_in_flight_comes_home_within_the_limit_of_a_stop() {
    let folder = folder();
    let (mut inventory, shipping) = (Sink::start(None).await, Sink::start(Some(200)).await);
    let sections = smallest(&inventory, &shipping);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway.send("/orders", "{}").await;
    inventory.next().await;
    gateway.begin_stop(Duration::from_secs(60)).await;
    inventory.answer_with(200);
    gateway.stop(Duration::from_secs(60)).await;

    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    assert!(inventory.is_quiet(), "it was sent once");
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_target_that_hangs_costs_its_neighbour_nothing_and_catches_up() {
    const MESSAGES: usize = 40;
    let folder = folder();
    let (mut inventory, mut shipping) = (Sink::start(None).await, Sink::start(Some(200)).await);
    let sections = smallest(&inventory, &shipping);
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    // More than a lane's window of 16 MiB holds.
    let mut ids = Vec::new();
    for number in 0..MESSAGES {
        let body = Bytes::from(number.to_string().repeat(400_000));
        ids.push(gateway.send("/orders", body).await);
        shipping.next().await;
    }
    let all_wait = |list: &Value| {
        let [inventory, shipping] = [0, 1].map(|index| &list["targets"][index]);
        inventory["pending"] == MESSAGES && shipping["pending"] == 0
    };
    gateway.admin_until("/api/v1/targets", all_wait).await;

    inventory.answer_with(200);
    for id in &ids {
        assert_eq!(gateway.ended(id).await["state"], "delivered");
    }
    let mut delivered = Vec::new();
    for _ in 0..MESSAGES {
        delivered.push(inventory.next().await.header("fanway-message").to_owned());
    }
    delivered.sort_unstable();
    assert_eq!(delivered, ids, "each once: ids are in the order of time");
    assert!(inventory.is_quiet() && shipping.is_quiet());
    gateway.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_target_that_the_config_no_longer_has_is_noted_and_waited_for() {
    let folder = folder();
    let (mut inventory, shipping) = (Sink::start(None).await, Sink::start(Some(200)).await);
    let both = smallest(&inventory, &shipping);
    let gateway = Gateway::start(config(folder.path(), &both)).await;
    let id = gateway.send("/orders", "{}").await;
    inventory.next().await;
    gateway.stop(Duration::ZERO).await;

    let one = format!(
        "targets: {{ shipping: {{ url: 'http://{}' }} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [shipping] }} }}\n",
        shipping.address
    );
    let gateway = Gateway::start(config(folder.path(), &one)).await;
    let ready = gateway.admin("/readyz").await;
    assert_eq!(ready.status, 200);
    let notes = ready.json()["notes"].to_string();
    assert!(notes.contains("`inventory`"), "{notes}");
    let message = gateway
        .admin(&format!("/api/v1/messages/{id}"))
        .await
        .json();
    assert_eq!(message["deliveries"][0]["held_by"], "target");
    gateway.stop(Duration::from_secs(10)).await;

    inventory.answer_with(200);
    let gateway = Gateway::start(config(folder.path(), &both)).await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    gateway.stop(Duration::from_secs(10)).await;
}
