//! A message's events as a stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_store::lookup::Found;
use fanway_types::{DeliveryState, HeldBy, MessageId};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use crate::cancelling::message;
use crate::gateway::{Gateway, NOW, Pipes, read_until, request};

pub(crate) const PENDING: DeliveryState = DeliveryState::Pending;
pub(crate) const RETRYING: DeliveryState = DeliveryState::Retrying;
pub(crate) const DELIVERED: DeliveryState = DeliveryState::Delivered;

/// As much as a connection may need.
pub(crate) const AMPLE: usize = 1 << 16;

pub(crate) fn id() -> MessageId {
    MessageId::first_at(NOW)
}

pub(crate) fn path() -> String {
    format!("/fanway/messages/{}/events", id())
}

impl Pipes {
    /// The message stands like this from now on.
    pub(crate) fn show(&self, deliveries: &[DeliveryState]) {
        self.store.show(id(), Found::Message(message(deliveries)));
    }

    /// A connection that holds `buffer` bytes each way, and that has asked for the events.
    async fn follow(&self, buffer: usize, headers: &[(&str, &str)]) -> DuplexStream {
        let mut stream = self.connect(buffer);
        // What the buffer can't hold yet goes in as it is read.
        let asked = request(&format!("GET {}", path()), headers, "");
        stream.write_all(&asked).await.expect("it is open");
        stream
    }

    /// Whether so many places are taken.
    fn has_followers(&self, count: usize) -> bool {
        let line = format!("fanway_ingress_followers {count}\n");
        self.metrics().contains(&line)
    }

    /// So many places are taken.
    #[track_caller]
    pub(crate) fn check_followers(&self, count: usize) {
        assert!(self.has_followers(count), "{}", self.metrics());
    }

    /// Waits until so many places are taken.
    pub(crate) async fn wait_for_followers(&self, count: usize) {
        while !self.has_followers(count) {
            tokio::task::yield_now().await;
        }
    }
}

/// All that comes until the gateway closes.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    text
}

/// The id of the event in a stream, of which there is one.
fn event_id(stream: &str) -> String {
    let ids: Vec<_> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    assert_eq!(ids.len(), 1, "{stream}");
    ids[0].to_owned()
}

/// The states of the deliveries of each event in a stream.
fn states(stream: &str) -> Vec<Vec<String>> {
    let documents = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    documents.map(states_of).collect()
}

/// The states of a document's deliveries.
pub(crate) fn states_of(document: &str) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
    let deliveries = document["deliveries"].as_array().expect("a list").iter();
    deliveries
        .map(|delivery| delivery["state"].as_str().expect("a word").to_owned())
        .collect()
}

#[tokio::test]
async fn the_present_state_comes_first_then_each_change_until_the_end() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut stream = pipes.follow(AMPLE, &[]).await;
    let first = read_until(&mut stream, "}\n\n").await;
    insta::assert_snapshot!(first, @r#"
    HTTP/1.1 200 OK
    content-type: text/event-stream
    cache-control: no-store
    x-accel-buffering: no
    connection: close
    transfer-encoding: chunked

    170
    event: message
    id: 233ba00589203985
    data: {"id":"msg_01hf7yat3v0000000000000000","route":"orders","state":"pending","received_at":"2023-11-14T22:13:20.123Z","ended_at":null,"deliveries":[{"id":"dlv_01hf7yat3v0000000000000000_0","step":"step_0","target":"stock","state":"pending","held_by":null,"attempts":0,"last_status":null,"last_at":null,"next_attempt_at":null}]}
    "#);
    pipes.show(&[RETRYING]);
    let second = read_until(&mut stream, "}\n\n").await;
    assert_eq!(states(&second), [["retrying"]]);
    pipes.show(&[DELIVERED]);
    let last = rest(&mut stream).await;
    assert_eq!(states(&last), [["delivered"]]);
    assert!(last.ends_with("\r\n0\r\n\r\n"), "{last}");
    pipes.wait_for_followers(0).await;
}

