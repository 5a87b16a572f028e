//! A message's events over a WebSocket, as a stock client sees them.

use std::time::Duration;

use fanway_store::lookup::Found;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::cancelling::message;
use crate::events::{AMPLE, DELIVERED, PENDING, RETRYING, id, path, states_of};
use crate::gateway::{Gateway, Pipes, read_until};

/// A stock client on a connection, that has asked for the events.
async fn upgrade<I>(io: I, query: &str) -> Result<WebSocketStream<I>, Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let url = format!("ws://gateway{}{query}", path());
    client_async(url, io).await.map(|(socket, _)| socket)
}

async fn follow(pipes: &Pipes, buffer: usize) -> WebSocketStream<DuplexStream> {
    let followed = upgrade(pipes.connect(buffer), "").await;
    followed.expect("it is a WebSocket")
}

/// What comes next but pings: the states of a text, or a close frame's code and reason.
async fn next<I>(socket: &mut WebSocketStream<I>) -> String
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match socket
            .next()
            .await
            .expect("it isn't over")
            .expect("a frame")
        {
            Message::Text(document) => return states_of(&document).join(" "),
            Message::Close(Some(frame)) => return format!("{} {}", frame.code, frame.reason),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_present_state_comes_first_then_each_change_until_the_end() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut socket = follow(&pipes, AMPLE).await;
    assert_eq!(next(&mut socket).await, "pending");
    pipes.check_followers(1);
    pipes.show(&[RETRYING]);
    assert_eq!(next(&mut socket).await, "retrying");
    pipes.show(&[DELIVERED]);
    assert_eq!(next(&mut socket).await, "delivered");
    assert_eq!(next(&mut socket).await, "1000 the message has ended");
    assert!(socket.next().await.is_none(), "a proper end");
    pipes.wait_for_followers(0).await;
}

#[tokio::test]
async fn a_state_that_was_told_is_not_told_again() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut stream = pipes.connect(AMPLE);
    let asked = format!("GET {} HTTP/1.1\r\nhost: a\r\n\r\n", path());
    stream
        .write_all(asked.as_bytes())
        .await
        .expect("it is open");
    let events = read_until(&mut stream, "}\n\n").await;
    let told = events.lines().find_map(|line| line.strip_prefix("id: "));
    let query = format!("?last_event_id={}", told.expect("an id"));

    let socket = upgrade(pipes.connect(AMPLE), &query).await;
    let mut socket = socket.expect("it is a WebSocket");
    pipes.wait_for_followers(2).await;
    pipes.show(&[DELIVERED]);
    assert_eq!(next(&mut socket).await, "delivered");

    // An end that was told already is still an end.
    let events = read_until(&mut stream, "}\n\n").await;
    let told = events.lines().find_map(|line| line.strip_prefix("id: "));
    let query = format!("?last_event_id={}", told.expect("an id"));
    let socket = upgrade(pipes.connect(AMPLE), &query).await;
    let mut socket = socket.expect("it is a WebSocket");
    assert_eq!(next(&mut socket).await, "1000 the message has ended");
}

#[tokio::test(start_paused = true)]
async fn one_who_hears_nothing_for_long_is_kept() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut socket = follow(&pipes, AMPLE).await;
    assert_eq!(next(&mut socket).await, "pending");
    let started = Instant::now();
    for _ in 0..40 {
        // The client answers each as it is read on.
        let ping = socket.next().await.expect("it isn't over");
        assert!(matches!(ping, Ok(Message::Ping(_))), "{ping:?}");
    }
    assert_eq!(started.elapsed().as_secs(), 40 * 15);
    pipes.show(&[DELIVERED]);
    assert_eq!(next(&mut socket).await, "delivered");
}

#[tokio::test]
async fn pings_are_answered_and_texts_ignored() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut socket = follow(&pipes, AMPLE).await;
    assert_eq!(next(&mut socket).await, "pending");
    let text = Message::text("x".repeat(4096));
    socket.send(text).await.expect("it is open");
    let ping = Message::Ping("marco".into());
    socket.send(ping).await.expect("it is open");
    let answer = socket.next().await.expect("it isn't over");
    assert_eq!(answer.expect("a frame"), Message::Pong("marco".into()));
    socket.close(None).await.expect("it is open");
    let end = socket.next().await.expect("an answer");
    assert_eq!(end.expect("a frame"), Message::Close(None));
    assert!(socket.next().await.is_none(), "a proper end");
    pipes.wait_for_followers(0).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_is_small() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut socket = follow(&pipes, AMPLE).await;
    assert_eq!(next(&mut socket).await, "pending");
    let large = Message::text("x".repeat(4097));
    socket.send(large).await.expect("it is open");
    assert_eq!(next(&mut socket).await.trim_end(), "1009");
    pipes.wait_for_followers(0).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_is_complained_about() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut socket = follow(&pipes, AMPLE).await;
    assert_eq!(next(&mut socket).await, "pending");
    // A text of one byte, without the mask that a client owes.
    let raw = socket.get_mut();
    raw.write_all(&[0x81, 0x01, b'x'])
        .await
        .expect("it is open");
    assert_eq!(next(&mut socket).await.trim_end(), "1002");
    pipes.wait_for_followers(0).await;
}

