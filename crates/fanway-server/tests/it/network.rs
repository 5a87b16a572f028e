//! Where connections go, and how: what callbacks may reach, certificates that are rotated, proxies.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::gateway::{Changing, Gateway, config, folder};
use crate::sink::Sink;

const GRACE: Duration = Duration::from_secs(10);

/// A route whose senders may name callbacks to this sink by name.
fn with_callbacks(top: &str, inventory: &Sink, told: &Sink) -> String {
    format!(
        "{top}\n\
         callbacks: {{ sign: {{ standard_webhooks: whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s= }} }}\n\
         targets: {{ inventory: {{ url: 'http://{}' }} }}\n\
         routes:\n\
         \x20 orders:\n\
         \x20   match: POST /orders\n\
         \x20   send: [inventory]\n\
         \x20   callback: {{ allow: 'http://localhost:{}' }}\n",
        inventory.address,
        told.address.port()
    )
}

async fn send_with_callback(gateway: &Gateway, told: &Sink) {
    let url = format!("http://localhost:{}/told", told.address.port());
    let request = Request::post("/orders").header("fanway-callback", url);
    let answer = gateway.ask(request, Bytes::from_static(b"7")).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// Waits until there are so many dead letters; returns the newest.
async fn dead_letters(gateway: &Gateway, count: usize) -> serde_json::Value {
    let are_there = |page: &serde_json::Value| {
        page["dead"]
            .as_array()
            .is_some_and(|dead| dead.len() == count)
    };
    let mut page = gateway.admin_until("/api/v1/dead", are_there).await;
    page["dead"][0].take()
}

#[tokio::test]
async fn a_callback_reaches_what_egress_allows_and_no_connection_outlives_that() {
    let folder = folder();
    let (inventory, mut told) = (Sink::start(Some(200)).await, Sink::start(Some(200)).await);
    let closed = with_callbacks("", &inventory, &told);
    let open = with_callbacks("egress: { allow: [127.0.0.0/8] }", &inventory, &told);
    let config = Changing::new(folder.path(), &closed);
    let gateway = Gateway::start_changing(&config).await;

    send_with_callback(&gateway, &told).await;
    let dead = dead_letters(&gateway, 1).await;
    assert_eq!(dead["reason"], "egress", "{dead}");
    let detail = dead["detail"].as_str().expect("a reason");
    assert!(
        detail.contains(" is loopback (") && detail.ends_with("`egress.allow` doesn't have it"),
        "{detail}"
    );

    config.set(&open);
    assert_eq!(gateway.reload().await.status, 200);
    send_with_callback(&gateway, &told).await;
    assert_eq!(told.next().await.path, "/told");

    // The connection is held, and goes with what allowed it.
    config.set(&closed);
    assert_eq!(gateway.reload().await.status, 200);
    send_with_callback(&gateway, &told).await;
    let dead = dead_letters(&gateway, 2).await;
    assert_eq!(dead["reason"], "egress", "{dead}");
    assert!(told.is_quiet());
    gateway.stop(GRACE).await;
}

/// A certificate authority, and what it has issued.
struct Authority {
    pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed");
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes `ca.pem`, `client.pem` and `client.key`.
    fn write_to(&self, folder: &Path) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["fanway.example".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        for (name, content) in [
            ("ca.pem", self.pem.clone()),
            ("client.pem", certificate.pem()),
            ("client.key", key.serialize_pem()),
        ] {
            fs::write(folder.join(name), content).expect("written");
        }
    }

    /// A server of 127.0.0.1 that takes this authority's clients only.
    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an authority");
        let provider = Arc::new(default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("supported")
            .with_client_cert_verifier(clients.build().expect("a verifier"))
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("they fit");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Ends TLS before a sink, by what is in `acceptor` when a connection comes.
async fn end_tls(listener: TcpListener, acceptor: Arc<Mutex<TlsAcceptor>>, sink: Sink) {
    let sink_address = sink.address;
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let acceptor = acceptor.lock().expect("nobody panics with it").clone();
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut behind = TcpStream::connect(sink_address).await.expect("the sink");
            let _closed = copy_bidirectional(&mut stream, &mut behind).await;
        });
    }
}

