//! HTTP/1.1 on the wire: however it is cut, whoever goes away, whichever version.

use std::sync::Arc;
use std::time::Duration;

use fanway_store::lookup::Found;
use fanway_types::{ByteCount, MessageState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateway::{Pipes, request};
use crate::status::{ask, id, message};

/// Bytes that a pipe holds; more than all that is sent here.
const AMPLE: usize = 1 << 16;

/// Sends `parts` one after the other, and returns all that comes back.
async fn exchange(pipes: &Pipes, parts: &[&[u8]]) -> String {
    let mut near = pipes.connect(AMPLE);
    for part in parts {
        near.write_all(part).await.expect("it is open");
        // Time stands still until the gateway waits for more.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.expect("text");
    answer
}

#[tokio::test(start_paused = true)]
async fn requests_are_the_same_wherever_they_are_cut() {
    let chunked = "POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nx-sum: 1\r\n\r\n";
    let of_length = request("POST /any/a?b=c", &[], "0123456789");
    let both = [chunked.as_bytes(), &of_length].concat();
    let pipes = Pipes::new(|_| {});
    for cut in 1..both.len() {
        let (first, second) = both.split_at(cut);
        let answer = exchange(&pipes, &[first, second]).await;
        assert_eq!(
            answer.matches("HTTP/1.1 202 ").count(),
            2,
            "{cut}: {answer}"
        );
        let accepted = pipes.store.take_accepted();
        let bodies: Vec<_> = accepted.iter().map(|kept| &kept.request.body[..]).collect();
        assert_eq!(bodies, [&b"abcdefg"[..], b"0123456789"], "{cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_has_closed_its_own_side_is_answered() {
    let pipes = Pipes::new(|_| {});
    let mut near = pipes.connect(AMPLE);
    let asked = b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    pipes.store.disk.forget_permits(usize::MAX);
    near.write_all(asked).await.expect("it is open");
    near.shutdown().await.expect("it is open");
    // It has seen that by the time it is durable.
    tokio::time::sleep(Duration::from_secs(1)).await;
    pipes.store.disk.add_permits(1);
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_and_goes_away_is_let_go() {
    let pipes = Pipes::new(|_| {});
    let pending = Found::Message(message(MessageState::Pending));
    pipes.store.show(id(), pending);
    let (mut near, far) = tokio::io::duplex(AMPLE);
    let door = Arc::clone(&pipes.door);
    let serving = tokio::spawn(async move { door.serve(far).await });
    near.write_all(&ask("?wait=60s")).await.expect("it is open");
    let started = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(near);
    serving.await.expect("it ends");
    assert_eq!(started.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn http_1_0_goes_on_where_it_asks_for_that() {
    let pipes = Pipes::new(|_| {});
    let goes_on = b"POST /orders HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\n1";
    let ends = b"POST /orders HTTP/1.0\r\ncontent-length: 1\r\n\r\n2";
    let answer = exchange(&pipes, &[goes_on, ends]).await;
    let told: Vec<_> = answer
        .lines()
        .filter(|line| line.starts_with("connection: "))
        .collect();
    assert_eq!(told, ["connection: keep-alive", "connection: close"]);
    assert_eq!(pipes.store.take_accepted().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_goes_on_sending_sees_why_it_is_refused() {
    let pipes = Pipes::new(|params| params.table.limits.max_body = ByteCount::kib(1));
    let large = request("POST /orders", &[], vec![b'x'; 900_000]);
    let nonsense = [&b"nonsense\r\n\r\n"[..], &vec![b'x'; 900_000]].concat();
    for (sent, code) in [(large, "body_too_large"), (nonsense, "request_malformed")] {
        let answer = exchange(&pipes, &[&sent]).await;
        let kind = format!("\"type\":\"/fanway/problems/{code}\"");
        assert!(answer.contains(&kind), "{answer}");
    }
    assert_eq!(pipes.store.take_accepted().len(), 0);
}
