//! Credentials and signatures of each kind, changed by a reload while deliveries are under way: an
//! API that takes only the new ones from one moment on gets each message once.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::gateway::{Changing, Gateway, folder};
use crate::sink::Sent;

const GRACE: Duration = Duration::from_secs(10);

/// Starts a server that answers with what this gives: a status and a body.
async fn serve(answer: impl Fn(&Sent) -> (u16, String) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body
                        .collect()
                        .await
                        .map(http_body_util::Collected::to_bytes);
                    let (status, body) = answer(&Sent {
                        method: head.method.to_string(),
                        path: head.uri.to_string(),
                        headers: head.headers,
                        body: body.unwrap_or_default(),
                    });
                    let mut response = Response::new(Full::new(Bytes::from(body)));
                    *response.status_mut() = status.try_into().expect("a status");
                    Ok::<_, Infallible>(response)
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

/// A route `orders` to one target, with these lines of its own.
fn sections(api: SocketAddr, proof: &str) -> String {
    format!(
        "targets: {{ shop: {{ url: 'http://{api}/in', {proof}, breaker: {{ open_for: 50ms }}, \
         retry: {{ first: 10ms, max: 50ms, attempts: 1000 }} }} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [shop] }} }}"
    )
}

/// Which secret is the right one: of one generation, or of the next.
#[derive(Clone, Default)]
struct Current(Arc<AtomicUsize>);

impl Current {
    const SECRETS: [&str; 2] = ["old-secret", "new-secret"];

    fn get(&self) -> &'static str {
        Self::SECRETS[self.0.load(Ordering::SeqCst)]
    }

    fn rotate(&self) {
        self.0.store(1, Ordering::SeqCst);
    }
}

/// What proves who we are is changed under traffic. `proof` is what the config says with a
/// secret, `accepts` whether a request has been proved with it.
async fn check_rotation(
    current: Current,
    proof: impl Fn(&str) -> String,
    accepts: impl Fn(&Sent, &str) -> bool + Send + Sync + 'static,
) {
    const DURING: usize = 100;
    const AFTER: usize = 10;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (known, book) = (current.clone(), Arc::clone(&taken));
    let api = serve(move |sent| {
        if !accepts(sent, known.get()) {
            return (401, String::new());
        }
        let body = String::from_utf8(sent.body.to_vec()).expect("text");
        book.lock().expect("nobody panics with it").push(body);
        (200, String::new())
    })
    .await;
    let [old, new] = Current::SECRETS.map(|secret| sections(api, &proof(secret)));
    let folder = folder();
    let config = Changing::new(folder.path(), &old);
    let gateway = Gateway::start_changing(&config).await;
    let send = async |from: usize, to: usize| {
        let mut ids = Vec::new();
        for number in from..to {
            ids.push(gateway.send("/orders", number.to_string()).await);
        }
        ids
    };
    let first = send(0, 1).await;
    assert_eq!(gateway.ended(&first[0]).await["state"], "delivered");
    let rotate = async {
        current.rotate();
        config.set(&new);
        let reloaded = gateway.reload().await;
        assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    };
    let (half, ()) = tokio::join!(send(1, DURING), rotate);
    let rest = send(DURING, DURING + AFTER).await;
    for id in half.iter().chain(&rest) {
        let message = gateway.ended(id).await;
        assert_eq!(message["state"], "delivered", "{message}");
    }
    let taken = std::mem::take(&mut *taken.lock().expect("nobody panics with it"));
    let once: BTreeSet<usize> = taken
        .iter()
        .map(|body| body.parse().expect("a number"))
        .collect();
    assert_eq!(taken.len(), DURING + AFTER, "each once");
    assert!(once.into_iter().eq(0..DURING + AFTER));
    gateway.stop(GRACE).await;
}

fn has(sent: &Sent, name: &str, value: &str) -> bool {
    let mut values = sent.headers.get_all(name).iter();
    values.any(|given| given.as_bytes() == value.as_bytes())
}

#[tokio::test]
async fn a_bearer_is_changed_by_a_reload() {
    let proof = |secret: &str| format!("credentials: {{ bearer: {secret} }}");
    check_rotation(Current::default(), proof, |sent, secret| {
        has(sent, "authorization", &format!("Bearer {secret}"))
    })
    .await;
}

#[tokio::test]
async fn a_user_is_changed_by_a_reload() {
    let proof =
        |secret: &str| format!("credentials: {{ basic: {{ user: me, password: {secret} }} }}");
    check_rotation(Current::default(), proof, |sent, secret| {
        let encoded = STANDARD.encode(format!("me:{secret}"));
        has(sent, "authorization", &format!("Basic {encoded}"))
    })
    .await;
}

#[tokio::test]
async fn a_header_is_changed_by_a_reload() {
    let proof =
        |secret: &str| format!("credentials: {{ header: {{ name: x-key, value: {secret} }} }}");
    check_rotation(Current::default(), proof, |sent, secret| {
        has(sent, "x-key", secret)
    })
    .await;
}

#[tokio::test]
async fn a_parameter_is_changed_by_a_reload() {
    let proof =
        |secret: &str| format!("credentials: {{ query: {{ name: key, value: {secret} }} }}");
    check_rotation(Current::default(), proof, |sent, secret| {
        sent.path == format!("/in?key={secret}")
    })
    .await;
}

#[tokio::test]
async fn a_key_for_aws_is_changed_by_a_reload() {
    let proof = |secret: &str| {
        format!(
            "credentials: {{ sigv4: {{ access_key: {secret}, secret_key: {secret}, region: eu-west-1, service: execute-api }} }}"
        )
    };
    check_rotation(Current::default(), proof, |sent, secret| {
        let authorization = sent.header("authorization");
        authorization.starts_with(&format!("AWS4-HMAC-SHA256 Credential={secret}/"))
    })
    .await;
}

