//! A config that changes while its server runs.

use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use serde_json::Value;

use crate::gateway::{Changing, Gateway, folder, smallest};
use crate::sink::Sink;

/// A route `orders` to one target of this name and address.
fn one(target: &str, sink: &Sink, more: &str) -> String {
    format!(
        "targets: {{ {target}: {{ url: 'http://{}', {more} }} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [{target}] }} }}",
        sink.address
    )
}

const GRACE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_reload_is_used_at_once_and_undone_by_a_rollback() {
    let folder = folder();
    let (mut old, mut new) = (Sink::start(Some(200)).await, Sink::start(Some(200)).await);
    let config = Changing::new(folder.path(), &smallest(&old, &old));
    let gateway = Gateway::start_changing(&config).await;
    let first = gateway.admin("/readyz").await.json();
    assert_eq!(first["config"]["generation"], 1, "{first}");

    config.set(&one(
        "inventory",
        &new,
        "credentials: { bearer: a-new-token }",
    ));
    let reloaded = gateway.reload().await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    let ready = gateway.admin("/readyz").await.json();
    assert_eq!(ready["config"]["generation"], 2, "{ready}");
    assert_ne!(
        ready["config"]["fingerprint"],
        first["config"]["fingerprint"]
    );
    let id = gateway.send("/orders", "new").await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    assert_eq!(
        new.next().await.header("authorization"),
        "Bearer a-new-token"
    );
    assert!(old.is_quiet());

    let back = gateway.command("/api/v1/config/rollback", "").await;
    assert_eq!(back.status, 200, "{}", back.text());
    let ready = gateway.admin("/readyz").await.json();
    assert_eq!(ready["config"]["generation"], 3, "{ready}");
    assert_eq!(
        ready["config"]["fingerprint"],
        first["config"]["fingerprint"]
    );
    let id = gateway.send("/orders", "old").await;
    gateway.ended(&id).await;
    assert_eq!(&old.next().await.body[..], b"old");
    assert!(new.is_quiet());
    gateway.stop(GRACE).await;
}

/// A reload that must be refused, with this in its problem document.
async fn check_refused(gateway: &Gateway, named: &str) {
    let refused = gateway.reload().await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains(named), "{}", refused.text());
    let ready = gateway.admin("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert_eq!(ready.json()["config"]["generation"], 1);
    assert!(ready.text().contains("refused"), "{}", ready.text());
}

