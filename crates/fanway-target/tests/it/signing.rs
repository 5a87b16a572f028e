//! Signatures as a receiver checks them, over real connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_target::http::{HttpTarget, Params, Signing, Version, WebhookKey};
use fanway_target::{AttemptRequest, FailureKind, Sent, Target};
use fanway_types::Timestamp;
use tokio::join;

use crate::peer::{OK, Peer, StandingTime, expect_failure, expect_status, headers, post};

const OLD: [u8; 24] = [1; 24];
const NEW: [u8; 64] = [2; 64];

/// A wall clock that tests set.
#[derive(Clone, Default)]
struct Wall(Arc<AtomicU64>);

impl Wall {
    fn set(&self, seconds: u64) {
        self.0.store(seconds * 1000, Ordering::Relaxed);
    }

    fn signing(&self, keys: &[&[u8]]) -> Signing {
        let millis = Arc::clone(&self.0);
        let clock = move || Timestamp::from_millis(millis.load(Ordering::Relaxed));
        let keys = keys.iter().map(|key| WebhookKey::symmetric(key));
        let keys: Result<Vec<_>, _> = keys.collect();
        Signing::try_new(keys.expect("keys"), None, Arc::new(clock)).expect("there are some")
    }
}

fn target(peer: &Peer, sign: Signing) -> HttpTarget {
    HttpTarget::try_new(Params {
        sign: Some(sign),
        ..peer.params()
    })
    .expect("a target")
}

fn keyed(body: &'static str) -> AttemptRequest {
    let mut request = post(body);
    request.headers = headers(&[("idempotency-key", "\"dlv_1\"")]);
    request
}

/// What a receiver sees of an attempt.
struct Seen {
    id: String,
    timestamp: String,
    signatures: Vec<String>,
    body: String,
}

impl Seen {
    fn read(request: &str) -> Self {
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        let header = |name: &str| {
            let prefix = format!("{name}: ");
            let mut values = head.lines().filter_map(|line| line.strip_prefix(&prefix));
            let value = values.next().expect(name);
            assert_eq!(values.next(), None, "{name} is there once");
            value.to_owned()
        };
        Self {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signatures: header("webhook-signature")
                .split(' ')
                .map(str::to_owned)
                .collect(),
            body: body.to_owned(),
        }
    }

    /// Which of the signatures are by `key`.
    fn by(&self, key: &[u8]) -> Vec<bool> {
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let is_by = |signature: &String| {
            let tag = signature.strip_prefix("v1,").expect("a v1 signature");
            let tag = STANDARD.decode(tag).expect("base64");
            verify(&Key::new(HMAC_SHA256, key), signed.as_bytes(), &tag).is_ok()
        };
        self.signatures.iter().map(is_by).collect()
    }
}

async fn seen(peer: &Peer, target: &HttpTarget, request: AttemptRequest) -> Seen {
    let (answer, text) = join!(target.attempt(request), async {
        let closing = OK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        peer.accept().await.serve(&closing).await
    });
    expect_status(&answer, 200);
    Seen::read(&text)
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_knows_any_key_verifies_the_bytes_that_were_sent() {
    let _time = StandingTime::new();
    let (peer, wall) = (Peer::bind().await, Wall::default());
    let target = target(&peer, wall.signing(&[&NEW, &OLD]));
    let body = "{ \"a\" : 1 ,\r\n\"b\":\"\u{e4}.\u{2028}\" }\n\n";
    let seen = seen(&peer, &target, keyed(body)).await;
    assert_eq!(seen.body, body);
    assert_eq!(seen.by(&NEW), [true, false]);
    assert_eq!(seen.by(&OLD), [false, true]);
    assert_eq!(seen.by(&[3; 24]), [false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_has_the_same_id_at_another_time() {
    let _time = StandingTime::new();
    let (peer, wall) = (Peer::bind().await, Wall::default());
    let target = target(&peer, wall.signing(&[&OLD]));
    wall.set(1_614_265_330);
    let first = seen(&peer, &target, keyed("order")).await;
    wall.set(1_614_265_391);
    let second = seen(&peer, &target, keyed("order")).await;
    assert_eq!([&*first.id, &*second.id], ["dlv_1", "dlv_1"]);
    let times = [&*first.timestamp, &*second.timestamp];
    assert_eq!(times, ["1614265330", "1614265391"]);
    assert_ne!(first.signatures, second.signatures);
    assert_eq!(second.by(&OLD), [true]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_signed_too() {
    let _time = StandingTime::new();
    let (peer, wall) = (Peer::bind().await, Wall::default());
    let target = target(&peer, wall.signing(&[&OLD]));
    let seen = seen(&peer, &target, keyed("")).await;
    assert_eq!((&*seen.body, &*seen.by(&OLD)), ("", &[true][..]));
}

#[tokio::test(start_paused = true)]
async fn a_step_cant_sign_for_us() {
    let _time = StandingTime::new();
    let (peer, wall) = (Peer::bind().await, Wall::default());
    let target = target(&peer, wall.signing(&[&OLD]));
    let mut request = keyed("order");
    request.headers = headers(&[
        ("idempotency-key", "\"dlv_1\""),
        ("webhook-id", "theirs"),
        ("webhook-id", "theirs"),
        ("webhook-timestamp", "theirs"),
        ("webhook-signature", "theirs"),
        ("webhook-signature", "theirs"),
    ]);
    let seen = seen(&peer, &target, request).await;
    assert_eq!((&*seen.id, &*seen.by(&OLD)), ("dlv_1", &[true][..]));
}

#[tokio::test(start_paused = true)]
async fn over_http2_the_same_headers_are_sent() {
    let _time = StandingTime::new();
    let (peer, wall) = (Peer::bind().await, Wall::default());
    wall.set(1_614_265_330);
    let target = HttpTarget::try_new(Params {
        sign: Some(wall.signing(&[&OLD])),
        version: Version::Http2,
        ..peer.params()
    })
    .expect("a target");
    let attempt = tokio::spawn(target.attempt(keyed("order")));
    let taken = peer.accept().await.0;
    let mut streams = h2::server::handshake(taken).await.expect("a handshake");
    let (request, mut respond) = streams.accept().await.expect("one").expect("a request");
    let answer = http::Response::new(());
    respond.send_response(answer, true).expect("sent");
    let signature = &request.headers()["webhook-signature"];
    let seen = Seen {
        id: "dlv_1".to_owned(),
        timestamp: "1614265330".to_owned(),
        signatures: vec![signature.to_str().expect("text").to_owned()],
        body: "order".to_owned(),
    };
    assert_eq!(request.headers()["webhook-id"], seen.id);
    assert_eq!(request.headers()["webhook-timestamp"], seen.timestamp);
    assert_eq!(seen.by(&OLD), [true]);
    tokio::spawn(async move { while streams.accept().await.is_some() {} });
    expect_status(&attempt.await.expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_id_is_not_sent() {
    let (peer, wall) = (Peer::bind().await, Wall::default());
    let target = target(&peer, wall.signing(&[&OLD]));
    let answer = target.attempt(post("order")).await;
    let detail = expect_failure(&answer, FailureKind::Request, Sent::Nothing);
    let expected = "it can't be signed, since it has no idempotency key";
    assert_eq!(detail, expected);
    peer.expect_nobody().await;
}
