//! TLS: who is believed, and what is settled on.

use std::sync::Arc;

use fanway_target::http::{HttpTarget, Identity, LeastVersion, Params, Roots, Tls, Version};
use fanway_target::{Exchange, FailureKind, Sent, Target};
use http::Response;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::version::TLS12;
use rustls::{DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};
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

    /// A certificate for a name, and its key.
    fn issue(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        (certificate.der().clone(), key)
    }

    fn identity(&self) -> Identity {
        let (certificate, key) = self.issue("fanway.example");
        Identity::try_new(vec![certificate], key).expect("they fit")
    }

    /// What a server for `host` needs.
    pub(crate) fn acceptor(&self, host: &str, protocols: &[&str]) -> TlsAcceptor {
        let nobody = Arc::new(NoClientAuth);
        self.acceptor_of(host, protocols, DEFAULT_VERSIONS, nobody)
    }

    /// What a server for `host` needs that takes only clients of this authority.
    fn acceptor_of_ours(&self, host: &str) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an authority");
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().expect("a verifier");
        self.acceptor_of(host, &["http/1.1"], DEFAULT_VERSIONS, verifier)
    }

    fn acceptor_of(
        &self,
        host: &str,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
        clients: Arc<dyn ClientCertVerifier>,
    ) -> TlsAcceptor {
        let (certificate, key) = self.issue(host);
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("supported")
            .with_client_cert_verifier(clients)
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

/// A target on 127.0.0.1 with more to its TLS.
fn target_with(peer: &Peer, roots: Roots, tls: Tls) -> HttpTarget {
    let params = Params {
        roots,
        tls,
        ..params(&format!("https://127.0.0.1:{}/", peer.port()))
    };
    HttpTarget::try_new(params).expect("a target")
}

#[tokio::test(start_paused = true)]
async fn a_target_that_asks_who_we_are_is_shown_our_certificate() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let tls = Tls {
        identity: Some(authority.identity()),
        ..Tls::default()
    };
    let target = target_with(&peer, authority.roots(), tls);
    let acceptor = authority.acceptor_of_ours("127.0.0.1");
    let (answer, ()) = join!(attempt(&target), async {
        let mut stream = accept(&peer, &acceptor).await.expect("a handshake");
        let shown = stream.get_ref().1.peer_certificates();
        assert_eq!(shown.map(<[_]>::len), Some(1));
        serve_http1(&mut stream).await;
    });
    expect_status(&answer, 200);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_knows_other_clients_only_takes_nothing() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    for identity in [None, Some(Authority::new().identity())] {
        let tls = Tls {
            identity,
            ..Tls::default()
        };
        let target = target_with(&peer, authority.roots(), tls);
        let acceptor = authority.acceptor_of_ours("127.0.0.1");
        let (answer, refused) = join!(attempt(&target), accept(&peer, &acceptor));
        assert!(refused.is_err());
        let Exchange::Failed { detail, .. } = answer.exchange else {
            panic!("answered")
        };
        assert!(detail.contains("fatal alert"), "{detail}");
    }
}

#[test]
fn a_key_of_another_certificate_is_no_identity() {
    let authority = Authority::new();
    let ((certificate, _), (_, key)) = (authority.issue("a"), authority.issue("b"));
    let error = Identity::try_new(vec![certificate], key).expect_err("another key");
    assert_eq!(error.to_string(), "the key isn't that of the certificate");
    let (_, key) = authority.issue("c");
    let error = Identity::try_new(Vec::new(), key).expect_err("no certificate");
    assert_eq!(error.to_string(), "there is no certificate");
}

#[tokio::test(start_paused = true)]
async fn a_target_is_asked_for_by_the_name_that_its_certificate_has() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let tls = Tls {
        server_name: Some("stock.invalid".to_owned()),
        ..Tls::default()
    };
    let target = target_with(&peer, authority.roots(), tls);
    let acceptor = authority.acceptor("stock.invalid", &["http/1.1"]);
    let (answer, ()) = join!(attempt(&target), async {
        let mut stream = accept(&peer, &acceptor).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.server_name(), Some("stock.invalid"));
        serve_http1(&mut stream).await;
    });
    expect_status(&answer, 200);
    let acceptor = authority.acceptor("127.0.0.1", &["http/1.1"]);
    let target = target_with(
        &peer,
        authority.roots(),
        Tls {
            server_name: Some("stock.invalid".to_owned()),
            ..Tls::default()
        },
    );
    check_refused(
        &target,
        &peer,
        &acceptor,
        "not valid for name \"stock.invalid\"",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_older_tls_than_the_least_is_refused() {
    let _time = StandingTime::new();
    let (peer, authority) = (Peer::bind().await, Authority::new());
    let nobody = Arc::new(NoClientAuth);
    let acceptor = authority.acceptor_of("127.0.0.1", &["http/1.1"], &[&TLS12], nobody);
    let target = target_with(&peer, authority.roots(), Tls::default());
    let (answer, ()) = join!(attempt(&target), async {
        let mut stream = accept(&peer, &acceptor).await.expect("a handshake");
        serve_http1(&mut stream).await;
    });
    expect_status(&answer, 200);
    let target = target_with(
        &peer,
        authority.roots(),
        Tls {
            least_version: LeastVersion::Tls13,
            ..Tls::default()
        },
    );
    check_refused(&target, &peer, &acceptor, "fatal alert: ProtocolVersion").await;
}