#[tokio::test]
async fn the_connection_goes_on_when_the_message_has_ended() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[DELIVERED]);
    let mut stream = pipes.connect(AMPLE);
    let asked = format!("GET {} HTTP/1.1\r\nhost: a\r\n\r\n", path());
    stream
        .write_all(asked.as_bytes())
        .await
        .expect("it is open");
    let events = read_until(&mut stream, "\r\n0\r\n\r\n").await;
    assert_eq!(states(&events), [["delivered"]]);
    let sent = request("POST /orders", &[], "{}");
    stream.write_all(&sent).await.expect("it is open");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_told_is_not_told_again() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut stream = pipes.follow(AMPLE, &[]).await;
    let told = event_id(&read_until(&mut stream, "}\n\n").await);
    drop(stream);
    let header = [("Last-Event-ID", told.as_str())];
    let mut stream = pipes.follow(AMPLE, &header).await;
    let quiet = read_until(&mut stream, ": still here\n").await;
    assert_eq!(states(&quiet).len(), 0, "{quiet}");
    pipes.show(&[DELIVERED]);
    assert_eq!(states(&rest(&mut stream).await), [["delivered"]]);

    // An end that was told already: a browser that gets 204 doesn't come again.
    let mut ended = pipes.follow(AMPLE, &header).await;
    let told = event_id(&rest(&mut ended).await);
    let header = [("Last-Event-ID", told.as_str())];
    let answer = rest(&mut pipes.follow(AMPLE, &header).await).await;
    assert!(
        answer.starts_with("HTTP/1.1 204 No Content\r\n"),
        "{answer}"
    );
    let mut stream = pipes.connect(AMPLE);
    let query = format!("GET {}?last_event_id={told}", path());
    let sent = request(&query, &[], "");
    stream.write_all(&sent).await.expect("it is open");
    let answer = rest(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 204 No Content\r\n"),
        "{answer}"
    );
    pipes.wait_for_followers(0).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_change_the_document_is_no_event() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut stream = pipes.follow(AMPLE, &[]).await;
    read_until(&mut stream, "}\n\n").await;
    for looked_up in 2..5 {
        pipes.store.wake();
        let mut looks = pipes.store.looked_up.subscribe();
        let looked = looks.wait_for(|looks| *looks == looked_up).await;
        looked.expect("the store lives");
    }
    pipes.show(&[DELIVERED]);
    assert_eq!(states(&rest(&mut stream).await), [["delivered"]]);
}

#[tokio::test]
async fn a_message_that_is_not_there_has_no_events() {
    let gateway = Gateway::start().await;
    let check = async |path: &str, status: &str, code: &str| {
        let answer = gateway
            .exchange(request(&format!("GET {path}"), &[], ""))
            .await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&start), "{answer}");
        assert!(answer.contains(&format!("/{code}\"")), "{answer}");
    };
    check(&path(), "404", "message_unknown").await;
    let no_id = "/fanway/messages/msg_1/events";
    check(no_id, "404", "message_unknown").await;
    gateway.store.show(id(), Found::Expired);
    check(&path(), "410", "message_expired").await;
}

#[tokio::test(start_paused = true)]
async fn one_who_hears_nothing_for_long_is_kept() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut stream = pipes.follow(AMPLE, &[]).await;
    let started = Instant::now();
    let mut heard = String::new();
    while started.elapsed() < Duration::from_secs(599) {
        heard += &read_until(&mut stream, "\n\n").await;
    }
    assert_eq!(heard.matches(": still here\n\n").count(), 40, "{heard}");
    pipes.show(&[DELIVERED]);
    assert_eq!(states(&rest(&mut stream).await), [["delivered"]]);
}

#[tokio::test(start_paused = true)]
async fn one_who_reads_a_byte_a_second_is_let_go_and_others_are_not() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut other = pipes.follow(AMPLE, &[]).await;
    read_until(&mut other, "}\n\n").await;
    let started = Instant::now();
    let mut slow = pipes.follow(256, &[]).await;
    let mut read = 0;
    let drained = loop {
        let length = slow.read(&mut [0; 1]).await.expect("no reset");
        read += length;
        if length == 0 {
            break started.elapsed();
        }
        // When it is let go only what was on the way is left to be read.
        if started.elapsed() == Duration::from_secs(31) {
            pipes.check_followers(1);
        }
        sleep(Duration::from_secs(1)).await;
    };
    assert!(drained.as_secs() >= 30 && read < 300, "{drained:?} {read}");
    pipes.show(&[DELIVERED]);
    let told = rest(&mut other).await;
    assert_eq!(states(&told).last().expect("an event"), &["delivered"]);
}

