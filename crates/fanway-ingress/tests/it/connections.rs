//! How connections begin, how many there may be, and how they end.

use std::net::TcpListener as StdListener;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use fanway_ingress::Incoming;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::gateway::{Gateway, door, read_until, request};

#[tokio::test]
async fn a_connection_beyond_the_limit_is_told_so() {
    let gateway = Gateway::start_with(|params| {
        params.table.limits.connections = NonZeroUsize::MIN;
    })
    .await;
    let mut first = gateway.connect().await;
    first
        .write_all(b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await
        .expect("it is open");
    read_until(&mut first, "HTTP/1.1 202 Accepted").await;
    assert!(gateway.metrics().contains("fanway_ingress_connections 1\n"));
    let answer = gateway.exchange("").await;
    insta::assert_snapshot!(answer, @r#"
    HTTP/1.1 503 Service Unavailable
    content-type: application/problem+json
    content-length: 102
    retry-after: 1
    connection: close

    {"type":"/fanway/problems/too_many_connections","title":"there are too many connections","status":503}
    "#);
    assert!(
        gateway
            .metrics()
            .contains(r#"refused_total{code="too_many_connections"} 1"#)
    );
    drop(first);
    // The place is free as soon as the gateway has seen the first one go.
    while !gateway.metrics().contains("fanway_ingress_connections 0\n") {
        tokio::task::yield_now().await;
    }
    let answer = gateway.exchange(request("POST /orders", &[], "")).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
}

#[tokio::test]
async fn a_request_in_progress_is_finished_when_the_door_closes() {
    let gateway = Gateway::start().await;
    gateway.store.disk.forget_permits(usize::MAX);
    let mut stream = gateway.connect().await;
    stream
        .write_all(b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await
        .expect("it is open");
    let mut asked = gateway.store.asked.subscribe();
    asked
        .wait_for(|asked| *asked == 1)
        .await
        .expect("the store lives");
    gateway.stop.send(()).expect("it runs");
    while TcpStream::connect(gateway.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!gateway.running.is_finished(), "a request is in progress");
    gateway.store.disk.add_permits(1);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    gateway.running.await.expect("it ends");
}

#[tokio::test]
async fn a_request_that_outlasts_the_grace_is_cut_off() {
    let (door, store) = door(|_| {});
    store.disk.forget_permits(usize::MAX);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut asked = store.asked.subscribe();
    let shutdown = async move {
        asked
            .wait_for(|asked| *asked == 1)
            .await
            .expect("the store lives");
    };
    let running = tokio::spawn(door.run(Incoming::Listener(listener), shutdown, Duration::ZERO));
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let sent = request("POST /orders", &[], "{}");
    stream.write_all(&sent).await.expect("it is open");
    running.await.expect("it ends");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("no reset"), 0);
}

#[tokio::test]
async fn idle_connections_are_closed_with_the_door() {
    let gateway = Gateway::start_with(|params| {
        params.table.limits.idle_timeout = Duration::from_secs(3600);
    })
    .await;
    let mut idle = gateway.connect().await;
    idle.write_all(b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await
        .expect("it is open");
    read_until(&mut idle, "\"}").await;
    gateway.stop.send(()).expect("it runs");
    gateway.running.await.expect("it ends");
    assert_eq!(idle.read(&mut [0; 1]).await.expect("no reset"), 0);
}

#[tokio::test]
async fn connections_that_somebody_else_accepted_are_served() {
    let (door, store) = door(|_| {});
    let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (hand_over, handed) = mpsc::channel(1);
    let never = std::future::pending();
    let running = tokio::spawn(door.run(Incoming::Handed(handed), never, Duration::from_secs(5)));
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let (accepted, _) = listener.accept().expect("it is there");
    hand_over.send(accepted).await.expect("the door is open");
    stream
        .write_all(&request("POST /orders", &[], "{}"))
        .await
        .expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert_eq!(store.take_accepted().len(), 1);
    drop(hand_over);
    running
        .await
        .expect("it ends when nobody is left to hand over");
}

/// A connection over a pipe, served in virtual time; `talk` says what the peer does. Returns what it
/// got, and after how many seconds the gateway had closed.
async fn closed_after(talk: impl AsyncFnOnce(&mut DuplexStream)) -> (String, u64) {
    let (door, _store) = door(|_| {});
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let started = Instant::now();
    let serving = tokio::spawn(async move {
        door.serve(far).await;
        started.elapsed()
    });
    talk(&mut near).await;
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.expect("text");
    (answer, serving.await.expect("it ends").as_secs())
}

async fn send(stream: &mut DuplexStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("it is open");
}

const WHOLE: &str = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_let_go() {
    let (answer, seconds) = closed_after(async |_| {}).await;
    assert_eq!((answer.as_str(), seconds), ("", 10));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_in_crumbs_is_not_waited_for() {
    let (answer, seconds) = closed_after(async |stream| {
        for crumb in ["PO", "ST /ord", "ers HT", "TP/1.1\r\n", "x:"] {
            send(stream, crumb).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    })
    .await;
    assert_eq!((answer.as_str(), seconds), ("", 10));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_a_while() {
    let (answer, seconds) = closed_after(async |stream| {
        send(stream, WHOLE).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        send(stream, WHOLE).await;
    })
    .await;
    assert_eq!(
        answer.matches("HTTP/1.1 202 Accepted").count(),
        2,
        "{answer}"
    );
    assert_eq!(seconds, 60 + 75);
}

#[tokio::test(start_paused = true)]
async fn a_second_head_has_no_more_time_than_the_first() {
    let (answer, seconds) = closed_after(async |stream| {
        send(stream, WHOLE).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        send(stream, "POST /orders").await;
    })
    .await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(seconds, 30 + 10);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_in_crumbs_is_not_waited_for() {
    let (answer, seconds) = closed_after(async |stream| {
        send(
            stream,
            "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n",
        )
        .await;
        for _ in 0..14 {
            send(stream, "x").await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    })
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    assert!(answer.contains("/fanway/problems/body_timeout"), "{answer}");
    // The answer comes after 30 seconds and the little while that the rest is waited for; then its sender has as
    // long to see it.
    assert_eq!(seconds, 32);
}

#[tokio::test(start_paused = true)]
async fn an_idle_http_2_connection_is_told_before_it_is_closed() {
    let (door, _store) = door(|_| {});
    let (near, far) = tokio::io::duplex(1 << 16);
    let started = Instant::now();
    let serving = tokio::spawn(async move { door.serve(far).await });
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(near))
        .await
        .expect("it speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://gateway/orders").body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.expect("a request")).await;
    assert_eq!(answer.expect("an answer").status(), 202);
    serving.await.expect("it ends");
    let ended = connection.await.expect("nothing panics");
    ended.expect("a GOAWAY is a proper end");
    assert_eq!(started.elapsed().as_secs(), 75);
}
