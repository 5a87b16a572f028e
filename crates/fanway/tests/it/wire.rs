//! Over real connections: credentials and signatures go out, and many runtimes may share a target.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use fanway::{Credentials, Message, Request, Secret, Target, TargetError, WebhookKey};

/// Answers 200 to the first request of each connection, in order, holds all of them open, and returns
/// the requests.
fn peer(connections: usize) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let serving = thread::spawn(move || {
        let streams = listener.incoming().take(connections);
        let answered: Vec<_> = streams.map(|stream| answer(stream.expect("one"))).collect();
        answered.into_iter().map(|(seen, _held)| seen).collect()
    });
    (url, serving)
}

fn answer(mut stream: TcpStream) -> (String, TcpStream) {
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    while !seen.ends_with(b"end") {
        let count = stream.read(&mut chunk).expect("readable");
        assert_ne!(count, 0, "it broke off");
        seen.extend_from_slice(&chunk[..count]);
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    stream.write_all(answer).expect("writable");
    (String::from_utf8(seen).expect("text"), stream)
}

#[tokio::test]
async fn credentials_and_signatures_go_out() {
    let (url, serving) = peer(1);
    let target = Target::builder("stock", &url)
        .credentials(Credentials::Bearer(Secret::new("hunter2".to_owned())))
        .sign([WebhookKey::symmetric(&[7; 32]).expect("long enough")])
        .build()
        .expect("fits");
    let message = Message::new().to(&target, Request::post().body("the end"));
    assert!(message.send().await.all_delivered());
    let seen = serving.join().expect("served");
    assert!(seen[0].contains("authorization: Bearer hunter2\r\n"));
    assert!(seen[0].contains("webhook-signature: v1,"));
}

#[test]
fn a_target_is_used_from_runtimes_of_either_kind() {
    let (url, serving) = peer(2);
    let target = Target::builder("stock", &url).build().expect("fits");
    let runtimes = [
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build(),
    ];
    // The second has connections of its own: those of the first aren't looked after while that rests.
    let runtimes = runtimes.map(|runtime| runtime.expect("a runtime"));
    for runtime in &runtimes {
        let message = Message::new().to(&target, Request::post().body("the end"));
        let outcomes = runtime.block_on(message.send());
        assert!(outcomes.all_delivered(), "{outcomes:?}");
        assert_eq!(outcomes["stock"].attempts, 1);
    }
    serving.join().expect("served");
}

#[test]
fn what_cannot_be_a_target_is_refused_when_it_is_built() {
    let built = Target::builder("Stock", "http://localhost").build();
    assert!(matches!(built, Err(TargetError::Name(_))));
    let built = Target::builder("stock", "ftp://localhost").build();
    assert!(matches!(built, Err(TargetError::Url(_))));
}
