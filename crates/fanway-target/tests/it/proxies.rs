//! Targets behind proxies that are scripted byte by byte.

use fanway_target::http::{HttpTarget, Login, Params, Proxy, ProxyKind, Version};
use fanway_target::{FailureKind, Sent};
use fanway_types::{Egress, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::join;
use tokio::time::advance;

use crate::peer::{
    OK, Peer, StandingTime, Taken, attempt, expect_failure, expect_status, params, settle,
};
use crate::tls::Authority;

fn login() -> Login {
    Login {
        user: Secret::new("me".to_owned()),
        password: Secret::new("hunter2".to_owned()),
    }
}

fn proxy(kind: ProxyKind, peer: &Peer, login: Option<Login>) -> Option<Proxy> {
    let proxy = Proxy::try_new(kind, "127.0.0.1".to_owned(), peer.port(), login);
    Some(proxy.expect("a proxy"))
}

fn target(url: &str, proxy: Option<Proxy>) -> HttpTarget {
    HttpTarget::try_new(Params {
        proxy,
        roots: Authority::new().roots(),
        ..params(url)
    })
    .expect("a target")
}

async fn read(taken: &mut Taken, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    taken.0.read_exact(&mut bytes).await.expect("so many bytes");
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_plain_request_names_the_whole_url_and_the_connection_is_used_again() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let proxy = proxy(ProxyKind::Http, &peer, Some(login()));
    let target = target("http://stock.invalid:8080/v1", proxy);
    let (answer, mut taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        let request = taken.serve(OK).await;
        let head = "GET http://stock.invalid:8080/v1 HTTP/1.1\r\nhost: stock.invalid:8080\r\n\
                    proxy-authorization: Basic bWU6aHVudGVyMg==\r\n\r\n";
        assert_eq!(request, head);
        taken
    });
    expect_status(&answer, 200);
    let (answer, _request) = join!(attempt(&target), taken.serve(OK));
    expect_status(&answer, 200);
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn https_goes_through_a_tunnel_that_the_targets_certificate_is_checked_in() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let target = HttpTarget::try_new(Params {
        proxy: proxy(ProxyKind::Http, &peer, Some(login())),
        roots: authority.roots(),
        ..params("https://stock.invalid/v1")
    })
    .expect("a target");
    let acceptor = authority.acceptor("stock.invalid", &["http/1.1"]);
    let (answer, ()) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        let request = taken.request().await;
        let head = "CONNECT stock.invalid:443 HTTP/1.1\r\nhost: stock.invalid:443\r\n\
                    proxy-authorization: Basic bWU6aHVudGVyMg==\r\n\r\n";
        assert_eq!(request, head);
        taken
            .write("HTTP/1.1 200 Connection established\r\nvia: p\r\n\r\n")
            .await;
        let mut stream = acceptor.accept(taken.0).await.expect("a handshake");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("more of the head"));
        }
        let head = String::from_utf8(head).expect("text");
        assert_eq!(head, "GET /v1 HTTP/1.1\r\nhost: stock.invalid\r\n\r\n");
        stream.write_all(OK.as_bytes()).await.expect("written");
        stream.flush().await.expect("written");
    });
    expect_status(&answer, 200);
}

