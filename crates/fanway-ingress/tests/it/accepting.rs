//! What is accepted, what is kept of it, and what the sender is told.

use std::io::Write;

use bytes::Bytes;
use fanway_types::{ByteCount, PlanHash};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;

use crate::gateway::{Gateway, NOW, read_until, request};

/// Accepted with 202, and what was kept of the body.
#[track_caller]
fn body_of(gateway: &Gateway, answer: &str) -> Bytes {
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\n"), "{answer}");
    let accepted = gateway.store.take_accepted();
    assert_eq!(accepted.len(), 1);
    accepted[0].request.body.clone()
}

#[tokio::test]
async fn a_message_is_answered_with_202_and_where_to_ask() {
    let gateway = Gateway::start().await;
    let answer = gateway.exchange(request("POST /orders", &[], "{}")).await;
    let id = gateway.store.take_accepted()[0].id.to_string();
    insta::assert_snapshot!(answer.replace(&id, "[id]"), @r#"
    HTTP/1.1 202 Accepted
    location: /fanway/messages/[id]
    content-type: application/json
    retry-after: 1
    connection: close
    content-length: 116

    {"id":"[id]","state":"pending","status":"/fanway/messages/[id]"}
    "#);
}

#[tokio::test]
async fn links_begin_with_the_public_url() {
    let gateway = Gateway::start_with(|params| {
        params.table.public_url = Some("https://hooks.example/".to_owned());
    })
    .await;
    let answer = gateway.exchange(request("POST /orders", &[], "{}")).await;
    let link = "https://hooks.example/fanway/messages/msg_";
    assert!(answer.contains(&format!("\nlocation: {link}")), "{answer}");
    assert!(answer.contains(&format!(r#""status":"{link}"#)), "{answer}");
}

#[tokio::test]
async fn the_whole_request_is_kept_as_it_was_sent() {
    let gateway = Gateway::start().await;
    let headers = [("Content-Type", "text/plain"), ("X-Tag", "a")];
    let target = "PATCH /any/a%2Fb/c?x=1&y=%20";
    gateway.exchange(request(target, &headers, "body")).await;
    let accepted = gateway.store.take_accepted();
    let message = &accepted[0];
    assert_eq!(message.route.as_str(), "any");
    assert_eq!(message.plan, PlanHash::of("any"));
    assert_eq!(message.received_at(), NOW);
    let request = &message.request;
    assert_eq!(&*request.method, "PATCH");
    assert_eq!(&*request.path, "/any/a%2Fb/c");
    assert_eq!(request.query.as_deref(), Some("x=1&y=%20"));
    assert_eq!(request.params, [("rest".into(), "a/b/c".into())]);
    assert_eq!(request.body, "body");
    let kept: Vec<_> = request.headers.iter().collect();
    assert_eq!(
        kept,
        [("content-type", &b"text/plain"[..]), ("x-tag", b"a")]
    );
}

#[tokio::test]
async fn credentials_never_reach_the_store() {
    let gateway = Gateway::start().await;
    let headers = [
        ("Authorization", "Bearer hunter2"),
        ("Proxy-Authorization", "Basic hunter2"),
        ("Cookie", "session=hunter2"),
    ];
    gateway
        .exchange(request("POST /orders", &headers, ""))
        .await;
    let accepted = gateway.store.take_accepted();
    assert_eq!(accepted[0].request.headers.iter().count(), 0);
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let gateway = Gateway::start().await;
    gateway.store.disk.forget_permits(usize::MAX);
    let mut stream = gateway.connect().await;
    let sent = request("POST /orders", &[], "{}");
    stream.write_all(&sent).await.expect("it is open");
    let mut asked = gateway.store.asked.subscribe();
    asked
        .wait_for(|asked| *asked == 1)
        .await
        .expect("the store lives");
    let nothing = stream.try_read(&mut [0; 1]).expect_err("no answer yet");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    gateway.store.disk.add_permits(1);
    read_until(&mut stream, "HTTP/1.1 202 Accepted").await;
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let gateway = Gateway::start().await;
    let answer = gateway
        .exchange(
            "POST /orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
             3\r\nabc\r\n5\r\ndefgh\r\n0\r\nx-trailer: ignored\r\n\r\n",
        )
        .await;
    assert_eq!(body_of(&gateway, &answer), "abcdefgh");
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let gateway = Gateway::start().await;
    let large: Vec<u8> = (0..3_000_000u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    let answer = gateway.exchange(request("POST /orders", &[], &large)).await;
    assert!(
        body_of(&gateway, &answer) == large,
        "bytes were lost or moved"
    );
}

#[tokio::test]
async fn a_sender_that_asks_first_is_told_to_go_on() {
    let gateway = Gateway::start().await;
    let mut stream = gateway.connect().await;
    let head =
        "POST /orders HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it is open");
    read_until(&mut stream, "HTTP/1.1 100 Continue").await;
    stream.write_all(b"{}").await.expect("it is open");
    read_until(&mut stream, "HTTP/1.1 202 Accepted").await;
}

#[tokio::test]
async fn pipelined_requests_are_all_answered() {
    let gateway = Gateway::start().await;
    let first = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n1";
    let both = [first.as_bytes(), &request("POST /orders", &[], "2")].concat();
    let answers = gateway.exchange(both).await;
    assert_eq!(
        answers.matches("HTTP/1.1 202 Accepted").count(),
        2,
        "{answers}"
    );
    assert_eq!(gateway.store.take_accepted().len(), 2);
}

#[tokio::test]
async fn a_preference_that_is_met_is_named() {
    let gateway = Gateway::start().await;
    let prefer = [("Prefer", "respond-async, wait=10")];
    let answer = gateway.exchange(request("POST /orders", &prefer, "")).await;
    assert!(
        answer.contains("\npreference-applied: respond-async\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn bodies_are_opaque_unless_an_expression_reads_them() {
    let gateway = Gateway::start().await;
    let answer = gateway
        .exchange(request("POST /orders", &[], b"{\xff"))
        .await;
    assert_eq!(body_of(&gateway, &answer), &b"{\xff"[..]);
}

#[tokio::test]
async fn a_compressed_json_body_is_checked_and_kept_compressed() {
    let gateway = Gateway::start().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(br#"{"id": 1}"#)
        .expect("a vector takes all");
    let body = encoder.finish().expect("a vector takes all");
    let headers = [("content-encoding", "gzip")];
    let answer = gateway
        .exchange(request("POST /json", &headers, &body))
        .await;
    assert_eq!(body_of(&gateway, &answer), body);
}

#[tokio::test]
async fn a_message_holds_its_memory_until_it_is_let_go() {
    let gateway = Gateway::start().await;
    gateway
        .exchange(request("POST /orders", &[], "12345"))
        .await;
    let used = gateway.budget.used();
    assert_eq!(used, ByteCount::new(5 + "/orders".len() as u64));
    gateway.store.take_accepted();
    assert_eq!(gateway.budget.used(), ByteCount::new(0));
}

#[tokio::test]
async fn memory_that_a_growing_body_did_not_need_is_given_back() {
    let gateway = Gateway::start().await;
    gateway
        .exchange(
            "POST /orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
             8\r\nabcdefgh\r\n1\r\ni\r\n0\r\n\r\n",
        )
        .await;
    let used = gateway.budget.used();
    assert_eq!(used, ByteCount::new(9 + "/orders".len() as u64));
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_spoken() {
    let gateway = Gateway::start().await;
    let stream = TokioIo::new(gateway.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::post("http://gateway/orders")
        .header("cookie", "session=hunter2")
        .body(Full::new(Bytes::from_static(b"{}")))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].clone();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["status"], location.to_str().expect("text"));
    let accepted = gateway.store.take_accepted();
    assert_eq!(accepted[0].request.body, "{}");
    assert_eq!(&*accepted[0].request.path, "/orders");
    assert_eq!(accepted[0].request.headers.iter().count(), 0);
}

#[tokio::test]
async fn what_is_accepted_and_refused_is_counted() {
    let gateway = Gateway::start().await;
    gateway.exchange(request("POST /orders", &[], "{}")).await;
    gateway.exchange(request("POST /nowhere", &[], "{}")).await;
    let metrics = gateway.metrics();
    for line in [
        r#"fanway_ingress_accepted_total{route="orders"} 1"#,
        r#"fanway_ingress_accepted_total{route="json"} 0"#,
        r#"fanway_ingress_refused_total{code="route_unknown"} 1"#,
        r#"fanway_ingress_accept_seconds_count{route="orders"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing in:\n{metrics}");
    }
}
