//! HTTP/2: connections are shared, within what the peer allows, and left when it says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_target::http::{HttpTarget, Params, Version};
use fanway_target::{Captured, Exchange, FailureKind, Limits, Sent, Target};
use h2::server::{Builder, Connection, SendResponse, handshake};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::advance;
use tokio::{join, spawn};

use crate::peer::{
    Peer, StandingTime, attempt, expect_failure, expect_status, get, headers, post, settle,
};

type Streams = Connection<TcpStream, Bytes>;
type Exchanged = (Request<RecvStream>, SendResponse<Bytes>);

fn target(peer: &Peer) -> HttpTarget {
    HttpTarget::try_new(Params {
        version: Version::Http2,
        ..peer.params()
    })
    .expect("a target")
}

async fn accept(peer: &Peer) -> Streams {
    handshake(peer.accept().await.0).await.expect("a handshake")
}

async fn request(streams: &mut Streams) -> Exchanged {
    streams
        .accept()
        .await
        .expect("a request")
        .expect("no error")
}

fn answer((_, mut respond): Exchanged, status: u16) {
    let head = Response::builder().status(status).body(()).expect("a head");
    respond.send_response(head, true).expect("sent");
}

/// A connection that goes on by itself.
struct Running(JoinHandle<()>);

impl Running {
    fn new(streams: Streams) -> Self {
        Self(spawn(run(streams)))
    }

    async fn closed(self) {
        self.0.await.expect("no panic");
    }
}

/// Drives a connection on which nothing more is expected to begin.
async fn run(mut streams: Streams) {
    while streams.accept().await.is_some_and(|stream| stream.is_ok()) {}
}

#[tokio::test(start_paused = true)]
async fn a_request_names_scheme_host_and_path() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let mut request_to_send = post("{}");
    request_to_send.path_and_query = "/orders?x=1".into();
    request_to_send.headers = headers(&[("connection", "close")]);
    let (answered, head) = join!(target.attempt(request_to_send), async {
        let mut streams = accept(&peer).await;
        let (request, mut respond) = request(&mut streams).await;
        let (head, mut body) = request.into_parts();
        spawn(run(streams));
        let piece = body.data().await.expect("a body").expect("no error");
        assert_eq!(piece, "{}");
        let busy = Response::builder()
            .status(503)
            .header("retry-after", "7")
            .header("x-ratelimit-remaining", "0")
            .body(())
            .expect("a head");
        let mut body = respond.send_response(busy, false).expect("sent");
        body.send_data(Bytes::from_static(b"busy"), true)
            .expect("sent");
        head
    });
    assert_eq!(
        head.uri.to_string(),
        format!("http://127.0.0.1:{}/base/orders?x=1", peer.port())
    );
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(headers, [("content-length", &b"2"[..])]);
    let limits = Limits {
        remaining: Some("0".into()),
        ..Limits::default()
    };
    let expected = Exchange::Answered {
        status: 503,
        retry_after: Some("7".into()),
        limits: Some(Box::new(limits)),
        body: Captured::Beginning(Bytes::from_static(b"busy")),
    };
    assert_eq!(answered.exchange, expected);
}