/// What comes of an answer to `CONNECT`.
async fn check_refused(with: Option<Login>, answer: &str, expected: &str) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let proxy = proxy(ProxyKind::Http, &peer, with);
    let target = target("https://stock.invalid/", proxy);
    let (answered, ()) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.request().await;
        taken.write(answer).await;
    });
    let detail = expect_failure(&answered, FailureKind::Proxy, Sent::Nothing);
    let port = peer.port();
    assert_eq!(
        detail,
        format!("proxy 127.0.0.1:{port} refused stock.invalid:443: {expected}")
    );
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_says_why() {
    let wants = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    let reason = "407 Proxy Authentication Required";
    check_refused(Some(login()), wants, reason).await;
    let without = format!("{reason}: it wants a user and a password");
    check_refused(None, wants, &without).await;
    check_refused(None, "HTTP/1.0 403\r\n\r\n", "403").await;
    check_refused(None, "SSH-2.0-x\r\n\r\n", "its answer is no HTTP").await;
    check_refused(None, "HTTP/1.1 200 OK\r\n", "it closed the connection").await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_is_no_connection() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let proxy = proxy(ProxyKind::Http, &peer, None);
    let params = Params {
        proxy,
        roots: Authority::new().roots(),
        ..params("https://stock.invalid/")
    };
    let connect = params.timeouts.connect;
    let target = HttpTarget::try_new(params).expect("a target");
    let (answer, _taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.request().await;
        settle().await;
        advance(connect).await;
        taken
    });
    let detail = expect_failure(&answer, FailureKind::ConnectTimeout, Sent::Nothing);
    let port = peer.port();
    assert_eq!(
        detail,
        format!("connect to stock.invalid:443 by proxy 127.0.0.1:{port}: no connection in time")
    );
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_not_there_is_named() {
    let peer = Peer::bind().await;
    let (port, proxy) = (peer.port(), proxy(ProxyKind::Socks5h, &peer, None));
    drop(peer);
    let answer = attempt(&target("http://stock.invalid/", proxy)).await;
    let detail = expect_failure(&answer, FailureKind::Connect, Sent::Nothing);
    assert_eq!(
        detail,
        format!("connect to proxy 127.0.0.1:{port}: connection refused")
    );
}

#[tokio::test(start_paused = true)]
async fn http2_by_prior_knowledge_goes_through_a_tunnel() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = HttpTarget::try_new(Params {
        proxy: proxy(ProxyKind::Http, &peer, None),
        version: Version::Http2,
        ..params("http://stock.invalid/")
    })
    .expect("a target");
    let (_broken, ()) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        let request = taken.serve("HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(
            request.starts_with("CONNECT stock.invalid:80 "),
            "{request}"
        );
        assert_eq!(read(&mut taken, 14).await, b"PRI * HTTP/2.0");
    });
}

/// Takes a connection by SOCKS 5 up to its request, which has `length` bytes.
async fn greeted(peer: &Peer, with: Option<&Login>, length: usize) -> (Taken, Vec<u8>) {
    let mut taken = peer.accept().await;
    if with.is_some() {
        assert_eq!(read(&mut taken, 4).await, [5, 2, 0, 2]);
        taken.0.write_all(&[5, 2]).await.expect("written");
        assert_eq!(read(&mut taken, 12).await, b"\x01\x02me\x07hunter2"[..12]);
        taken.0.write_all(&[1, 0]).await.expect("written");
    } else {
        assert_eq!(read(&mut taken, 3).await, [5, 1, 0]);
        taken.0.write_all(&[5, 0]).await.expect("written");
    }
    let request = read(&mut taken, length).await;
    (taken, request)
}

async fn check_socks(kind: ProxyKind, host: &str, with: Option<Login>, expected: &[u8]) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(
        &format!("http://{host}:8080/v1"),
        proxy(kind, &peer, with.clone()),
    );
    let (answer, ()) = join!(attempt(&target), async {
        let (mut taken, request) = greeted(&peer, with.as_ref(), expected.len()).await;
        assert_eq!(request, expected, "{kind:?} {host}");
        let granted = [5, 0, 0, 1, 10, 0, 0, 1, 0, 1];
        taken.0.write_all(&granted).await.expect("written");
        let request = taken.serve(OK).await;
        assert!(request.starts_with("GET /v1 HTTP/1.1\r\n"), "{request}");
    });
    expect_status(&answer, 200);
}

