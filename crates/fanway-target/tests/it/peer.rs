//! Scripted peers, and time that stands still.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use fanway_target::http::{
    ConnectionBudget, Credentials, HttpTarget, Params, Roots, Timeouts, Tls, Version,
};
use fanway_target::{Answer, AttemptRequest, Capture, Exchange, FailureKind, Sent, Target};
use fanway_types::{Egress, Headers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A listener on a port of its own.
pub(crate) struct Peer(pub(crate) TcpListener);

/// A connection that it took.
pub(crate) struct Taken(pub(crate) TcpStream);

impl Peer {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    pub(crate) fn params(&self) -> Params {
        params(&format!("http://127.0.0.1:{}/base", self.port()))
    }

    pub(crate) fn target(&self) -> HttpTarget {
        HttpTarget::try_new(self.params()).expect("a target")
    }

    pub(crate) async fn accept(&self) -> Taken {
        Taken(self.0.accept().await.expect("a connection").0)
    }

    /// Whether nobody has connected since the last accept.
    pub(crate) async fn expect_nobody(&self) {
        settle().await;
        let waiting = poll_fn(|cx| Poll::Ready(self.0.poll_accept(cx).is_ready())).await;
        assert!(!waiting, "another connection was opened");
    }
}

impl Taken {
    /// Reads one request with its body.
    pub(crate) async fn request(&mut self) -> String {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            text.push(self.0.read_u8().await.expect("more of the head").into());
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
        self.0.read_exact(&mut body).await.expect("the body");
        text + str::from_utf8(&body).expect("text")
    }

    pub(crate) async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.expect("written");
    }

    pub(crate) async fn serve(&mut self, answer: &str) -> String {
        let request = self.request().await;
        self.write(answer).await;
        request
    }

    /// Waits until the other side has closed; whatever it still sends is ignored.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        // A reset is a close too.
        let _end = self.0.read_to_end(&mut rest).await;
    }
}

pub(crate) fn params(url: &str) -> Params {
    let second = Duration::from_secs(1);
    Params {
        url: url.parse().expect("a URL"),
        credentials: Credentials::None,
        sign: None,
        timeouts: Timeouts {
            connect: 5 * second,
            first_byte: 10 * second,
            whole: 30 * second,
        },
        version: Version::Auto,
        connections: NonZeroUsize::new(64).expect("not zero"),
        budget: ConnectionBudget::unlimited(),
        idle: Params::DEFAULT_IDLE,
        roots: Roots::only(Vec::new()),
        tls: Tls::default(),
        proxy: None,
        egress: Egress::default(),
    }
}

pub(crate) fn get(path: &str) -> AttemptRequest {
    AttemptRequest {
        method: "GET".into(),
        path_and_query: path.into(),
        headers: Headers::default(),
        body: Bytes::new(),
        capture: Capture::OnFailure,
    }
}

pub(crate) fn post(body: impl Into<Bytes>) -> AttemptRequest {
    AttemptRequest {
        method: "POST".into(),
        body: body.into(),
        ..get("")
    }
}

/// These headers, in this order.
pub(crate) fn headers(all: &[(&str, &str)]) -> Headers {
    all.iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect()
}

pub(crate) async fn attempt(target: &HttpTarget) -> Answer {
    target.attempt(get("")).await
}

#[track_caller]
pub(crate) fn expect_status(answer: &Answer, expected: u16) {
    match &answer.exchange {
        Exchange::Answered { status, .. } => assert_eq!(*status, expected),
        failed @ Exchange::Failed { .. } => panic!("expected {expected}: {failed:?}"),
    }
}

#[track_caller]
pub(crate) fn expect_failure(answer: &Answer, kind: FailureKind, sent: Sent) -> &str {
    match &answer.exchange {
        Exchange::Failed {
            kind: actual,
            sent: actually,
            detail,
        } => {
            assert_eq!((*actual, *actually), (kind, sent), "{detail}");
            detail
        }
        answered @ Exchange::Answered { .. } => panic!("expected {kind:?}: {answered:?}"),
    }
}

/// Lets what has happened on other sockets arrive, and what follows from it: events come in the
/// order in which they happened, and each round waits for one that is made in it.
pub(crate) async fn settle() {
    for _ in 0..16 {
        let peer = Peer::bind().await;
        let address = peer.0.local_addr().expect("bound");
        let (near, mut far) = tokio::join!(TcpStream::connect(address), peer.accept());
        near.expect("connected")
            .write_all(b"x")
            .await
            .expect("written");
        assert_eq!(far.0.read_u8().await.expect("read"), b'x');
    }
}

/// While it lives the paused clock moves only by `advance`, instead of jumping to the next timer
/// whenever nobody has anything to do but wait for a socket.
pub(crate) struct StandingTime(
    #[expect(dead_code, reason = "its drop lets time go")] SyncSender<()>,
);

impl StandingTime {
    pub(crate) fn new() -> Self {
        let (hold, release) = sync_channel(0);
        tokio::task::spawn_blocking(move || release.recv());
        Self(hold)
    }
}
