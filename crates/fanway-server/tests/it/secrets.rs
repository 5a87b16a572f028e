//! Where secrets must not be found: anything that is shown, and anything that is kept.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;

use crate::gateway::{Gateway, config, folder};
use crate::sink::Sink;

const OURS: &str = "token-of-the-target-3f9c";
const THEIRS: &str = "token-of-the-sender-81ab";

/// The files below a folder in which one of the secrets stands, however deep.
fn files_with_secrets(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with_secrets(&path));
        } else if has_secret(&fs::read(&path).expect("a file")) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn has_secret(bytes: &[u8]) -> bool {
    let stands_in = |secret: &str| {
        bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    stands_in(OURS) || stands_in(THEIRS)
}

#[tokio::test]
async fn neither_our_credentials_nor_a_senders_are_shown_or_kept() {
    let folder = folder();
    let mut inventory = Sink::start(Some(422)).await;
    let sections = format!(
        "targets:\n\
         \x20 inventory: {{ url: 'http://{}', credentials: {{ bearer: {OURS} }} }}\n\
         routes:\n\
         \x20 orders: {{ match: POST /orders, send: [{{ to: inventory, forward: [x-note] }}] }}\n",
        inventory.address
    );
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let request = Request::post("/orders")
        .header("authorization", format!("Bearer {THEIRS}"))
        .header("cookie", format!("session={THEIRS}"))
        .header("x-note", "kept");
    let accepted = gateway.ask(request, Bytes::from_static(b"{}")).await;
    let id = accepted.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(gateway.ended(&id).await["state"], "failed");

    // It is really sent, and the sender's isn't passed on.
    let sent = inventory.next().await;
    assert_eq!(sent.header("authorization"), format!("Bearer {OURS}"));
    assert_eq!(sent.header("x-note"), "kept");

    let dead = gateway.dead_letter().await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for path in [
        format!("/api/v1/dead/{dead}"),
        format!("/api/v1/messages/{id}"),
        "/api/v1/targets".to_owned(),
        "/metrics".to_owned(),
        "/readyz".to_owned(),
    ] {
        assert!(!has_secret(&gateway.admin(&path).await.body), "{path}");
    }
    gateway.stop(Duration::from_secs(10)).await;
    assert_eq!(files_with_secrets(folder.path()), [""; 0]);
}

/// A target that refuses what it is sent, and says how it is proved who we are.
fn refused(name: &str, sink: &Sink, proof: &str) -> String {
    format!(
        "\x20 {name}: {{ url: 'http://{}', retry: {{ attempts: 1 }}, {proof} }}\n",
        sink.address
    )
}

#[tokio::test]
async fn no_other_kind_of_proof_is_shown_or_kept_either() {
    let folder = folder();
    let (sink, server) = (Sink::start(Some(422)).await, Sink::start(Some(500)).await);
    let client = format!(
        "token_url: 'http://{}/{OURS}', client_id: {OURS}, client_secret: {OURS}",
        server.address
    );
    let keys = format!("access_key: {OURS}, secret_key: {OURS}, session_token: {OURS}");
    let targets = [
        refused(
            "a",
            &sink,
            &format!("credentials: {{ query: {{ name: key, value: {OURS} }} }}"),
        ),
        refused(
            "b",
            &sink,
            &format!("credentials: {{ oauth2: {{ {client} }} }}"),
        ),
        refused(
            "c",
            &sink,
            &format!("credentials: {{ oauth2: {{ {client}, auth: body }} }}"),
        ),
        refused(
            "d",
            &sink,
            &format!("credentials: {{ sigv4: {{ {keys}, region: r, service: s }} }}"),
        ),
        refused(
            "e",
            &sink,
            &format!("sign: {{ hmac: {{ secret: {OURS} }} }}"),
        ),
    ];
    let sections = format!(
        "targets:\n{}routes:\n\x20 orders: {{ match: POST /orders, send: [a, b, c, d, e] }}\n",
        targets.concat()
    );
    let gateway = Gateway::start(config(folder.path(), &sections)).await;
    let id = gateway.send("/orders", "{}").await;
    assert_eq!(gateway.ended(&id).await["state"], "failed");
    let dead = gateway.admin("/api/v1/dead").await.json();
    let dead = dead["dead"].as_array().expect("a list");
    assert_eq!(dead.len(), 5, "{dead:?}");
    let why = format!("no token from {}: it answered 500", server.address);
    let messages = gateway.admin(&format!("/api/v1/messages/{id}")).await;
    assert!(messages.text().contains(&why), "{}", messages.text());
    let ids = dead.iter().map(|dead| dead["id"].as_str().expect("an id"));
    let mut paths: Vec<_> = ids.map(|id| format!("/api/v1/dead/{id}")).collect();
    paths.extend([
        format!("/api/v1/messages/{id}"),
        format!("/fanway/messages/{id}"),
    ]);
    paths.extend(["/api/v1/targets", "/metrics", "/readyz"].map(str::to_owned));
    for path in paths {
        assert!(!has_secret(&gateway.admin(&path).await.body), "{path}");
    }
    gateway.stop(Duration::from_secs(10)).await;
    assert_eq!(files_with_secrets(folder.path()), [""; 0]);
}