#[tokio::test]
async fn a_config_that_is_wrong_changes_nothing() {
    let folder = folder();
    let mut sink = Sink::start(Some(200)).await;
    let right = one("inventory", &sink, "");
    let config = Changing::new(folder.path(), &right);
    let gateway = Gateway::start_changing(&config).await;
    config.set(&right.replace("send: [inventory]", "send: [inventroy]"));
    check_refused(&gateway, "inventroy").await;
    config.set("targets: {");
    check_refused(&gateway, "test.yaml").await;
    let nothing = gateway.command("/api/v1/config/rollback", "").await;
    assert_eq!(nothing.status, 409, "{}", nothing.text());
    let id = gateway.send("/orders", "x").await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    sink.next().await;
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn what_needs_a_restart_is_refused_by_its_name() {
    let folder = folder();
    let other = crate::gateway::folder();
    let sink = Sink::start(Some(200)).await;
    let config = Changing::new(folder.path(), &one("inventory", &sink, ""));
    let gateway = Gateway::start_changing(&config).await;
    config.move_to(other.path());
    check_refused(&gateway, "store.path").await;
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn messages_under_way_keep_their_plan_and_get_what_is_new_of_their_target() {
    let folder = folder();
    let (mut down, mut up) = (Sink::start(Some(503)).await, Sink::start(Some(200)).await);
    let retry = "retry: { first: 50ms, max: 50ms, attempts: 1000 }";
    let shaped = |sink: &Sink, path: &str| {
        one("inventory", sink, retry).replace(
            "send: [inventory]",
            &format!("send: [{{ to: inventory, path: {path} }}]"),
        )
    };
    let config = Changing::new(folder.path(), &shaped(&down, "/as-accepted"));
    let gateway = Gateway::start_changing(&config).await;
    let id = gateway.send("/orders", "x").await;
    assert_eq!(down.next().await.path, "/as-accepted");
    config.set(&shaped(&up, "/as-it-is-now"));
    assert_eq!(gateway.reload().await.status, 200);
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    assert_eq!(up.next().await.path, "/as-accepted");
    let id = gateway.send("/orders", "x").await;
    gateway.ended(&id).await;
    assert_eq!(up.next().await.path, "/as-it-is-now");
    gateway.stop(GRACE).await;
}

/// Senders go on while the config changes to and fro, every other time to one that is broken.
/// Each request gets its 202 and is delivered once, to the target that its answer's generation had.
#[tokio::test]
async fn reloads_in_a_loop_lose_no_request_and_mix_no_config() {
    const EACH: usize = 150;
    const SENDERS: usize = 4;
    let folder = folder();
    let (mut left, mut right) = (Sink::start(Some(200)).await, Sink::start(Some(200)).await);
    // Which config a request was accepted with shows in its path; where it goes, in the sink.
    let sections = |name: &str, sink: &Sink| {
        one(name, sink, "").replace(
            &format!("send: [{name}]"),
            &format!("send: [{{ to: {name}, path: /{name} }}]"),
        )
    };
    let configs = [sections("left", &left), sections("right", &right)];
    let config = Changing::new(folder.path(), &configs[0]);
    let gateway = Gateway::start_changing(&config).await;
    let changes = async {
        for turn in 1..=40 {
            config.set(&configs[turn % 2]);
            assert_eq!(gateway.reload().await.status, 200, "turn {turn}");
            config.set("routes: {}");
            assert_eq!(gateway.reload().await.status, 422, "turn {turn}");
        }
    };
    let sender = |sender: usize| {
        let gateway = &gateway;
        async move {
            for number in 0..EACH {
                gateway.send("/orders", format!("{sender}-{number}")).await;
            }
        }
    };
    tokio::join!(changes, sender(0), sender(1), sender(2), sender(3));
    // A target that is gone for the moment keeps what waits for it: both are needed at the end.
    let both = format!(
        "targets: {{ left: {{ url: 'http://{}' }}, right: {{ url: 'http://{}' }} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [left] }} }}",
        left.address, right.address
    );
    config.set(&both);
    assert_eq!(gateway.reload().await.status, 200);
    let mut seen = Vec::new();
    while seen.len() < EACH * SENDERS {
        let (sent, path) = tokio::select! {
            sent = left.next() => (sent, "/left"),
            sent = right.next() => (sent, "/right"),
        };
        assert_eq!(
            sent.path, path,
            "a plan of the one config went to the other's target"
        );
        seen.push(sent.body);
    }
    seen.sort_unstable();
    let mut expected: Vec<_> = (0..SENDERS)
        .flat_map(|sender| (0..EACH).map(move |number| Bytes::from(format!("{sender}-{number}"))))
        .collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    assert!(left.is_quiet() && right.is_quiet());
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn a_renamed_target_gets_what_waits_for_it() {
    const WAITING: usize = 300;
    let folder = folder();
    let (mut down, mut up) = (Sink::start(Some(503)).await, Sink::start(Some(200)).await);
    let config = Changing::new(folder.path(), &one("old", &down, "concurrency: 1"));
    let gateway = Gateway::start_changing(&config).await;
    let mut ids = Vec::new();
    for number in 0..WAITING {
        ids.push(gateway.send("/orders", number.to_string()).await);
    }
    down.next().await;
    config.set(&one("new", &up, "was: [old]"));
    assert_eq!(gateway.reload().await.status, 200);
    ids.push(gateway.send("/orders", WAITING.to_string()).await);
    for id in &ids {
        assert_eq!(gateway.ended(id).await["state"], "delivered");
    }
    let mut seen: Vec<usize> = Vec::new();
    for _ in &ids {
        let sent = up.next().await;
        let number = str::from_utf8(&sent.body).expect("a number").parse();
        seen.push(number.expect("a number"));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..=WAITING).collect::<Vec<_>>());
    assert!(up.is_quiet());
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn what_an_operator_sets_for_a_target_survives_a_restart() {
    let folder = folder();
    let mut sink = Sink::start(Some(200)).await;
    let sections = one("inventory", &sink, "");
    let config = Changing::new(folder.path(), &sections);
    let gateway = Gateway::start_changing(&config).await;
    let target = "/api/v1/targets/inventory";
    let body = r#"{"paused": true, "reason": "they move house"}"#;
    let paused = gateway.steer(Request::patch(target), body).await;
    assert_eq!(paused.status, 200, "{}", paused.text());
    let id = gateway.send("/orders", "x").await;
    let held = |message: &Value| message["deliveries"][0]["held_by"] == "pause";
    gateway
        .admin_until(&format!("/api/v1/messages/{id}"), held)
        .await;
    gateway.stop(GRACE).await;

    let gateway = Gateway::start_changing(&config).await;
    gateway
        .admin_until(&format!("/api/v1/messages/{id}"), held)
        .await;
    // A reload that takes the target away and brings it back leaves it paused, too.
    config.set(&one("other", &sink, ""));
    assert_eq!(gateway.reload().await.status, 200);
    config.set(&sections);
    assert_eq!(gateway.reload().await.status, 200);
    gateway
        .admin_until(&format!("/api/v1/messages/{id}"), held)
        .await;
    assert!(sink.is_quiet());
    let resumed = gateway
        .steer(Request::patch(target), r#"{"paused": false}"#)
        .await;
    assert_eq!(resumed.status, 200, "{}", resumed.text());
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    sink.next().await;
    gateway.stop(GRACE).await;
}
