//! What counts, over real sockets: bodies that decide, targets that are gone.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::Request;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::gateway::{Changing, Gateway, config, folder};
use crate::sink::Sink;

const GRACE: Duration = Duration::from_secs(10);

/// A target that gives each of these answers over a connection of its own, byte for byte.
async fn scripted(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let script = async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.expect("written");
        }
    };
    (address, tokio::spawn(script))
}

/// Reads a request whose body is `{}`.
async fn read_request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n{}") {
        read.push(stream.read_u8().await.expect("more of the request"));
    }
}

/// A route `orders` to a target at this address, with more of it.
fn one(address: SocketAddr, more: &str) -> String {
    format!(
        "targets: {{ partner: {{ url: 'http://{address}/hooks', {more} }} }}\n\
         routes: {{ orders: {{ match: POST /orders, send: [partner] }} }}"
    )
}

#[tokio::test]
async fn an_answer_is_a_success_when_its_body_says_so() {
    let folder = folder();
    let (address, script) = scripted(&[
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 30\r\n\r\n{\"ok\": false, \"error\": \"busy\"}",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ok\": true}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{\"ok\":\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>maintenance</html>",
        "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"ok\": true}",
    ])
    .await;
    let more = "success: '.ok == true', retry: { first: 0s }";
    let gateway = Gateway::start(config(folder.path(), &one(address, more))).await;
    let id = gateway.send("/orders", "{}").await;
    let message = gateway.ended(&id).await;
    assert_eq!(message["state"], "delivered", "{message}");
    assert_eq!(message["deliveries"][0]["attempts"], 5, "{message}");
    script.await.expect("it ran to its end");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn an_answer_that_is_refused_for_good_is_a_dead_letter_that_says_why() {
    let folder = folder();
    let (address, _script) = scripted(&[
        "HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{\"ok\": false, \"error\": \"gone\"}",
    ])
    .await;
    let more = "success: { body: '.ok == true', otherwise: fail }";
    let gateway = Gateway::start(config(folder.path(), &one(address, more))).await;
    let id = gateway.send("/orders", "{}").await;
    assert_eq!(gateway.ended(&id).await["state"], "failed");
    let dead = gateway.dead_letter().await;
    assert_eq!(dead["reason"], "refused", "{dead}");
    let detail = r#"`success` refuses the answer: {"ok": false, "error": "gone"}"#;
    assert_eq!(dead["detail"], detail, "{dead}");
    gateway.stop(GRACE).await;
}

const TARGET: &str = "/api/v1/targets/partner";

/// What makes a target one that a 410 disables.
const WEBHOOK: &str = "retry: { on: standard-webhooks }";

/// Waits until a 410 has been kept.
async fn disabled(gateway: &Gateway) -> Value {
    let is_kept = |target: &Value| target["paused"]["cause"] == "gone";
    gateway.admin_until(TARGET, is_kept).await
}

/// What audit records tell of targets, the latest first.
async fn audit(gateway: &Gateway) -> Vec<String> {
    let page = gateway.admin("/api/v1/audit").await.json();
    let records = page["audit"].as_array().expect("a list").iter();
    let actions = records.filter_map(|record| record["action"].as_str());
    let actions = actions.filter(|action| action.starts_with("target."));
    actions.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_410_disables_a_target_until_an_operator_resumes_it_also_over_a_restart() {
    let folder = folder();
    let mut sink = Sink::start(Some(410)).await;
    let settings = one(sink.address, WEBHOOK);
    let gateway = Gateway::start(config(folder.path(), &settings)).await;
    let first = gateway.send("/orders", "first").await;
    let target = disabled(&gateway).await;
    assert_eq!(target["state"], "held", "{target}");
    assert_eq!(target["held_by"], "pause", "{target}");
    assert_eq!(target["paused"]["reason"], "it has answered 410");
    assert_eq!(target["dead"], 0, "{target}");
    let metrics = gateway.admin("/metrics").await;
    let paused = "fanway_target_paused{target=\"partner\"} 2";
    assert!(metrics.text().contains(paused), "{}", metrics.text());
    sink.next().await;
    let second = gateway.send("/orders", "second").await;
    gateway.stop(GRACE).await;

    sink.answer_with(200);
    let gateway = Gateway::start(config(folder.path(), &settings)).await;
    let target = disabled(&gateway).await;
    assert_eq!(
        (&target["held_by"], &target["pending"]),
        (&"pause".into(), &2.into())
    );
    assert!(sink.is_quiet());
    let resumed = gateway
        .steer(Request::patch(TARGET), r#"{"paused": false}"#)
        .await;
    assert_eq!(resumed.status, 200, "{}", resumed.text());
    for id in [first, second] {
        let message = gateway.ended(&id).await;
        assert_eq!(message["state"], "delivered", "{message}");
    }
    assert_eq!(audit(&gateway).await, ["target.resume", "target.disable"]);
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn a_reload_that_moves_a_disabled_target_resumes_it_and_another_does_not() {
    let folder = folder();
    let (old, mut new) = (Sink::start(Some(410)).await, Sink::start(Some(200)).await);
    let source = Changing::new(folder.path(), &one(old.address, WEBHOOK));
    let gateway = Gateway::start_changing(&source).await;
    let id = gateway.send("/orders", "{}").await;
    disabled(&gateway).await;

    let longer = "retry: { on: standard-webhooks, max: 2h }";
    source.set(&one(old.address, longer));
    assert_eq!(gateway.reload().await.status, 200);
    let target = gateway.admin(TARGET).await.json();
    assert_eq!(target["paused"]["cause"], "gone", "{target}");

    source.set(&one(new.address, WEBHOOK));
    assert_eq!(gateway.reload().await.status, 200);
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    assert_eq!(&new.next().await.body[..], b"{}");
    let target = gateway.admin(TARGET).await.json();
    assert!(target["paused"].is_null(), "{target}");
    assert_eq!(audit(&gateway).await, ["target.resume", "target.disable"]);
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn a_start_with_another_address_resumes_a_disabled_target_too() {
    let folder = folder();
    let (old, new) = (Sink::start(Some(410)).await, Sink::start(Some(200)).await);
    let gateway = Gateway::start(config(folder.path(), &one(old.address, WEBHOOK))).await;
    let id = gateway.send("/orders", "{}").await;
    disabled(&gateway).await;
    gateway.stop(GRACE).await;
    let gateway = Gateway::start(config(folder.path(), &one(new.address, WEBHOOK))).await;
    assert_eq!(gateway.ended(&id).await["state"], "delivered");
    gateway.stop(GRACE).await;
}