#[tokio::test(start_paused = true)]
async fn socks5_is_given_addresses_and_socks5h_names() {
    let name = b"\x05\x01\x00\x03\x0dstock.invalid\x1f\x90";
    check_socks(ProxyKind::Socks5h, "stock.invalid", Some(login()), name).await;
    let four = [5, 1, 0, 1, 192, 0, 2, 7, 0x1f, 0x90];
    check_socks(ProxyKind::Socks5, "192.0.2.7", None, &four).await;
    check_socks(ProxyKind::Socks5h, "192.0.2.7", None, &four).await;
    let mut six = vec![5, 1, 0, 4];
    six.extend([0; 15]);
    six.extend([1, 0x1f, 0x90]);
    check_socks(ProxyKind::Socks5, "[::1]", Some(login()), &six).await;
}

async fn check_socks_refused(reply: &[u8], expected: &str) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let proxy = proxy(ProxyKind::Socks5h, &peer, None);
    let target = target("http://stock.invalid/", proxy);
    let (answer, ()) = join!(attempt(&target), async {
        let (mut taken, _request) = greeted(&peer, None, 20).await;
        taken.0.write_all(reply).await.expect("written");
    });
    let detail = expect_failure(&answer, FailureKind::Proxy, Sent::Nothing);
    let port = peer.port();
    assert_eq!(
        detail,
        format!("proxy 127.0.0.1:{port} refused stock.invalid:80: {expected}")
    );
}

#[tokio::test(start_paused = true)]
async fn a_socks_proxy_that_refuses_says_why() {
    check_socks_refused(&[5, 2, 0, 1], "its rules don't allow it").await;
    check_socks_refused(&[5, 5, 0, 1], "connection refused").await;
    check_socks_refused(&[5, 99, 0, 1], "it failed").await;
    check_socks_refused(&[5, 0, 0, 9], "its answer is no SOCKS 5").await;
    check_socks_refused(&[5, 0], "it closed the connection").await;
}

/// What comes of a greeting that is answered so.
async fn check_greeting(with: Option<Login>, answers: &[&[u8]], expected: &str) {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let proxy = proxy(ProxyKind::Socks5h, &peer, with);
    let target = target("http://stock.invalid/", proxy);
    let (answer, _taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        for answer in answers {
            taken.0.write_all(answer).await.expect("written");
        }
        taken
    });
    let detail = expect_failure(&answer, FailureKind::Proxy, Sent::Nothing);
    assert!(
        detail.ends_with(expected) && !detail.contains("hunter2"),
        "{detail}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_socks_proxy_that_takes_no_login_of_ours_says_so() {
    check_greeting(None, &[&[5, 0xff]], ": it wants a user and a password").await;
    let other = ": it wants to be logged in to in another way";
    check_greeting(Some(login()), &[&[5, 0xff]], other).await;
    check_greeting(None, &[&[5, 1]], other).await;
    let unknown = ": it doesn't know the user or the password";
    check_greeting(Some(login()), &[&[5, 2], &[1, 1]], unknown).await;
    check_greeting(None, &[&[4, 0]], ": it doesn't speak SOCKS 5").await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_connected_to_is_not_asked_of_a_proxy() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let egress = Egress::public(&[], &[]);
    for (kind, host) in [
        (ProxyKind::Http, "127.1"),
        (ProxyKind::Socks5h, "0x7f.1"),
        (ProxyKind::Socks5, "localhost"),
    ] {
        let target = HttpTarget::try_new(Params {
            egress: egress.clone(),
            proxy: proxy(kind, &peer, None),
            ..params(&format!("http://{host}/"))
        })
        .expect("a target");
        let answer = attempt(&target).await;
        let detail = expect_failure(&answer, FailureKind::Egress, Sent::Nothing);
        assert!(detail.contains(" is loopback ("), "{detail}");
    }
    peer.expect_nobody().await;
    // The proxy itself is the config's, and need not be public.
    let target = HttpTarget::try_new(Params {
        egress,
        proxy: proxy(ProxyKind::Http, &peer, None),
        ..params("http://stock.invalid/")
    })
    .expect("a target");
    let (answer, _taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    });
    expect_status(&answer, 200);
}