#[tokio::test(start_paused = true)]
async fn many_attempts_share_one_connection() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = Arc::new(target(&peer));
    let attempts: Vec<_> = (0..50).map(|_| spawn(target.attempt(get("")))).collect();
    let mut streams = accept(&peer).await;
    let mut begun = Vec::new();
    while begun.len() < attempts.len() {
        begun.push(request(&mut streams).await);
    }
    peer.expect_nobody().await;
    begun
        .into_iter()
        .for_each(|exchanged| answer(exchanged, 200));
    spawn(run(streams));
    for attempt in attempts {
        expect_status(&attempt.await.expect("an answer"), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn more_attempts_than_streams_get_more_connections() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = Arc::new(target(&peer));
    let attempts: VecDeque<_> = (0..6).map(|_| spawn(target.attempt(get("")))).collect();
    let mut connections = Vec::new();
    for _ in 0..3 {
        let socket = peer.accept().await.0;
        let mut streams: Streams = Builder::new()
            .max_concurrent_streams(2)
            .handshake(socket)
            .await
            .expect("a handshake");
        let begun = [request(&mut streams).await, request(&mut streams).await];
        connections.push((streams, begun));
    }
    peer.expect_nobody().await;
    for (streams, begun) in connections {
        begun
            .into_iter()
            .for_each(|exchanged| answer(exchanged, 200));
        spawn(run(streams));
    }
    for attempt in attempts {
        expect_status(&attempt.await.expect("an answer"), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_given_up_between_requests_is_replaced() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let serve = || async {
        let mut streams = accept(&peer).await;
        answer(request(&mut streams).await, 200);
        streams
    };
    let (answered, streams) = join!(attempt(&target), async {
        let mut streams = serve().await;
        streams.graceful_shutdown();
        Running::new(streams)
    });
    expect_status(&answered, 200);
    settle().await;
    let (answered, _streams) = join!(attempt(&target), async { Running::new(serve().await) });
    expect_status(&answered, 200);
    streams.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_in_flight_survives_that_the_peer_takes_no_more() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let running = spawn(target.attempt(get("")));
    let mut streams = accept(&peer).await;
    let begun = request(&mut streams).await;
    streams.graceful_shutdown();
    spawn(run(streams));
    settle().await;
    let (answered, _streams) = join!(attempt(&target), async {
        let mut streams = accept(&peer).await;
        answer(request(&mut streams).await, 204);
        Running::new(streams)
    });
    expect_status(&answered, 204);
    answer(begun, 200);
    expect_status(&running.await.expect("an answer"), 200);
}

/// What a stream that the peer resets comes to.
async fn check_reset(reason: Reason, expected: Sent) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let (answered, _streams) = join!(attempt(&target), async {
        let mut streams = accept(&peer).await;
        let (_request, mut respond) = request(&mut streams).await;
        respond.send_reset(reason);
        Running::new(streams)
    });
    expect_failure(&answered, FailureKind::Io, expected);
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn only_a_refused_stream_was_not_acted_on() {
    check_reset(Reason::REFUSED_STREAM, Sent::Nothing).await;
    check_reset(Reason::INTERNAL_ERROR, Sent::Maybe).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_another_version_is_no_connection() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let (answered, _open) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken
            .write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            .await;
        taken
    });
    let Exchange::Failed {
        kind,
        sent: Sent::Nothing,
        detail,
    } = answered.exchange
    else {
        panic!("not refused: {:?}", answered.exchange)
    };
    assert!(
        matches!(kind, FailureKind::Protocol | FailureKind::Io),
        "{kind:?}"
    );
    assert!(
        detail.starts_with(&format!("connect to 127.0.0.1:{}: ", peer.port())),
        "{detail}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_an_attempt_timed_out_gets_no_more() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let running = spawn(target.attempt(get("")));
    let mut silent = accept(&peer).await;
    let _never_answered = request(&mut silent).await;
    settle().await;
    advance(Duration::from_secs(10)).await;
    expect_failure(
        &running.await.expect("an answer"),
        FailureKind::FirstByteTimeout,
        Sent::Maybe,
    );
    let (answered, _streams) = join!(attempt(&target), async {
        let mut streams = accept(&peer).await;
        answer(request(&mut streams).await, 200);
        Running::new(streams)
    });
    expect_status(&answered, 200);
}

#[tokio::test(start_paused = true)]
async fn a_long_body_is_sent_as_there_is_room_for_it() {
    const LENGTH: usize = 3 << 20;
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let (answered, received) = join!(target.attempt(post(vec![b'x'; LENGTH])), async {
        let mut streams = accept(&peer).await;
        let (request, respond) = request(&mut streams).await;
        spawn(run(streams));
        let (head, mut body) = request.into_parts();
        let mut received = 0;
        while let Some(piece) = body.data().await {
            let length = piece.expect("no error").len();
            received += length;
            body.flow_control().release_capacity(length).expect("taken");
        }
        answer((Request::from_parts(head, body), respond), 200);
        received
    });
    expect_status(&answered, 200);
    assert_eq!(received, LENGTH);
}

#[tokio::test(start_paused = true)]
async fn an_answer_body_without_end_is_cut_off_and_the_connection_stays() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let (answered, (mut body, streams)) = join!(attempt(&target), async {
        let mut streams = accept(&peer).await;
        let (_request, mut respond) = request(&mut streams).await;
        let mut body = respond
            .send_response(Response::new(()), false)
            .expect("sent");
        body.send_data(Bytes::from(vec![0; 1 << 20]), false)
            .expect("sent");
        (
            body,
            Running(spawn(async move {
                answer(request(&mut streams).await, 204);
                run(streams).await;
            })),
        )
    });
    expect_status(&answered, 200);
    let reason = std::future::poll_fn(|cx| body.poll_reset(cx))
        .await
        .expect("a reset");
    assert_eq!(reason, Reason::CANCEL);
    expect_status(&attempt(&target).await, 204);
    peer.expect_nobody().await;
    drop(streams);
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_is_closed_and_so_is_a_dropped_targets() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer);
    let serve = || async {
        let mut streams = accept(&peer).await;
        answer(request(&mut streams).await, 200);
        Running::new(streams)
    };
    let (answered, first) = join!(attempt(&target), serve());
    expect_status(&answered, 200);
    for _ in 0..2 {
        settle().await;
        advance(Params::DEFAULT_IDLE).await;
    }
    first.closed().await;
    let (answered, second) = join!(attempt(&target), serve());
    expect_status(&answered, 200);
    drop(target);
    second.closed().await;
}
