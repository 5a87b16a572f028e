//! Bodies that are wanted whole: what is handed over, and what is said of those that can't be.

use std::time::Duration;

use bytes::Bytes;
use fanway_target::{AttemptRequest, Capture, Captured, Exchange, Target};
use tokio::join;
use tokio::time::advance;

use crate::peer::{OK, Peer, StandingTime, expect_status, get, settle};

fn whole() -> AttemptRequest {
    AttemptRequest {
        capture: Capture::Whole,
        ..get("")
    }
}

/// What is captured of an answer whose connection is closed behind it.
#[track_caller]
fn check(answer: &str, expected: &Captured) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let captured = runtime.block_on(async {
        let _time = StandingTime::new();
        let peer = Peer::bind().await;
        let target = peer.target();
        let (answer, ()) = join!(target.attempt(whole()), async {
            peer.accept().await.serve(answer).await;
        });
        match answer.exchange {
            Exchange::Answered { body, .. } => body,
            failed @ Exchange::Failed { .. } => panic!("no answer: {failed:?}"),
        }
    });
    assert!(captured == *expected, "{captured:?}");
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn a_body_is_whole_where_its_end_has_come() {
    let ok = Captured::Whole(bytes("{}"));
    for head in [
        "HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        "HTTP/1.0 200 X\r\n\r\n{}",
    ] {
        check(head, &ok);
    }
    check("HTTP/1.1 204 X\r\n\r\n", &Captured::Whole(bytes("")));
}

#[test]
fn a_body_that_breaks_off_is_not_whole() {
    let broken = Captured::Broken(bytes("{"));
    for head in [
        "HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{",
        "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
        "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\nnonsense\r\n",
    ] {
        check(head, &broken);
    }
}

#[test]
fn a_body_is_handed_over_up_to_its_limit() {
    let longest = "x".repeat(Capture::WHOLE_LIMIT);
    let answer = |body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    check(&answer(&longest), &Captured::Whole(bytes(&longest)));
    let longer = answer(&format!("{longest}y"));
    check(&longer, &Captured::TooLong(bytes(&longest)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_in_time_is_broken_and_the_answer_stands() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, _open) = join!(target.attempt(whole()), async {
        let mut taken = peer.accept().await;
        taken
            .serve("HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{")
            .await;
        settle().await;
        advance(Duration::from_secs(31)).await;
        taken
    });
    expect_status(&answer, 200);
    let Exchange::Answered { body, .. } = answer.exchange else {
        panic!("it has answered")
    };
    assert_eq!(body, Captured::Broken(bytes("{")));
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_behind_a_body_that_was_read_whole() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (_, mut taken) = join!(target.attempt(whole()), async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    });
    let (answer, _) = join!(target.attempt(whole()), taken.serve(OK));
    expect_status(&answer, 200);
    peer.expect_nobody().await;
}
