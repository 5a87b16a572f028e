//! What senders are told of their messages.

use std::sync::Arc;
use std::time::Duration;

use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{DeadReason, DeliveryId, DeliveryState, HeldBy, MessageId, MessageState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateway::{Gateway, NOW, door, request};

pub(crate) fn id() -> MessageId {
    MessageId::first_at(NOW)
}

fn delivery(step: u16, target: &str, state: DeliveryState) -> DeliveryView {
    DeliveryView {
        id: DeliveryId::first(id(), step),
        step: target.parse().expect("a name"),
        target: target.parse().expect("a name"),
        fallback_of: None,
        critical: true,
        state,
        in_line: false,
        attempts: 0,
        status: None,
        at: None,
        due: None,
        reason: None,
        detail: None,
    }
}

pub(crate) fn message(state: MessageState) -> MessageView {
    let later = NOW.saturating_add(Duration::from_millis(2500));
    let retrying = DeliveryView {
        attempts: 2,
        status: Some(503),
        at: Some(NOW),
        due: Some(later),
        detail: Some("secret detail".into()),
        ..delivery(0, "stock", DeliveryState::Retrying)
    };
    let dead = DeliveryView {
        attempts: 1,
        status: Some(422),
        at: Some(NOW),
        reason: Some(DeadReason::Refused),
        detail: Some("secret detail".into()),
        ..delivery(2, "invoices", DeliveryState::Dead)
    };
    MessageView {
        id: id(),
        route: "orders".parse().expect("a name"),
        state,
        ended_at: state.has_ended().then_some(later),
        deliveries: vec![
            retrying,
            delivery(1, "shipping", DeliveryState::Pending),
            dead,
        ],
    }
}

/// A question with `query`; the connection is closed after the answer.
pub(crate) fn ask(query: &str) -> Vec<u8> {
    request(&format!("GET /fanway/messages/{}{query}", id()), &[], "")
}

#[tokio::test]
async fn a_message_is_shown_with_its_deliveries() {
    let gateway = Gateway::start_with(|params| {
        params.table.held = Arc::new(|_| Some(HeldBy::Breaker));
    })
    .await;
    gateway
        .store
        .show(id(), Found::Message(message(MessageState::Pending)));
    let answer = gateway.exchange(ask("")).await;
    let (head, body) = answer.split_once("\n\n").expect("a body");
    insta::assert_snapshot!(head, @"
    HTTP/1.1 200 OK
    content-type: application/json
    cache-control: no-store
    retry-after: 1
    connection: close
    content-length: 762
    ");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).expect("JSON"), @r#"
    {
      "id": "msg_01hf7yat3v0000000000000000",
      "route": "orders",
      "state": "pending",
      "received_at": "2023-11-14T22:13:20.123Z",
      "ended_at": null,
      "deliveries": [
        {
          "id": "dlv_01hf7yat3v0000000000000000_0",
          "step": "stock",
          "target": "stock",
          "state": "retrying",
          "held_by": "schedule",
          "attempts": 2,
          "last_status": 503,
          "last_at": "2023-11-14T22:13:20.123Z",
          "next_attempt_at": "2023-11-14T22:13:22.623Z"
        },
        {
          "id": "dlv_01hf7yat3v0000000000000000_1",
          "step": "shipping",
          "target": "shipping",
          "state": "pending",
          "held_by": "breaker",
          "attempts": 0,
          "last_status": null,
          "last_at": null,
          "next_attempt_at": null
        },
        {
          "id": "dlv_01hf7yat3v0000000000000000_2",
          "step": "invoices",
          "target": "invoices",
          "state": "dead",
          "held_by": null,
          "attempts": 1,
          "last_status": 422,
          "last_at": "2023-11-14T22:13:20.123Z",
          "next_attempt_at": null
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_message_that_has_ended_needs_no_further_question() {
    let gateway = Gateway::start().await;
    gateway
        .store
        .show(id(), Found::Message(message(MessageState::Failed)));
    let answer = gateway.exchange(ask("?wait=60s")).await;
    assert!(answer.contains(r#""state":"failed""#), "{answer}");
    assert!(!answer.contains("retry-after"), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_shown_says_why() {
    let gateway = Gateway::start().await;
    let check = async |start: &str, status: &str, code: &str| {
        let answer = gateway.exchange(request(start, &[], "")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(
            answer.contains(&format!("/fanway/problems/{code}\"")),
            "{answer}"
        );
    };
    let path = format!("/fanway/messages/{}", id());
    check(&format!("GET {path}"), "404", "message_unknown").await;
    check("GET /fanway/messages/msg_1", "404", "message_unknown").await;
    check("GET /fanway/messages/", "404", "message_unknown").await;
    check(&format!("GET {path}/events"), "404", "message_unknown").await;
    check(&format!("POST {path}"), "405", "method_not_allowed").await;
    check(&format!("GET {path}?wait=soon"), "400", "wait_malformed").await;
    gateway.store.show(id(), Found::Expired);
    check(&format!("GET {path}"), "410", "message_expired").await;
}

#[tokio::test]
async fn head_gets_the_same_without_the_body() {
    let gateway = Gateway::start().await;
    gateway
        .store
        .show(id(), Found::Message(message(MessageState::Pending)));
    let answer = gateway
        .exchange(request(&format!("HEAD /fanway/messages/{}", id()), &[], ""))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\n"), "{answer}");
    assert!(answer.ends_with("\n\n"), "{answer}");
}

/// Asks with `?wait=10s` over a pipe, in virtual time; returns the answer and how long it took.
async fn waited(
    then: impl AsyncFnOnce(&crate::scripted_store::ScriptedStore),
) -> (String, Duration) {
    let (door, store) = door(|_| {});
    store.show(id(), Found::Message(message(MessageState::Pending)));
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let started = tokio::time::Instant::now();
    let serving = tokio::spawn(async move { door.serve(far).await });
    near.write_all(&ask("?wait=10s")).await.expect("it is open");
    then(&store).await;
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.expect("text");
    serving.await.expect("it ends");
    (answer, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_its_time_is_over() {
    let (answer, took) = waited(async |_| {}).await;
    assert!(answer.contains(r#""state":"pending""#), "{answer}");
    assert_eq!(took.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_message_does() {
    let (answer, took) = waited(async |store| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        store.show(id(), Found::Message(message(MessageState::Pending)));
        tokio::time::sleep(Duration::from_secs(1)).await;
        store.show(id(), Found::Message(message(MessageState::Delivered)));
    })
    .await;
    assert!(
        answer.contains(r#""state":"delivered","received_at""#),
        "{answer}"
    );
    assert_eq!(took.as_secs(), 2);
}

#[tokio::test]
async fn those_who_wait_are_answered_when_the_door_closes() {
    let gateway = Gateway::start().await;
    gateway
        .store
        .show(id(), Found::Message(message(MessageState::Pending)));
    let mut stream = gateway.connect().await;
    stream
        .write_all(&ask("?wait=60s"))
        .await
        .expect("it is open");
    while gateway.store.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    gateway.stop.send(()).expect("it runs");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    assert!(answer.contains(r#""state":"pending""#), "{answer}");
    gateway.running.await.expect("it ends");
}
