//! No answer, or one that comes byte by byte; no connection, or one that comes and goes.

use std::net::SocketAddr;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::peer::{Deed, Peer};
use super::{Scene, delivery, said};

/// Short, since nothing comes of it.
const SHORT: &str = "timeout: 300ms, retry: { first: 0s, attempts: 2 }";
/// Long enough for an answer's head on a machine that has much else to do.
const LONGER: &str = "timeout: 2s, retry: { attempts: 1 }";

/// A socket that has a port, and that nobody can connect to.
fn deaf() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).expect("a port");
    let address = socket.local_addr().expect("bound").as_socket();
    (socket, address.expect("it has one"))
}

#[tokio::test]
async fn who_never_answers_is_given_up_after_its_time() {
    let (refuses, refused) = deaf();
    let (unheard, queued) = deaf();
    unheard.listen(16).expect("it listens");
    let (full, crowded) = deaf();
    full.listen(0).expect("it listens");
    let _crowd = TcpStream::connect(crowded).await.expect("the only place");
    let mute = Peer::start(vec![Deed::SayAndStay("".into())]).await;
    let head = Deed::Crawl("HTTP/1.1 200 OK\r\nx: ".into(), "endless".into());
    let crawls = Peer::start(vec![head]).await;
    let hints = Deed::Crawl("".into(), "HTTP/1.1 103 Early Hints\r\n\r\n".into());
    let hints = Peer::start(vec![hints]).await;
    let cases = [
        ("refuses", refused, "connect to PEER: connection refused"),
        ("queues", queued, "exchange with PEER: no answer in time"),
        ("is_full", crowded, "connect to PEER: no connection in time"),
        (
            "mute",
            mute.address,
            "exchange with PEER: no answer in time",
        ),
        (
            "crawls",
            crawls.address,
            "exchange with PEER: no answer in time",
        ),
        (
            "hints",
            hints.address,
            "exchange with PEER: no answer in time",
        ),
    ];
    let targets = cases.map(|(name, address, _)| (name, address, SHORT));
    let mut scene = Scene::set(&targets).await;
    let id = scene.send(1).await.remove(0);
    let message = scene.ended(&id).await;
    for (name, address, expected) in cases {
        let expected = format!("dead exhausted, 2 attempts, status null: {expected}");
        assert_eq!(said(delivery(&message, name), address), expected);
    }
    for peer in [mute, crawls, hints] {
        peer.taken(2).await;
        peer.over().await;
        assert_eq!(peer.attempts(), 2);
    }
    drop((refuses, unheard, full));
    scene.stop().await;
}

#[tokio::test]
async fn a_body_that_crawls_is_not_waited_for_beyond_its_time() {
    let crawl = Deed::Crawl("HTTP/1.1 200 OK\r\n\r\n".into(), "x".into());
    let plain = Peer::start(vec![crawl.clone()]).await;
    let told = Peer::start(vec![crawl]).await;
    let asks = format!("success: '.ok == true', {LONGER}");
    let targets = [
        ("plain", plain.address, LONGER),
        ("told", told.address, &asks),
    ];
    let mut scene = Scene::set(&targets).await;
    let id = scene.send(1).await.remove(0);
    let message = scene.ended(&id).await;
    let plainly = said(delivery(&message, "plain"), plain.address);
    assert_eq!(plainly, "delivered -, 1 attempts, status 200: -");
    let refused = said(delivery(&message, "told"), told.address);
    let expected = "dead exhausted, 1 attempts, status 200: the answer's body broke off: xx";
    assert!(refused.starts_with(expected), "{refused}");
    for peer in [plain, told] {
        peer.over().await;
        assert_eq!(peer.attempts(), 1);
    }
    scene.stop().await;
}

#[tokio::test]
async fn who_refuses_gets_everything_once_it_listens() {
    let (socket, address) = deaf();
    let more = "retry: { first: 1ms, max: 1ms, attempts: 1000000 }, \
                breaker: { consecutive: 1000000, failure_ratio: 1, minimum: 1000000 }";
    let mut scene = Scene::set(&[("late", address, more)]).await;
    let ids = scene.send(5).await;
    let is_refused = |message: &Value| delivery(message, "late")["state"] == "retrying";
    for id in &ids {
        let message = scene.message(id, is_refused).await;
        let delivery = delivery(&message, "late");
        assert_eq!(
            delivery["detail"],
            format!("connect to {address}: connection refused")
        );
    }
    socket.listen(16).expect("it listens");
    socket.set_nonblocking(true).expect("for tokio");
    let listener = TcpListener::from_std(socket.into()).expect("a listener");
    let well = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let peer = Peer::listen(listener, vec![Deed::say(well)]);
    for id in &ids {
        let message = scene.ended(id).await;
        assert_eq!(message["state"], "delivered", "{message}");
    }
    assert_eq!(peer.attempts(), ids.len(), "each once");
    scene.stop().await;
}
