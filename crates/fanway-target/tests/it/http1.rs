//! HTTP/1.1: what is sent, how connections are used again, and when not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use fanway_target::http::{Credentials, HttpTarget};
use fanway_target::{AttemptRequest, Capture, Captured, Exchange, FailureKind, Sent, Target};
use fanway_types::Secret;
use tokio::join;

use crate::peer::{
    OK, Peer, StandingTime, attempt, expect_failure, expect_status, get, headers, post, settle,
};

/// What a peer sees of a request.
async fn check_request(credentials: Credentials, request: AttemptRequest, expected: &[&str]) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = HttpTarget::try_new(fanway_target::http::Params {
        credentials,
        ..peer.params()
    })
    .expect("a target");
    let (answer, seen) = join!(target.attempt(request), async {
        peer.accept().await.serve(OK).await
    });
    expect_status(&answer, 200);
    let seen = seen.replace(&peer.port().to_string(), "PORT");
    assert_eq!(seen.split("\r\n").collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_body_goes_out_whole_with_its_length() {
    let mut request = post("{\"id\": 7}");
    request.path_and_query = "/orders?x=1".into();
    request.headers = headers(&[("content-type", "application/json")]);
    let expected = [
        "POST /base/orders?x=1 HTTP/1.1",
        "host: 127.0.0.1:PORT",
        "content-type: application/json",
        "content-length: 9",
        "",
        "{\"id\": 7}",
    ];
    check_request(Credentials::None, request, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn bodies_of_all_lengths_arrive_whole_over_one_connection() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let lengths = [1, 4 << 10, (4 << 10) + 1, 64 << 10, 4 << 20];
    let bodies = lengths.map(|length| {
        "0123456789a"
            .chars()
            .cycle()
            .take(length)
            .collect::<String>()
    });
    let serving = async {
        let mut taken = peer.accept().await;
        for body in &bodies {
            let seen = taken.serve(OK).await;
            let (_, arrived) = seen.split_once("\r\n\r\n").expect("a head");
            assert!(arrived == body, "{}", body.len());
        }
        taken
    };
    let attempts = async {
        for body in &bodies {
            let answer = target.attempt(post(body.clone())).await;
            expect_status(&answer, 200);
        }
    };
    join!(serving, attempts);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_body_has_a_length_only_where_one_is_expected() {
    let head = ["host: 127.0.0.1:PORT", "", ""];
    check_request(
        Credentials::None,
        get(""),
        &[&["GET /base HTTP/1.1"], &head[..]].concat(),
    )
    .await;
    let delete = AttemptRequest {
        method: "DELETE".into(),
        ..get("")
    };
    check_request(
        Credentials::None,
        delete,
        &[&["DELETE /base HTTP/1.1"], &head[..]].concat(),
    )
    .await;
    let expected = [
        "POST /base HTTP/1.1",
        "host: 127.0.0.1:PORT",
        "content-length: 0",
        "",
        "",
    ];
    check_request(Credentials::None, post(""), &expected).await;
}

#[tokio::test(start_paused = true)]
async fn credentials_are_sent_and_win() {
    let bearer = Credentials::Bearer(Secret::new("hunter2".to_owned()));
    let mut request = get("");
    request.headers = headers(&[("authorization", "somebody else's")]);
    let expected = [
        "GET /base HTTP/1.1",
        "host: 127.0.0.1:PORT",
        "authorization: Bearer hunter2",
        "",
        "",
    ];
    check_request(bearer, request, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn headers_that_frame_the_message_are_not_the_callers() {
    let mut request = post("four");
    request.headers = headers(&[
        ("host", "elsewhere"),
        ("content-length", "400"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("expect", "100-continue"),
        ("upgrade", "websocket"),
        ("te", "trailers"),
        ("x-own", "kept"),
    ]);
    let expected = [
        "POST /base HTTP/1.1",
        "host: 127.0.0.1:PORT",
        "x-own: kept",
        "content-length: 4",
        "",
        "four",
    ];
    check_request(Credentials::None, request, &expected).await;
}

/// What an answer of these bytes comes to; the connection stays open behind it.
async fn check_answer(bytes: &str, expected: (u16, Option<&str>, Option<&str>)) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, _open) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve(bytes).await;
        taken
    });
    let Exchange::Answered {
        status,
        retry_after,
        body,
        ..
    } = answer.exchange
    else {
        panic!("no answer: {:?}", answer.exchange)
    };
    let excerpt = body.bytes();
    let excerpt = excerpt.map(|excerpt| String::from_utf8(excerpt.to_vec()).expect("text"));
    assert_eq!(
        (status, retry_after.as_deref(), excerpt.as_deref()),
        expected
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_its_status_and_what_was_asked_for() {
    check_answer(OK, (200, None, None)).await;
    let busy =
        "HTTP/1.1 503 Busy\r\nretry-after:  Sun, 22 Nov 2026 \r\ncontent-length: 4\r\n\r\nbusy";
    check_answer(busy, (503, Some("Sun, 22 Nov 2026"), Some("busy"))).await;
    let chunked = "HTTP/1.1 400 Bad\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n";
    check_answer(chunked, (400, None, Some("no"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_an_answer() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    check_answer(moved, (302, None, Some(""))).await;
}

#[tokio::test(start_paused = true)]
async fn answers_on_the_way_are_passed_over() {
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    check_answer(&format!("{early}{OK}"), (200, None, None)).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_pieces_is_put_together() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, _open) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.request().await;
        for byte in OK.chars() {
            taken.write(&byte.to_string()).await;
            settle().await;
        }
        taken
    });
    expect_status(&answer, 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_before_all_of_the_request_was_taken_counts() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let body = Bytes::from(vec![b'x'; 32 << 20]);
    let (answer, _open) = join!(target.attempt(post(body)), async {
        let mut taken = peer.accept().await;
        taken
            .write("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            .await;
        taken
    });
    expect_status(&answer, 413);
}

/// After `first`, whether the next attempt goes over the same connection.
async fn check_reuse(method: &str, first: &str, status: u16, expected: bool) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let request = AttemptRequest {
        method: method.into(),
        ..get("")
    };
    let (answer, mut taken) = join!(target.attempt(request), async {
        let mut taken = peer.accept().await;
        taken.serve(first).await;
        taken
    });
    expect_status(&answer, status);
    settle().await;
    let (answer, _open) = join!(attempt(&target), async {
        if expected {
            taken.serve(OK).await;
            return (taken, None);
        }
        let mut other = peer.accept().await;
        other.serve(OK).await;
        (taken, Some(other))
    });
    expect_status(&answer, 200);
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again() {
    check_reuse("GET", OK, 200, true).await;
    let chunked =
        "HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nx: y\r\n\r\n";
    check_reuse("GET", chunked, 500, true).await;
}

#[tokio::test(start_paused = true)]
async fn answers_without_a_body_leave_the_connection_usable() {
    check_reuse("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, true).await;
    check_reuse(
        "GET",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n",
        304,
        true,
    )
    .await;
    check_reuse(
        "HEAD",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        200,
        true,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_peer_means_to_close_is_not_used_again() {
    check_reuse(
        "GET",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        200,
        false,
    )
    .await;
    check_reuse(
        "GET",
        "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        200,
        false,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_an_answer_never_answer_the_next_request() {
    let garbage = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 Leaked\r\ncontent-length: 0\r\n\r\n";
    check_reuse("GET", garbage, 200, false).await;
    let bodied = "HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\nabc";
    check_reuse("GET", bodied, 204, false).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_asked_for_never_answers_the_next_request() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, mut first) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    });
    expect_status(&answer, 200);
    first
        .write("HTTP/1.1 500 Unasked\r\ncontent-length: 0\r\n\r\n")
        .await;
    settle().await;
    let (answer, _) = join!(attempt(&target), async {
        peer.accept().await.serve(OK).await
    });
    expect_status(&answer, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_changes_nothing_and_ends_the_connection() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    for status in [200, 500] {
        let (answer, ()) = join!(attempt(&target), async {
            let mut taken = peer.accept().await;
            taken
                .serve(&format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\nthe beginning"
                ))
                .await;
        });
        expect_status(&answer, status);
        if let Exchange::Answered {
            body: Captured::Beginning(body),
            ..
        } = &answer.exchange
        {
            assert_eq!(body, "the beginning");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_cut_off() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, ()) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve("HTTP/1.1 500 X\r\n\r\n").await;
        let piece = "x".repeat(1024);
        while tokio::io::AsyncWriteExt::write_all(&mut taken.0, piece.as_bytes())
            .await
            .is_ok()
        {}
    });
    let Exchange::Answered {
        status: 500,
        body: Captured::Beginning(body),
        ..
    } = answer.exchange
    else {
        panic!("no excerpt: {:?}", answer.exchange)
    };
    assert_eq!(body.len(), Capture::EXCERPT_LIMIT);
}

/// Whether a request with this body goes out whole over another connection where the one that was
/// held is closed.
async fn check_second_try(body: String) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, _) = join!(attempt(&target), async {
        peer.accept().await.serve(OK).await
    });
    expect_status(&answer, 200);
    settle().await;
    let request = post(body.clone());
    let (answer, seen) = join!(target.attempt(request), async {
        let mut taken = peer.accept().await;
        let seen = taken.serve(OK).await;
        // Used again: it was put back like any other.
        (seen, taken)
    });
    expect_status(&answer, 200);
    let (head, arrived) = seen.0.split_once("\r\n\r\n").expect("a head");
    assert!(arrived == body, "{head}");
    assert_eq!(head.matches("host:").count(), 1);
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_out_again_where_nothing_was_sent_on_a_stale_connection() {
    check_second_try("the body".to_owned()).await;
    check_second_try("x".repeat((4 << 10) + 1)).await;
}

#[tokio::test(start_paused = true)]
async fn there_is_one_second_try_and_no_third() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    // Two idle connections, both closed.
    let ((one, two), ()) = join!(async { join!(attempt(&target), attempt(&target)) }, async {
        let (mut first, mut second) = (peer.accept().await, peer.accept().await);
        join!(first.serve(OK), second.serve(OK));
    });
    expect_status(&one, 200);
    expect_status(&two, 200);
    settle().await;
    let (answer, ()) = join!(attempt(&target), async { drop(peer.accept().await) });
    let Exchange::Failed {
        kind: FailureKind::Io,
        ..
    } = answer.exchange
    else {
        panic!("not broken: {:?}", answer.exchange)
    };
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn a_fresh_connection_that_is_not_to_be_had_ends_the_second_try() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, _) = join!(attempt(&target), async {
        peer.accept().await.serve(OK).await
    });
    expect_status(&answer, 200);
    drop(peer);
    settle().await;
    expect_failure(&attempt(&target).await, FailureKind::Connect, Sent::Nothing);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_never_sent_again() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, mut taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    });
    expect_status(&answer, 200);
    let (answer, ()) = join!(attempt(&target), async move {
        taken.request().await;
    });
    let detail = expect_failure(&answer, FailureKind::Io, Sent::Maybe);
    assert!(
        detail.starts_with(&format!("exchange with 127.0.0.1:{}: ", peer.port())),
        "{detail}"
    );
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_breaks_off_may_have_been_acted_on() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, _) = join!(attempt(&target), async {
        peer.accept().await.serve("HTTP/1.1 20").await
    });
    expect_failure(&answer, FailureKind::Io, Sent::Maybe);
}

#[tokio::test(start_paused = true)]
async fn many_attempts_use_few_connections() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = Arc::new(peer.target());
    let opened = Arc::new(AtomicUsize::new(0));
    let served = Arc::clone(&opened);
    tokio::spawn(async move {
        loop {
            let mut taken = peer.accept().await;
            served.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                loop {
                    taken.serve(OK).await;
                }
            });
        }
    });
    let left = Arc::new(AtomicUsize::new(1000));
    let workers = (0..16).map(|_| {
        let (target, left) = (Arc::clone(&target), Arc::clone(&left));
        tokio::spawn(async move {
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
            {
                expect_status(&target.attempt(post("x")).await, 200);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("all answered");
    }
    assert!(
        (1..=16).contains(&opened.load(Ordering::Relaxed)),
        "{opened:?} connections"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_target_closes_its_connections() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    });
    expect_status(&answer, 200);
    drop(target);
    taken.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_off_attempt_leaves_nothing_behind() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let running = tokio::spawn(target.attempt(get("")));
    let mut taken = peer.accept().await;
    taken.request().await;
    running.abort();
    taken.closed().await;
    let (answer, _) = join!(attempt(&target), async {
        peer.accept().await.serve(OK).await
    });
    expect_status(&answer, 200);
}

#[tokio::test(start_paused = true)]
async fn headers_may_repeat() {
    let headers = headers(&[("x-tag", "one"), ("x-tag", "two")]);
    let expected = [
        "GET /base HTTP/1.1",
        "host: 127.0.0.1:PORT",
        "x-tag: one",
        "x-tag: two",
        "",
        "",
    ];
    check_request(
        Credentials::None,
        AttemptRequest { headers, ..get("") },
        &expected,
    )
    .await;
}