/// Whether a request is signed with a key, in one of the signatures that it has.
fn is_signed(sent: &Sent, scheme: &str, is_right: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let (id, time) = (sent.header("webhook-id"), sent.header("webhook-timestamp"));
    let signed = [format!("{id}.{time}.").as_bytes(), &sent.body].concat();
    let signatures = sent.header("webhook-signature").split(' ');
    let ours = signatures.filter_map(|signature| signature.strip_prefix(scheme));
    let mut ours = ours.map(|signature| STANDARD.decode(signature).expect("base64"));
    ours.any(|signature| is_right(&signed, &signature))
}

fn symmetric(secret: &str) -> [u8; 30] {
    std::array::from_fn(|at| secret.as_bytes()[at % secret.len()])
}

#[tokio::test]
async fn a_webhooks_secret_is_changed_by_a_reload() {
    let proof = |secret: &str| {
        let key = STANDARD.encode(symmetric(secret));
        format!("sign: {{ standard_webhooks: whsec_{key} }}")
    };
    check_rotation(Current::default(), proof, |sent, secret| {
        let key = Key::new(HMAC_SHA256, &symmetric(secret));
        is_signed(sent, "v1,", |text, tag| verify(&key, text, tag).is_ok())
    })
    .await;
}

fn seed(secret: &str) -> [u8; 32] {
    std::array::from_fn(|at| secret.as_bytes()[at % secret.len()])
}

#[tokio::test]
async fn a_webhooks_key_pair_is_changed_by_a_reload_that_keeps_the_other_keys() {
    let proof = |secret: &str| {
        let (seed, other) = (STANDARD.encode(seed(secret)), STANDARD.encode([7; 24]));
        format!("sign: {{ standard_webhooks: [whsec_{other}, whsk_{seed}] }}")
    };
    check_rotation(Current::default(), proof, |sent, secret| {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed(secret)).expect("a seed");
        let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
        let other = Key::new(HMAC_SHA256, &[7; 24]);
        is_signed(sent, "v1,", |text, tag| verify(&other, text, tag).is_ok())
            && is_signed(sent, "v1a,", |text, tag| public.verify(text, tag).is_ok())
    })
    .await;
}

#[tokio::test]
async fn a_secret_of_an_hmac_is_changed_by_a_reload() {
    let proof = |secret: &str| {
        format!(
            "sign: {{ hmac: {{ secret: [{secret}, other], encoding: base64, value: '{{timestamp}}[ {{signature}}]', content: '{{timestamp}} {{path}} {{body}}' }} }}"
        )
    };
    check_rotation(Current::default(), proof, |sent, secret| {
        let mut parts = sent.header("x-signature").split(' ');
        let time = parts.next().expect("a time");
        let signed = [format!("{time} /in ").as_bytes(), &sent.body].concat();
        [secret, "other"].iter().all(|secret| {
            let tag = STANDARD.decode(parts.next().expect("a signature"));
            let key = Key::new(HMAC_SHA256, secret.as_bytes());
            verify(&key, &signed, &tag.expect("base64")).is_ok()
        }) && parts.next().is_none()
    })
    .await;
}

/// A token server that knows the client by the current secret, and counts what it has given.
async fn token_server(current: &Current) -> (SocketAddr, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let (count, current) = (Arc::clone(&given), current.clone());
    let address = serve(move |sent| {
        let secret = current.get();
        let client = STANDARD.encode(format!("me:{secret}"));
        if !has(sent, "authorization", &format!("Basic {client}")) {
            return (401, r#"{"error":"invalid_client"}"#.to_owned());
        }
        count.fetch_add(1, Ordering::SeqCst);
        let token =
            format!(r#"{{"access_token":"for-{secret}","token_type":"Bearer","expires_in":3600}}"#);
        (200, token)
    })
    .await;
    (address, given)
}

#[tokio::test]
async fn a_clients_secret_is_changed_by_a_reload() {
    let current = Current::default();
    let (server, _) = token_server(&current).await;
    let proof = |secret: &str| {
        format!(
            "credentials: {{ oauth2: {{ token_url: 'http://{server}/token', client_id: me, client_secret: {secret} }} }}"
        )
    };
    check_rotation(current.clone(), proof, |sent, secret| {
        has(sent, "authorization", &format!("Bearer for-{secret}"))
    })
    .await;
}

#[tokio::test]
async fn a_token_is_kept_over_reloads_that_leave_alone_how_it_is_got() {
    let (server, given) = token_server(&Current::default()).await;
    let api = serve(|sent| {
        let is_right = has(sent, "authorization", "Bearer for-old-secret");
        (if is_right { 200 } else { 401 }, String::new())
    })
    .await;
    let with = |more: &str| {
        let client =
            format!("token_url: 'http://{server}/', client_id: me, client_secret: old-secret");
        sections(
            api,
            &format!("credentials: {{ oauth2: {{ {client} {more} }} }}"),
        )
    };
    let folder = folder();
    let config = Changing::new(folder.path(), &with(""));
    let gateway = Gateway::start_changing(&config).await;
    let other = with("").replace("POST /orders", "POST /others");
    for (sections, path, expected) in [
        (with(""), "/orders", 1),
        (other, "/others", 1),
        (with(", scope: more"), "/orders", 2),
        (with(", scope: more"), "/orders", 2),
    ] {
        config.set(&sections);
        assert_eq!(gateway.reload().await.status, 200);
        let id = gateway.send(path, "an order").await;
        assert_eq!(gateway.ended(&id).await["state"], "delivered");
        assert_eq!(given.load(Ordering::SeqCst), expected, "{sections}");
    }
    gateway.stop(GRACE).await;
}
