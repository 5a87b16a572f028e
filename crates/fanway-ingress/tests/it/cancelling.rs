//! Calling messages off.

use fanway_ingress::problem::Kind;
use fanway_store::Error;
use fanway_store::change::CancelError;
use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{DeliveryId, DeliveryState, MessageId, MessageState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateway::{Gateway, NOW, Pipes, request};

fn id() -> MessageId {
    MessageId::first_at(NOW)
}

/// A message with one delivery for each state.
pub(crate) fn message(deliveries: &[DeliveryState]) -> MessageView {
    let state = MessageState::of(deliveries.iter().map(|state| (*state, true)));
    let view = |(step, state): (u16, &DeliveryState)| DeliveryView {
        id: DeliveryId::first(id(), step),
        step: format!("step_{step}").parse().expect("a name"),
        target: "stock".parse().expect("a name"),
        fallback_of: None,
        critical: true,
        state: *state,
        in_line: false,
        attempts: 0,
        status: None,
        at: None,
        due: None,
        reason: None,
        detail: None,
    };
    MessageView {
        id: id(),
        route: "orders".parse().expect("a name"),
        state,
        ended_at: state.has_ended().then_some(NOW),
        deliveries: (0..).zip(deliveries).map(view).collect(),
    }
}

fn shown(deliveries: &[DeliveryState]) -> Found {
    Found::Message(message(deliveries))
}

fn cancel() -> Vec<u8> {
    request(&format!("DELETE /fanway/messages/{}", id()), &[], "")
}

#[tokio::test]
async fn a_message_that_is_called_off_is_shown() {
    let gateway = Gateway::start().await;
    let ended = shown(&[DeliveryState::Delivered, DeliveryState::Cancelled]);
    gateway.store.show(id(), ended);
    let answer = gateway.exchange(cancel()).await;
    let start = "HTTP/1.1 200 OK\ncontent-type: application/json\ncache-control: no-store\n";
    assert!(answer.starts_with(start), "{answer}");
    assert!(answer.contains(r#""state":"cancelled""#), "{answer}");
    let cancelled = gateway.store.cancelled.lock().expect("nobody panics");
    assert_eq!(*cancelled, [(id(), None)], "no operator did it");
}

/// Calls a message off that has an attempt in flight, over a pipe, in virtual time; returns the
/// answer and after how many milliseconds it came.
async fn waited(then: impl AsyncFnOnce(&Pipes)) -> (String, u128) {
    let pipes = Pipes::new(|_| {});
    pipes.store.show(id(), shown(&[DeliveryState::Pending]));
    let started = tokio::time::Instant::now();
    let mut stream = pipes.connect(1 << 16);
    stream.write_all(&cancel()).await.expect("it is open");
    then(&pipes).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    (answer, started.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn attempts_in_flight_are_waited_for_a_little() {
    let (answer, took) = waited(async |_| {}).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(answer.contains(r#""state":"pending""#), "{answer}");
    assert_eq!(took, 1000);
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_in_flight_decides_is_shown() {
    let (answer, took) = waited(async |pipes| {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        pipes.store.show(id(), shown(&[DeliveryState::Delivered]));
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(r#""state":"delivered""#), "{answer}");
    assert_eq!(took, 300);
}

#[tokio::test]
async fn to_call_off_again_changes_nothing() {
    let gateway = Gateway::start().await;
    gateway.store.refuse_to_cancel(CancelError::Ended(id()));
    for others in [DeliveryState::Delivered, DeliveryState::Dead] {
        gateway
            .store
            .show(id(), shown(&[others, DeliveryState::Cancelled]));
        let answer = gateway.exchange(cancel()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\n"), "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_called_off_says_why() {
    let gateway = Gateway::start().await;
    let check = async |error: CancelError, found: Found, kind: Kind, more: &str| {
        gateway.store.refuse_to_cancel(error);
        gateway.store.show(id(), found);
        let answer = gateway.exchange(cancel()).await;
        crate::refusing::check(&gateway, &answer, kind);
        assert!(answer.contains(more), "{answer}");
    };
    let delivered = || shown(&[DeliveryState::Delivered, DeliveryState::Skipped]);
    let ended = CancelError::Ended(id());
    check(ended, delivered(), Kind::MessageEnded, "it is delivered").await;
    let unknown = || CancelError::NotFound(id());
    check(unknown(), Found::Unknown, Kind::MessageUnknown, "").await;
    check(unknown(), Found::Expired, Kind::MessageExpired, "").await;
    check(unknown(), delivered(), Kind::MessageUnknown, "").await;
    let full = CancelError::Full;
    check(full, delivered(), Kind::StoreFull, "\nretry-after: 5\n").await;
    let closed = CancelError::Store(Error::Closed);
    check(closed, delivered(), Kind::StoreUnavailable, "").await;
    let no_id = request("DELETE /fanway/messages/msg_1", &[], "");
    let answer = gateway.exchange(no_id).await;
    crate::refusing::check(&gateway, &answer, Kind::MessageUnknown);
}

#[tokio::test]
async fn each_path_lists_its_methods() {
    let gateway = Gateway::start().await;
    let message = format!("/fanway/messages/{}", id());
    for (start, allowed) in [
        (format!("POST {message}"), "DELETE, GET, HEAD"),
        (format!("POST {message}/events"), "GET"),
        (format!("HEAD {message}/events"), "GET"),
        (format!("DELETE {message}/events"), "GET"),
        (
            "DELETE /fanway/problems/body_broken".to_owned(),
            "GET, HEAD",
        ),
    ] {
        let answer = gateway.exchange(request(&start, &[], "")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{start}: {answer}");
        let allow = format!("\nallow: {allowed}\n");
        assert!(answer.contains(&allow), "{start}: {answer}");
    }
}
