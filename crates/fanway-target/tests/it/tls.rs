//! TLS: who is believed, and what is settled on.

use std::sync::Arc;

use fanway_target::http::{HttpTarget, Params, Roots, Version};
use fanway_target::{FailureKind, Sent, Target};
use http::Response;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::{join, spawn};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::peer::{OK, Peer, StandingTime, attempt, expect_failure, expect_status, get, params};

/// A certificate authority of our own.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed").der().clone();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::only(vec![self.certificate.clone()])
    }

    /// What a server for `host` needs.
    fn acceptor(&self, host: &str, protocols: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a name");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("signed")
            .der()
            .clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("supported")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they fit");
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn target(peer: &Peer, host: &str, roots: Roots, version: Version) -> HttpTarget {
    let params = Params {
        roots,
        version,
        ..params(&format!("https://{host}:{}/", peer.port()))
    };
    HttpTarget::try_new(params).expect("a target")
}

async fn accept(peer: &Peer, acceptor: &TlsAcceptor) -> std::io::Result<TlsStream<TcpStream>> {
    acceptor.accept(peer.accept().await.0).await
}

async fn serve_http1(stream: &mut TlsStream<TcpStream>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("more of the head"));
    }
    stream.write_all(OK.as_bytes()).await.expect("written");
    stream.flush().await.expect("written");
}

#[tokio::test(start_paused = true)]
async fn an_authority_of_our_own_is_believed_and_the_connection_used_again() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    // Its other address, ::1, refuses the connection.
    let target = target(&peer, "localhost", authority.roots(), Version::Auto);
    let acceptor = authority.acceptor("localhost", &["http/1.1"]);
    let (answer, mut stream) = join!(attempt(&target), async {
        let mut stream = accept(&peer, &acceptor).await.expect("a handshake");
        serve_http1(&mut stream).await;
        stream
    });
    expect_status(&answer, 200);
    let (answer, ()) = join!(attempt(&target), serve_http1(&mut stream));
    expect_status(&answer, 200);
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn attempts_that_begin_together_share_what_turns_out_to_be_http2() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let target = target(&peer, "127.0.0.1", authority.roots(), Version::Auto);
    let attempts: Vec<_> = (0..8).map(|_| spawn(target.attempt(get("")))).collect();
    let acceptor = authority.acceptor("127.0.0.1", &["h2", "http/1.1"]);
    let stream = accept(&peer, &acceptor).await.expect("a handshake");
    let mut streams = h2::server::handshake(stream).await.expect("a handshake");
    let serving = spawn(async move {
        while let Some(Ok((_request, mut respond))) = streams.accept().await {
            respond
                .send_response(Response::new(()), true)
                .expect("sent");
        }
    });
    for attempt in attempts {
        expect_status(&attempt.await.expect("an answer"), 200);
    }
    peer.expect_nobody().await;
    drop(target);
    serving.await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn attempts_that_begin_together_each_get_a_connection_where_it_is_http1() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let target = target(&peer, "127.0.0.1", authority.roots(), Version::Auto);
    let attempts: Vec<_> = (0..3).map(|_| spawn(target.attempt(get("")))).collect();
    let acceptor = authority.acceptor("127.0.0.1", &[]);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(accept(&peer, &acceptor).await.expect("a handshake"));
    }
    for stream in &mut open {
        serve_http1(stream).await;
    }
    for attempt in attempts {
        expect_status(&attempt.await.expect("an answer"), 200);
    }
}

/// What a handshake comes to that one side won't end.
async fn check_refused(target: &HttpTarget, peer: &Peer, acceptor: &TlsAcceptor, expected: &str) {
    let (answer, _failed) = join!(attempt(target), accept(peer, acceptor));
    let detail = expect_failure(&answer, FailureKind::Tls, Sent::Nothing);
    assert!(
        detail.starts_with("TLS with 127.0.0.1:") && detail.contains(expected),
        "{detail}"
    );
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_another_host_is_refused() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let target = target(&peer, "127.0.0.1", authority.roots(), Version::Auto);
    let acceptor = authority.acceptor("inventory.example", &["http/1.1"]);
    check_refused(
        &target,
        &peer,
        &acceptor,
        "certificate not valid for name \"127.0.0.1\"",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_nobody_we_know_is_refused() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer, "127.0.0.1", Authority::new().roots(), Version::Auto);
    let acceptor = Authority::new().acceptor("127.0.0.1", &["http/1.1"]);
    check_refused(&target, &peer, &acceptor, "invalid peer certificate").await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_http2_is_refused_where_it_is_asked_for() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let target = target(&peer, "127.0.0.1", authority.roots(), Version::Http2);
    let acceptor = authority.acceptor("127.0.0.1", &[]);
    let (answer, _open) = join!(attempt(&target), accept(&peer, &acceptor));
    let detail = expect_failure(&answer, FailureKind::Protocol, Sent::Nothing);
    assert!(detail.ends_with("it doesn't speak HTTP/2"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_tls_is_refused() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    let target = target(&peer, "127.0.0.1", Authority::new().roots(), Version::Auto);
    let (answer, _open) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.write("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        taken
    });
    expect_failure(&answer, FailureKind::Tls, Sent::Nothing);
}