#[tokio::test(start_paused = true)]
async fn one_who_is_slow_costs_no_look_ups_and_sees_where_the_message_stands_then() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING, PENDING]);
    let mut slow = pipes.follow(256, &[]).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(*pipes.store.looked_up.borrow(), 1);
    pipes.show(&[RETRYING, PENDING]);
    sleep(Duration::from_secs(1)).await;
    pipes.show(&[DELIVERED, PENDING]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(*pipes.store.looked_up.borrow(), 1, "the first isn't taken");
    pipes.show(&[DELIVERED, DELIVERED]);
    let told = rest(&mut slow).await;
    let expected = [["pending", "pending"], ["delivered", "delivered"]];
    assert_eq!(states(&told.replace("\r\n", "")), expected, "{told}");
    assert_eq!(*pipes.store.looked_up.borrow(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_larger_than_a_buffer_comes_whole_or_is_broken_off() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&vec![PENDING; 300]);
    let mut stream = pipes.follow(4096, &[]).await;
    let event = read_until(&mut stream, "}]}\n\n").await;
    assert!(event.len() > 48 << 10, "{}", event.len());
    let mut slow = pipes.follow(4096, &[]).await;
    pipes.wait_for_followers(2).await;
    sleep(Duration::from_secs(31)).await;
    pipes.check_followers(1);
    // The connection is gone: only what was on the way is left to be read.
    let told = rest(&mut slow).await;
    assert!(told.len() <= 4096, "{}", told.len());
}

#[tokio::test]
async fn there_are_only_so_many_places() {
    let pipes = Pipes::new(|params| params.table.limits.followers = 1);
    pipes.show(&[PENDING]);
    let mut first = pipes.follow(AMPLE, &[]).await;
    read_until(&mut first, "}\n\n").await;
    let answer = rest(&mut pipes.follow(AMPLE, &[]).await).await;
    let start = "HTTP/1.1 503 Service Unavailable\r\n";
    assert!(answer.starts_with(start), "{answer}");
    assert!(answer.contains("/too_many_followers\""), "{answer}");
    assert!(answer.contains("\r\nretry-after: 5\r\n"), "{answer}");
    // Who goes away leaves a place.
    drop(first);
    pipes.wait_for_followers(0).await;
    let mut second = pipes.follow(AMPLE, &[]).await;
    read_until(&mut second, "}\n\n").await;
}

#[tokio::test]
async fn those_who_follow_are_told_when_the_door_closes() {
    let gateway = Gateway::start().await;
    let pending = Found::Message(message(&[PENDING]));
    gateway.store.show(id(), pending);
    let mut stream = gateway.connect().await;
    let asked = format!("GET {} HTTP/1.1\r\nhost: a\r\n\r\n", path());
    stream
        .write_all(asked.as_bytes())
        .await
        .expect("it is open");
    read_until(&mut stream, "}\n\n").await;
    gateway.stop.send(()).expect("it runs");
    let mut told = String::new();
    stream.read_to_string(&mut told).await.expect("text");
    let end = ": the gateway is stopping\n\n\r\n0\r\n\r\n";
    assert!(told.ends_with(end), "{told}");
    gateway.running.await.expect("it ends");
}

#[tokio::test]
async fn what_holds_a_delivery_is_told_as_it_is_now() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut stream = pipes.follow(AMPLE, &[]).await;
    let first = read_until(&mut stream, "}\n\n").await;
    assert!(first.contains(r#""held_by":null"#), "{first}");
    let mut table = crate::gateway::table();
    table.held = Arc::new(|_| Some(HeldBy::Pause));
    let arranged = pipes.ingress.arrange(table).expect("it is as before");
    pipes.ingress.replace(arranged);
    pipes.store.wake();
    let second = read_until(&mut stream, "}\n\n").await;
    assert!(second.contains(r#""held_by":"pause""#), "{second}");
}

/// An HTTP/2 connection.
async fn connect_2(pipes: &Pipes) -> http2::SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(pipes.connect(AMPLE));
    let handshake = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(64)
        .handshake(io);
    let (sender, connection) = handshake.await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}

/// The events over HTTP/2.
async fn follow_2(sender: &mut http2::SendRequest<Empty<Bytes>>) -> Incoming {
    let asked = http::Request::get(format!("http://gateway{}", path())).body(Empty::new());
    let answer = sender.send_request(asked.expect("a request")).await;
    answer.expect("an answer").into_body()
}

#[tokio::test(start_paused = true)]
async fn over_http_2_one_who_is_slow_disturbs_nobody_on_the_same_connection() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut sender = connect_2(&pipes).await;
    // Its window of 64 bytes is never opened again.
    let mut slow = follow_2(&mut sender).await;
    pipes.wait_for_followers(1).await;
    sleep(Duration::from_secs(20)).await;
    let other = follow_2(&mut sender).await;
    let other = tokio::spawn(other.collect());
    pipes.wait_for_followers(2).await;
    sleep(Duration::from_secs(11)).await;
    pipes.check_followers(1);
    // Longer than a connection without requests is kept.
    sleep(Duration::from_secs(200)).await;
    pipes.show(&[DELIVERED]);
    let told = other.await.expect("no panic").expect("it isn't reset");
    let told = String::from_utf8(told.to_bytes().into()).expect("text");
    assert_eq!(states(&told), [["pending"], ["delivered"]]);
    // What was on its way is still there; the rest never comes.
    let broken_off = loop {
        match slow.frame().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(broken_off, Some(Err(_))), "{broken_off:?}");
}
