//! What fails before or instead of an exchange, and what operators read then.

use fanway_target::http::{Credentials, HttpTarget, Params};
use fanway_target::{Exchange, FailureKind, Sent, Target};
use fanway_types::Secret;
use tokio::io::AsyncWriteExt;
use tokio::join;

use crate::peer::{Peer, StandingTime, attempt, expect_failure, get, params};

/// What bytes that are no acceptable answer come to.
async fn check(answer: &str, expected: FailureKind) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = peer.target();
    let (answer, _open) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.request().await;
        // The target may hang up in the middle of it.
        let _written = taken.0.write_all(answer.as_bytes()).await;
        taken
    });
    expect_failure(&answer, expected, Sent::Maybe);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_http_is_refused() {
    check("SSH-2.0-OpenSSH_9.2\r\n\r\n", FailureKind::Protocol).await;
    check("HTTP/1.1 2000 OK\r\n\r\n", FailureKind::Protocol).await;
    check("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", FailureKind::Protocol).await;
    let lengths = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    check(lengths, FailureKind::Protocol).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_beyond_the_limits_is_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}", "x".repeat(70 << 10));
    check(&long, FailureKind::Protocol).await;
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    check(&many, FailureKind::Protocol).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_says_where() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let (target, port) = (peer.target(), peer.port());
    drop(peer);
    let answer = attempt(&target).await;
    let detail = expect_failure(&answer, FailureKind::Connect, Sent::Nothing);
    assert_eq!(
        detail,
        format!("connect to 127.0.0.1:{port}: connection refused")
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_without_address_says_which() {
    // Too long a label for any resolver to ask about it.
    let host = "x".repeat(70);
    let target = HttpTarget::try_new(params(&format!("http://{host}/"))).expect("a target");
    let answer = attempt(&target).await;
    let detail = expect_failure(&answer, FailureKind::Resolve, Sent::Nothing);
    assert!(detail.starts_with(&format!("resolve {host}: ")), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_path_that_is_none_connects_to_nobody() {
    let peer = Peer::bind().await;
    let answer = peer.target().attempt(get("/a b")).await;
    let detail = expect_failure(&answer, FailureKind::Request, Sent::Nothing);
    assert_eq!(detail, "the path isn't one that a URL can have");
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_paths_and_queries_are_in_no_detail() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let credentials = Credentials::Bearer(Secret::new("hunter2".to_owned()));
    let params = Params {
        credentials,
        ..peer.params()
    };
    assert!(!format!("{params:?}").contains("hunter2"));
    let target = HttpTarget::try_new(params).expect("a target");
    let (answer, ()) = join!(target.attempt(get("/hunter2?key=hunter2")), async {
        peer.accept().await.request().await;
    });
    let Exchange::Failed { detail, .. } = answer.exchange else {
        panic!("answered")
    };
    assert!(!detail.contains("hunter2"), "{detail}");
}
