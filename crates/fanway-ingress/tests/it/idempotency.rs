//! Requests that come twice, and those that say so.

use std::time::Duration;

use fanway_ingress::problem::Kind;
use fanway_ingress::{Idempotency, Params};
use fanway_store::accept;
use fanway_store::lookup::{Found, MessageView};
use fanway_types::{Fingerprint, IdempotencyKey, KeyScope, MessageId, MessageState};
use tokio::io::AsyncWriteExt;

use crate::gateway::{Gateway, NOW, read_until, request};
use crate::refusing::check;

const KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

/// `POST /orders` requires a key, and keeps it for a minute.
fn required(params: &mut Params) {
    params.table.routes[0].idempotency = Idempotency {
        required: true,
        keep: Duration::from_secs(60),
    };
}

fn with_key(key: &str, body: &str) -> Vec<u8> {
    request("POST /orders?a=b", &[("Idempotency-Key", key)], body)
}

/// A message that was accepted before, in a state.
fn shown(state: MessageState) -> MessageView {
    MessageView {
        id: MessageId::first_at(NOW),
        route: "orders".parse().expect("a name"),
        state,
        ended_at: state.has_ended().then_some(NOW),
        deliveries: Vec::new(),
    }
}

fn repeated() -> accept::Error {
    accept::Error::Repeated {
        accepted: MessageId::first_at(NOW),
    }
}

#[tokio::test]
async fn a_key_is_kept_with_the_message_and_not_among_its_headers() {
    let gateway = Gateway::start_with(required).await;
    for sent in [KEY.to_owned(), format!("\"{KEY}\"")] {
        gateway.exchange(with_key(&sent, "{}")).await;
        let accepted = gateway.store.take_accepted();
        let expected = IdempotencyKey {
            scope: KeyScope::Route("orders".parse().expect("a name")),
            text: KEY.into(),
            fingerprint: Fingerprint::of("POST", "/orders", Some("a=b"), b"{}"),
            until: NOW.saturating_add(Duration::from_secs(60)),
        };
        assert_eq!(accepted[0].terms.key.as_ref(), Some(&expected), "{sent}");
        assert_eq!(accepted[0].request.headers.iter().count(), 0, "{sent}");
    }
}

#[tokio::test]
async fn a_large_body_has_the_fingerprint_of_all_of_it() {
    let gateway = Gateway::start().await;
    let large = "x".repeat(1 << 20);
    gateway.exchange(with_key(KEY, &large)).await;
    let accepted = gateway.store.take_accepted();
    let key = accepted[0].terms.key.as_ref().expect("one was sent");
    let expected = Fingerprint::of("POST", "/orders", Some("a=b"), large.as_bytes());
    assert_eq!(key.fingerprint, expected);
}

#[tokio::test]
async fn a_key_that_is_missing_or_malformed_is_refused_before_the_body() {
    let gateway = Gateway::start_with(required).await;
    // The body never comes.
    let head = |key: &str| {
        format!(
            "POST /orders HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\n{key}content-length: 9\r\n\r\n"
        )
    };
    let answer = gateway.exchange(head("")).await;
    check(&gateway, &answer, Kind::IdempotencyKeyMissing);
    let twice = format!("idempotency-key: {KEY}\r\n").repeat(2);
    let answer = gateway.exchange(head(&twice)).await;
    check(&gateway, &answer, Kind::IdempotencyKeyMalformed);
    assert!(answer.contains("there is more than one"), "{answer}");
    let answer = gateway.exchange(head("idempotency-key: a b\r\n")).await;
    check(&gateway, &answer, Kind::IdempotencyKeyMalformed);
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_its_message_stands_now() {
    let gateway = Gateway::start().await;
    gateway.store.refuse(repeated());
    let id = MessageId::first_at(NOW);
    let shown = Found::Message(shown(MessageState::Delivered));
    gateway.store.show(id, shown);
    let answer = gateway.exchange(with_key(KEY, "{}")).await;
    insta::assert_snapshot!(answer, @r#"
    HTTP/1.1 202 Accepted
    location: /fanway/messages/msg_01hf7yat3v0000000000000000
    content-type: application/json
    idempotent-replayed: true
    connection: close
    content-length: 118

    {"id":"msg_01hf7yat3v0000000000000000","state":"delivered","status":"/fanway/messages/msg_01hf7yat3v0000000000000000"}
    "#);
    let metrics = gateway.metrics();
    for line in [
        r#"fanway_ingress_accepted_total{route="orders"} 0"#,
        r#"fanway_ingress_replayed_total{route="orders"} 1"#,
        r#"fanway_ingress_accept_seconds_count{route="orders"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing in:\n{metrics}");
    }
}

#[tokio::test]
async fn a_repeated_request_whose_message_is_pending_may_ask_again() {
    let gateway = Gateway::start().await;
    gateway.store.refuse(repeated());
    let shown = Found::Message(shown(MessageState::Pending));
    gateway.store.show(MessageId::first_at(NOW), shown);
    let answer = gateway.exchange(with_key(KEY, "{}")).await;
    assert!(answer.contains(r#""state":"pending""#), "{answer}");
    assert!(answer.contains("\nretry-after: 1\n"), "{answer}");
}

#[tokio::test]
async fn a_repeated_request_whose_message_is_no_longer_kept_says_so() {
    let gateway = Gateway::start().await;
    gateway.store.refuse(repeated());
    for found in [Found::Unknown, Found::Expired] {
        gateway.store.show(MessageId::first_at(NOW), found);
        let answer = gateway.exchange(with_key(KEY, "{}")).await;
        assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
        assert!(answer.contains("\nidempotent-replayed: true\n"), "{answer}");
        assert!(answer.contains(r#""state":"expired""#), "{answer}");
    }
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let gateway = Gateway::start().await;
    gateway.store.refuse(accept::Error::KeyTaken);
    let answer = gateway.exchange(with_key(KEY, "{}")).await;
    check(&gateway, &answer, Kind::IdempotencyKeyReused);
}

#[tokio::test]
async fn of_equal_requests_at_once_one_is_accepted() {
    let gateway = Gateway::start().await;
    gateway.store.disk.forget_permits(usize::MAX);
    let mut first = gateway.connect().await;
    let sent = first.write_all(&with_key(KEY, "{}")).await;
    sent.expect("it is open");
    let mut asked = gateway.store.asked.subscribe();
    let all = asked.wait_for(|asked| *asked == 1).await;
    all.expect("the store lives");
    let id = gateway.store.take_accepted()[0].id;

    // The first isn't durable yet: what a store says of the second.
    gateway.store.refuse(accept::Error::KeyBusy);
    let answer = gateway.exchange(with_key(KEY, "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 409 Conflict\n"), "{answer}");
    assert!(answer.contains("/idempotency_key_busy\""), "{answer}");
    assert!(answer.contains("\nretry-after: 1\n"), "{answer}");

    gateway.store.disk.add_permits(1);
    let answer = read_until(&mut first, "\"}").await;
    let location = format!("\nlocation: /fanway/messages/{id}\n");
    assert!(answer.contains(&location), "{answer}");

    gateway
        .store
        .refuse(accept::Error::Repeated { accepted: id });
    let pending = MessageView {
        id,
        ..shown(MessageState::Pending)
    };
    gateway.store.show(id, Found::Message(pending));
    let answer = gateway.exchange(with_key(KEY, "{}")).await;
    assert!(answer.contains(&location), "{answer}");
    assert_eq!(gateway.store.take_accepted().len(), 0);
}