#[tokio::test(start_paused = true)]
async fn answers_to_one_who_does_not_read_do_not_pile_up() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut socket = follow(&pipes, 4096).await;
    assert_eq!(next(&mut socket).await, "pending");
    // A ping of 125 zeros, behind a mask of zeros.
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[0; 125]].concat();
    let mut taken = 0;
    let raw = socket.get_mut();
    while timeout(Duration::from_secs(1), raw.write_all(&ping))
        .await
        .is_ok()
    {
        taken += ping.len();
        assert!(taken < 64 << 10, "more and more is read");
    }
    sleep(Duration::from_secs(33)).await;
    pipes.check_followers(0);
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_answer_pings_is_let_go() {
    let pipes = Pipes::new(|_| {});
    pipes.show(&[PENDING]);
    let mut socket = follow(&pipes, AMPLE).await;
    let mut other = follow(&pipes, AMPLE).await;
    let others = tokio::spawn(async move {
        let told = (next(&mut other).await, next(&mut other).await);
        (told, other)
    });
    // Pings at 15 and 30 s, and 2 s for the answer to the close frame.
    sleep(Duration::from_secs(44)).await;
    pipes.check_followers(2);
    sleep(Duration::from_secs(4)).await;
    pipes.check_followers(1);
    // The client would fail to answer the pings that it finds; so its bytes are looked at.
    let mut rest = Vec::new();
    let read = socket.get_mut().read_to_end(&mut rest).await;
    read.expect("no reset");
    let end = b"\x03\xf0an event was not taken in time";
    assert!(rest.ends_with(end), "{rest:?}");
    pipes.show(&[DELIVERED]);
    let (told, _other) = others.await.expect("it doesn't panic");
    assert_eq!(told, ("pending".to_owned(), "delivered".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn one_who_reads_a_byte_a_second_is_let_go() {
    let pipes = Pipes::new(|_| {});
    // The handshake may have read some of it.
    pipes.show(&[PENDING; 10]);
    let mut socket = follow(&pipes, 256).await;
    for _ in 0..29 {
        let read = socket.get_mut().read(&mut [0; 1]).await;
        assert_eq!(read.expect("it is open"), 1);
        sleep(Duration::from_secs(1)).await;
    }
    pipes.check_followers(1);
    sleep(Duration::from_secs(4)).await;
    pipes.check_followers(0);
    // Only what was on the way is left to be read.
    let mut rest = Vec::new();
    let read = socket.get_mut().read_to_end(&mut rest).await;
    read.expect("no reset");
    assert!(rest.len() <= 256, "{}", rest.len());
}

#[tokio::test]
async fn sockets_are_closed_with_the_door_and_count_as_connections_until_then() {
    let gateway = Gateway::start().await;
    let pending = Found::Message(message(&[PENDING]));
    gateway.store.show(id(), pending);
    let socket = upgrade(gateway.connect().await, "").await;
    let mut socket = socket.expect("it is a WebSocket");
    assert_eq!(next(&mut socket).await, "pending");
    let metrics = gateway.metrics();
    assert!(
        metrics.contains("fanway_ingress_connections 1\n"),
        "{metrics}"
    );
    gateway.stop.send(()).expect("it runs");
    assert_eq!(next(&mut socket).await, "1001 the gateway is stopping");
    assert!(socket.next().await.is_none(), "a proper end");
    gateway.running.await.expect("it ends");
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let gateway = Gateway::start().await;
    let pending = Found::Message(message(&[PENDING]));
    gateway.store.show(id(), pending);
    let check = async |version: &str, headers: &str, expected: &str| {
        let asked = format!(
            "GET {} HTTP/{version}\r\nhost: a\r\nconnection: close, Upgrade\r\nupgrade: WebSocket\r\n{headers}\r\n",
            path()
        );
        let mut stream = gateway.connect().await;
        stream
            .write_all(asked.as_bytes())
            .await
            .expect("it is open");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("it is open"));
        }
        let answer = String::from_utf8(answer).expect("a head is text");
        assert!(answer.starts_with(expected), "{headers}: {answer}");
        answer
    };
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "sec-websocket-version: 13\r\n";
    let refused = "HTTP/1.1 400 Bad Request\r\n";
    let answer = check("1.1", key, refused).await;
    assert!(
        answer.contains("\r\nsec-websocket-version: 13\r\n"),
        "{answer}"
    );
    check("1.1", version, refused).await;
    check(
        "1.1",
        &format!("{key}sec-websocket-version: 8\r\n"),
        refused,
    )
    .await;
    let both = format!("{key}{version}");
    check("1.0", &both, refused).await;
    let answer = check("1.1", &both, "HTTP/1.1 101 Switching Protocols\r\n").await;
    let accept = "\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(answer.contains(accept), "{answer}");
}

#[tokio::test]
async fn other_upgrades_are_passed_over() {
    let gateway = Gateway::start().await;
    let pending = Found::Message(message(&[DELIVERED]));
    gateway.store.show(id(), pending);
    let h2c = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    let mut stream = gateway.connect().await;
    let accepted = format!("POST /orders HTTP/1.1\r\nhost: a\r\n{h2c}content-length: 0\r\n\r\n");
    stream
        .write_all(accepted.as_bytes())
        .await
        .expect("it is open");
    read_until(&mut stream, "HTTP/1.1 202 Accepted").await;
    let events = format!("GET {} HTTP/1.1\r\nhost: a\r\n{h2c}\r\n", path());
    stream
        .write_all(events.as_bytes())
        .await
        .expect("it is open");
    read_until(&mut stream, "event: message").await;
}
