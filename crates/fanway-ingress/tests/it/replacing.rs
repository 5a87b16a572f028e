//! What a config led to is replaced while requests come in.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fanway_ingress::{Error, Table};
use fanway_types::{ByteCount, PlanHash};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::gateway::{Gateway, read_until, request, table};

/// Another config: `POST /orders` has another plan, and links begin with `url`.
fn other(url: &str) -> Table {
    let mut table = table();
    table.routes[0].plan = PlanHash::of(url);
    table.public_url = Some(url.to_owned());
    table
}

/// A config whose routes can't be told apart.
fn ambiguous() -> Table {
    let mut table = other("https://never.example");
    let mut twin = table.routes[0].clone();
    twin.name = "twin".parse().expect("a name");
    table.routes.push(twin);
    table
}

#[tokio::test]
async fn a_request_in_progress_ends_with_what_it_began_with() {
    let gateway = Gateway::start().await;
    let mut stream = gateway.connect().await;
    let head =
        "POST /orders HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it is open");
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;

    let mut next = other("https://next.example");
    next.limits.max_body = ByteCount::new(1);
    let arranged = gateway.ingress.arrange(next).expect("it is in order");
    gateway.ingress.replace(arranged);
    stream.write_all(b"{}").await.expect("it is open");
    let answer = read_until(&mut stream, "\"}").await;
    assert!(answer.contains("\nlocation: /fanway/messages/"), "{answer}");
    let accepted = gateway.store.take_accepted();
    assert_eq!(accepted[0].plan, PlanHash::of("orders"));

    // The same connection, and the next request.
    let sent = request("POST /orders", &[], "1");
    stream.write_all(&sent).await.expect("it is open");
    let answer = read_until(&mut stream, "\"}").await;
    let location = "\nlocation: https://next.example/fanway/messages/";
    assert!(answer.contains(location), "{answer}");
    let accepted = gateway.store.take_accepted();
    assert_eq!(accepted[0].plan, PlanHash::of("https://next.example"));
    let answer = gateway.exchange(request("POST /orders", &[], "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let gateway = Gateway::start().await;
    let before = gateway.metrics();
    let refused = gateway.ingress.arrange(ambiguous());
    let error = refused.expect_err("two routes are the same");
    assert_eq!(
        error.to_string(),
        "routes `orders` and `twin` take the same requests"
    );
    let mut no_link = table();
    no_link.public_url = Some("https://a.example/\"".to_owned());
    no_link.routes.clear();
    let refused = gateway.ingress.arrange(no_link);
    assert!(matches!(refused, Err(Error::PublicUrl(_))), "{refused:?}");
    assert_eq!(gateway.metrics(), before);
    let answer = gateway.exchange(request("POST /orders", &[], "{}")).await;
    assert!(answer.contains("\nlocation: /fanway/messages/"), "{answer}");
}

#[tokio::test]
async fn new_limits_hold_for_new_connections() {
    let gateway = Gateway::start().await;
    let mut table = table();
    table.limits.max_headers = 4;
    let arranged = gateway.ingress.arrange(table).expect("it is in order");
    gateway.ingress.replace(arranged);
    let many = format!("POST /orders HTTP/1.1\r\n{}\r\n", "x: 1\r\n".repeat(5));
    let answer = gateway.exchange(many).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let mut table = crate::gateway::table();
    table.limits.connections = NonZeroUsize::MIN;
    let arranged = gateway.ingress.arrange(table).expect("it is in order");
    gateway.ingress.replace(arranged);
    while !gateway.metrics().contains("fanway_ingress_connections 0\n") {
        tokio::task::yield_now().await;
    }
    let mut first = gateway.connect().await;
    let kept = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    first.write_all(kept.as_bytes()).await.expect("it is open");
    read_until(&mut first, "HTTP/1.1 202 Accepted").await;
    let answer = gateway.exchange("").await;
    assert!(answer.contains("/too_many_connections\""), "{answer}");
}

/// Sends requests one after another; returns the beginning of the link of each message.
async fn send_many(mut stream: TcpStream, count: usize) -> HashMap<String, String> {
    let sent = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    let mut links = HashMap::new();
    for _ in 0..count {
        stream.write_all(sent.as_bytes()).await.expect("it is open");
        let answer = read_until(&mut stream, "\"}").await;
        let mut lines = answer.lines();
        let link = lines.find_map(|line| line.strip_prefix("location: "));
        let (url, id) = link
            .and_then(|link| link.split_once("/fanway/messages/"))
            .expect("a link");
        links.insert(id.to_owned(), url.to_owned());
    }
    links
}

#[tokio::test]
async fn no_request_is_lost_or_sees_two_configs_while_they_are_replaced() {
    let gateway = Gateway::start().await;
    let urls = ["https://a.example", "https://b.example"];
    let arranged = gateway.ingress.arrange(other(urls[0]));
    gateway.ingress.replace(arranged.expect("it is in order"));
    let done = Arc::new(AtomicBool::new(false));
    let replacing = tokio::spawn({
        let (ingress, done) = (gateway.ingress.clone(), Arc::clone(&done));
        async move {
            for url in urls.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let arranged = ingress.arrange(other(url)).expect("it is in order");
                ingress.replace(arranged);
                ingress.arrange(ambiguous()).expect_err("it is broken");
                tokio::task::yield_now().await;
            }
        }
    });
    let mut links = HashMap::new();
    let senders = [
        tokio::spawn(send_many(gateway.connect().await, 50)),
        tokio::spawn(send_many(gateway.connect().await, 50)),
    ];
    for sender in senders {
        links.extend(sender.await.expect("all were answered"));
    }
    done.store(true, Ordering::Relaxed);
    replacing.await.expect("it doesn't panic");
    let accepted = gateway.store.take_accepted();
    assert_eq!(accepted.len(), 100);
    for message in accepted {
        let url = &links[&message.id.to_string()];
        assert_eq!(message.plan, PlanHash::of(url));
    }
}