#[tokio::test]
async fn certificates_are_rotated_by_a_reload_and_no_delivery_is_lost() {
    let folder = folder();
    let (old, new) = (Authority::new(), Authority::new());
    old.write_to(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let acceptor = Arc::new(Mutex::new(old.acceptor()));
    let sink = Sink::start(Some(200)).await;
    let serving = tokio::spawn(end_tls(listener, Arc::clone(&acceptor), sink));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let sections = format!(
        "targets:\n\
         \x20 inventory:\n\
         \x20   url: 'https://{address}/stock'\n\
         \x20   retry: {{ first: 20ms, max: 20ms, attempts: 10000 }}\n\
         \x20   breaker: {{ consecutive: 10000, failure_ratio: 1, minimum: 10000 }}\n\
         \x20   tls: {{ ca: {:?}, certificate: {:?}, key: {:?}, min_version: 1.3 }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [inventory] }} }}\n",
        path("ca.pem"),
        path("client.pem"),
        path("client.key")
    );
    let config = Changing::new(folder.path(), &sections);
    let gateway = Gateway::start_changing(&config).await;
    let id = gateway.send("/orders", "by the old ones").await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");

    *acceptor.lock().expect("nobody panics with it") = new.acceptor();
    // What the connection that is held carries doesn't count: drop it.
    assert_eq!(gateway.reload().await.status, 200);
    let id = gateway.send("/orders", "by the new ones").await;
    let status = format!("/api/v1/messages/{id}");
    let is_retried = |message: &serde_json::Value| message["deliveries"][0]["attempts"] != 0;
    gateway.admin_until(&status, is_retried).await;

    // Half of it is refused, and changes nothing.
    fs::copy(
        folder.path().join("client.key"),
        folder.path().join("old.key"),
    )
    .expect("copied");
    new.write_to(folder.path());
    fs::copy(
        folder.path().join("client.key"),
        folder.path().join("new.key"),
    )
    .expect("copied");
    fs::copy(
        folder.path().join("old.key"),
        folder.path().join("client.key"),
    )
    .expect("copied");
    let refused = gateway.reload().await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(
        refused
            .text()
            .contains("the key isn't that of the certificate"),
        "{}",
        refused.text()
    );
    fs::copy(
        folder.path().join("new.key"),
        folder.path().join("client.key"),
    )
    .expect("copied");
    let reloaded = gateway.reload().await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    gateway.stop(GRACE).await;
    serving.abort();
}

/// A proxy that tunnels once to where it is asked to, and tells where that was.
async fn tunnel(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("more of the head"));
    }
    let head = String::from_utf8(head).expect("text");
    let to = head.split(' ').nth(1).expect("a destination").to_owned();
    let mut behind = TcpStream::connect(&to).await.expect("the destination");
    let granted = b"HTTP/1.1 200 OK\r\n\r\n";
    stream.write_all(granted).await.expect("written");
    let _closed = copy_bidirectional(&mut stream, &mut behind).await;
    head
}

#[tokio::test]
async fn a_target_is_reached_by_its_proxy() {
    let folder = folder();
    let authority = Authority::new();
    authority.write_to(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let acceptor = Arc::new(Mutex::new(authority.acceptor()));
    let sink = Sink::start(Some(200)).await;
    let serving = tokio::spawn(end_tls(listener, acceptor, sink));
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy_address = proxy.local_addr().expect("bound");
    let tunnelled = tokio::spawn(tunnel(proxy));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let sections = format!(
        "targets:\n\
         \x20 inventory:\n\
         \x20   url: 'https://{address}/stock'\n\
         \x20   proxy: {{ url: 'http://{proxy_address}', user: me, password: hunter2 }}\n\
         \x20   tls: {{ ca: {:?}, certificate: {:?}, key: {:?} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [inventory] }} }}\n",
        path("ca.pem"),
        path("client.pem"),
        path("client.key")
    );
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway.send("/orders", "7").await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    gateway.stop(GRACE).await;
    let head = tunnelled.await.expect("it was asked");
    assert!(
        head.starts_with(&format!("CONNECT {address} HTTP/1.1\r\n")),
        "{head}"
    );
    assert!(
        head.contains("\r\nproxy-authorization: Basic bWU6aHVudGVyMg==\r\n"),
        "{head}"
    );
    serving.abort();
}
