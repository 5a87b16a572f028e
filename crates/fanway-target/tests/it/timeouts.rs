//! Every wait ends: by its own limit, or by that of the attempt as a whole.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use fanway_target::http::{HttpTarget, Params, Timeouts};
use fanway_target::{Answer, Begun, FailureKind, Sent, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::advance;
use tokio::{join, spawn};

use crate::peer::{
    OK, Peer, StandingTime, Taken, attempt, expect_failure, expect_status, get, params, post,
    settle,
};

const CONNECT: Duration = Duration::from_secs(5);
const FIRST_BYTE: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);

/// An attempt whose request the peer has read, and that now waits for the answer.
async fn begun(params: Params, peer: &Peer) -> (HttpTarget, JoinHandle<Answer>, Taken) {
    let target = HttpTarget::try_new(params).expect("a target");
    let running = spawn(target.attempt(get("")));
    let mut taken = peer.accept().await;
    taken.request().await;
    settle().await;
    (target, running, taken)
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_comes_ends_the_attempt() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let (_target, running, taken) = begun(peer.params(), &peer).await;
    advance(FIRST_BYTE).await;
    let answer = running.await.expect("an answer");
    expect_failure(&answer, FailureKind::FirstByteTimeout, Sent::Maybe);
    assert_eq!(answer.took, FIRST_BYTE);
    taken.closed().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_over_before_its_time() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let (_target, running, mut taken) = begun(peer.params(), &peer).await;
    advance(FIRST_BYTE - Duration::from_millis(1)).await;
    settle().await;
    taken.write(OK).await;
    expect_status(&running.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_begun_when_its_head_is_there() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let begun = Begun::default();
    let running = spawn(target.attempt_noting(get(""), begun.clone()));
    let mut taken = peer.accept().await;
    taken.request().await;
    settle().await;
    assert!(!begun.is_noted());
    taken
        .write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
        .await;
    settle().await;
    assert!(begun.is_noted() && !running.is_finished());
    taken.write("k").await;
    expect_status(&running.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn the_whole_time_bounds_the_wait_for_a_head() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let timeouts = Timeouts {
        connect: CONNECT,
        first_byte: 2 * WHOLE,
        whole: WHOLE,
    };
    let (_target, running, mut taken) = begun(
        Params {
            timeouts,
            ..peer.params()
        },
        &peer,
    )
    .await;
    taken.write("HTTP/1.1 200 OK\r\nx: y\r\n").await;
    settle().await;
    advance(WHOLE).await;
    let answer = running.await.expect("an answer");
    expect_failure(&answer, FailureKind::WholeTimeout, Sent::Maybe);
    assert_eq!(answer.took, WHOLE);
    taken.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_crawling_body_is_cut_off_and_the_answer_stands() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let (_target, running, mut taken) = begun(peer.params(), &peer).await;
    taken
        .write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        .await;
    for _ in 0..30 {
        settle().await;
        assert!(!running.is_finished());
        advance(WHOLE / 30).await;
        // It may be closed by the last of them.
        let _written = taken.0.write_all(b"x").await;
    }
    let answer = running.await.expect("an answer");
    expect_status(&answer, 200);
    assert_eq!(answer.took, WHOLE);
    taken.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_answers_on_the_way_is_cut_off_before_time_is_up() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let (_target, running, mut taken) = begun(peer.params(), &peer).await;
    let flood = spawn(async move {
        let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
        while taken.0.write_all(hints.as_bytes()).await.is_ok() {}
    });
    let answer = running.await.expect("an answer");
    expect_failure(&answer, FailureKind::Protocol, Sent::Maybe);
    flood.await.expect("the flood ended with the connection");
}

#[tokio::test(start_paused = true)]
async fn answers_on_the_way_do_not_hold_time_up() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let (_target, running, mut taken) = begun(peer.params(), &peer).await;
    for _ in 0..10 {
        settle().await;
        assert!(!running.is_finished());
        taken.write("HTTP/1.1 102 Processing\r\n\r\n").await;
        advance(FIRST_BYTE / 10).await;
    }
    let answer = running.await.expect("an answer");
    expect_failure(&answer, FailureKind::FirstByteTimeout, Sent::Maybe);
    taken.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_is_no_connection() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let authority = crate::tls::Authority::new();
    let params = Params {
        roots: authority.roots(),
        ..params(&format!("https://127.0.0.1:{}/", peer.port()))
    };
    let target = HttpTarget::try_new(params).expect("a target");
    let running = spawn(target.attempt(get("")));
    let mut taken = peer.accept().await;
    // The beginning of its side of the handshake.
    taken.0.read_u8().await.expect("a byte");
    settle().await;
    advance(CONNECT).await;
    let answer = running.await.expect("an answer");
    let detail = expect_failure(&answer, FailureKind::ConnectTimeout, Sent::Nothing);
    assert_eq!(
        detail,
        format!(
            "connect to 127.0.0.1:{}: no connection in time",
            peer.port()
        )
    );
    assert_eq!(answer.took, CONNECT);
}

#[tokio::test(start_paused = true)]
async fn a_long_request_has_time_while_the_peer_takes_it() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    // Twice what the sockets' buffers hold between two readings.
    let body = Bytes::from(vec![b'x'; 64 << 20]);
    let running = spawn(target.attempt(post(body)));
    let mut taken = peer.accept().await;
    let mut piece = vec![0; 16 << 20];
    for _ in 0..3 {
        taken.0.read_exact(&mut piece).await.expect("a piece");
        settle().await;
        assert!(!running.is_finished());
        advance(FIRST_BYTE - Duration::from_secs(1)).await;
    }
    taken.write(OK).await;
    expect_status(&running.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn a_long_request_that_the_peer_does_not_take_ends_the_attempt() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let timeouts = Timeouts {
        connect: CONNECT,
        first_byte: FIRST_BYTE,
        whole: Duration::from_hours(1),
    };
    let target = HttpTarget::try_new(Params {
        timeouts,
        ..peer.params()
    })
    .expect("a target");
    let running = spawn(target.attempt(post(Bytes::from(vec![b'x'; 64 << 20]))));
    let _taken = peer.accept().await;
    // The sockets' buffers may still take some of it for a while.
    while !running.is_finished() {
        settle().await;
        advance(FIRST_BYTE).await;
        settle().await;
    }
    let answer = running.await.expect("an answer");
    expect_failure(&answer, FailureKind::FirstByteTimeout, Sent::Maybe);
}

#[tokio::test(start_paused = true)]
async fn attempts_beyond_the_connections_wait_for_one() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let connections = NonZeroUsize::MIN;
    let (target, first, mut taken) = begun(
        Params {
            connections,
            ..peer.params()
        },
        &peer,
    )
    .await;
    let second = spawn(target.attempt(get("/second")));
    peer.expect_nobody().await;
    taken.write(OK).await;
    expect_status(&first.await.expect("an answer"), 200);
    assert!(taken.serve(OK).await.starts_with("GET /base/second "));
    expect_status(&second.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn the_whole_time_bounds_the_wait_for_a_connection() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let timeouts = Timeouts {
        connect: CONNECT,
        first_byte: 2 * WHOLE,
        whole: WHOLE,
    };
    let params = Params {
        connections: NonZeroUsize::MIN,
        timeouts,
        ..peer.params()
    };
    let (target, _first, _taken) = begun(params, &peer).await;
    let second = spawn(target.attempt(get("")));
    settle().await;
    advance(WHOLE).await;
    expect_failure(
        &second.await.expect("an answer"),
        FailureKind::WholeTimeout,
        Sent::Nothing,
    );
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_is_closed_without_anybody_asking() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    });
    expect_status(&answer, 200);
    settle().await;
    advance(Params::DEFAULT_IDLE).await;
    taken.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_for_too_long_is_not_used() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let serve = || async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    };
    let (answer, mut first) = join!(attempt(&target), serve());
    expect_status(&answer, 200);
    settle().await;
    // Used half-way, so that the round in which it is too old is not over yet.
    advance(Params::DEFAULT_IDLE / 2).await;
    let (answer, _) = join!(attempt(&target), first.serve(OK));
    expect_status(&answer, 200);
    advance(Params::DEFAULT_IDLE / 2).await;
    settle().await;
    advance(Params::DEFAULT_IDLE / 2).await;
    let (answer, _second) = join!(attempt(&target), serve());
    expect_status(&answer, 200);
    first.closed().await;
}
