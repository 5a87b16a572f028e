//! Answers that are none, that lie, that break off or never end.

use super::peer::{Deed, Peer};
use super::{Scene, delivery, said};

/// Two attempts, one right behind the other.
const TWICE: &str = "retry: { first: 0s, attempts: 2 }";
/// What a well-meant answer begins with.
const OK: &str = "HTTP/1.1 200 OK\r\n";

/// Sends one message to targets that do these things, each with this among its keys, and holds what
/// is said of their deliveries in the end against what is expected.
async fn check(more: &str, cases: &[(Deed, &str)]) {
    let mut peers = Vec::new();
    for (index, (deed, _)) in cases.iter().enumerate() {
        peers.push((format!("t{index}"), Peer::start(vec![deed.clone()]).await));
    }
    let targets = peers.iter();
    let targets = targets.map(|(name, peer)| (name.as_str(), peer.address, more));
    let mut scene = Scene::set(&targets.collect::<Vec<_>>()).await;
    let id = scene.send(1).await.remove(0);
    let message = scene.ended(&id).await;
    for ((name, peer), (deed, expected)) in peers.iter().zip(cases) {
        let delivery = delivery(&message, name);
        assert_eq!(said(delivery, peer.address), *expected, "{deed:?}");
        assert_eq!(delivery["attempts"], peer.attempts(), "{deed:?}");
        // A peer that has no end is not held on to.
        peer.over().await;
    }
    scene.stop().await;
}

fn closes(text: &'static str) -> Deed {
    Deed::say(text)
}

fn stays(text: &'static str) -> Deed {
    Deed::SayAndStay(text.into())
}

/// An answer that begins well, and behind which the connection is closed.
fn well_then_closes(rest: &str) -> Deed {
    Deed::say(format!("{OK}{rest}"))
}

/// The same, but the connection stays open.
fn well_then_stays(rest: &str) -> Deed {
    Deed::SayAndStay(format!("{OK}{rest}").into())
}

/// What is no answer, and what is said of it after two attempts.
async fn check_none(cases: &[(Deed, &str)]) {
    let said =
        |why: &str| format!("dead exhausted, 2 attempts, status null: exchange with PEER: {why}");
    let expected: Vec<_> = cases.iter().map(|(_, why)| said(why)).collect();
    let deeds = cases.iter().map(|(deed, _)| deed.clone());
    let cases: Vec<_> = deeds.zip(expected.iter().map(String::as_str)).collect();
    check(TWICE, &cases).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_within_its_head_is_none() {
    let closed = "it closed the connection before it answered";
    let within = "it closed the connection within the answer's head";
    let reset = |text: &'static str| Deed::SayAndReset(text.into());
    check_none(&[
        (closes(""), closed),
        (closes("HTTP/1.1 102 Processing\r\n\r\n"), closed),
        (closes("HTT"), within),
        (closes("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"), within),
        (reset(""), "connection reset"),
        (reset("HTTP/1.1 200 OK\r\nconte"), "connection reset"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_answer_is_none() {
    let version = "the answer's head is no HTTP/1: invalid HTTP version";
    let status = "the answer's head is no HTTP/1: invalid response status";
    let header = "the answer's head is no HTTP/1: invalid header name";
    check_none(&[
        (stays("\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03"), version),
        (stays("SSH-2.0-OpenSSH_9.2\r\n"), version),
        (stays("<html>nothing here</html>"), version),
        (stays("HTTP/2 200\r\n\r\n"), version),
        (stays("HTTP/1.1 2000 OK\r\n\r\n"), status),
        (
            stays("HTTP/1.1 042 OK\r\n\r\n"),
            "the answer's status is none",
        ),
        (well_then_stays("no colon\r\n\r\n"), header),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_whose_length_is_two_or_none_is_none() {
    let unclear = "the answer's length is unclear";
    let length = |length: &str| well_then_stays(&format!("content-length: {length}\r\n\r\nok!"));
    check_none(&[
        (length("2\r\ncontent-length: 3"), unclear),
        (length("2, 3"), unclear),
        (length("-1"), unclear),
        (length("+2"), unclear),
        (length("2.0"), unclear),
        (length("18446744073709551616"), unclear),
    ])
    .await;
}

#[tokio::test]
async fn a_head_without_end_is_none_long_before_its_time_is_up() {
    let flood = |first: &'static str, again: &'static str| Deed::Flood(first.into(), again.into());
    let long = "the answer's head is too long";
    check_none(&[
        (flood(OK, "x"), long),
        (flood("", "\r\n"), long),
        (
            flood("", "HTTP/1.1 100 Continue\r\n\r\n"),
            "it answers on the way without end",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_whose_head_is_clear_stands_however_its_body_ends() {
    let delivered = "delivered -, 1 attempts, status 200: -";
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let chunks = |text: &str| format!("{chunked}{text}");
    let reset = format!("{OK}content-length: 100\r\n\r\nhalf");
    check(
        TWICE,
        &[
            (
                well_then_closes("content-length: 100\r\n\r\nhalf"),
                delivered,
            ),
            (Deed::SayAndReset(reset.into()), delivered),
            (well_then_closes(&chunks("6\r\nhalf")), delivered),
            (well_then_stays(&chunks("fffffffffffffffff\r\n")), delivered),
            (well_then_stays(&chunks("no size\r\n")), delivered),
            (
                well_then_stays("content-length: 2\r\n\r\nok, and more"),
                delivered,
            ),
            (Deed::Flood(OK.into(), "\r\nx".into()), delivered),
            (
                Deed::SayFirst(
                    format!("{OK}connection: close\r\ncontent-length: 0\r\n\r\n").into(),
                ),
                delivered,
            ),
            (
                closes("HTTP/1.1 503 No\r\ncontent-length: 100\r\n\r\nbusy"),
                "dead exhausted, 2 attempts, status 503: busy",
            ),
            (
                closes("HTTP/1.1 422 No\r\ncontent-length: 100\r\n\r\nno such sku"),
                "dead refused, 1 attempts, status 422: no such sku",
            ),
            (
                stays("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
                "dead refused, 1 attempts, status 101: -",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_answer_whose_body_has_to_be_whole_is_none_where_it_is_not() {
    let broken =
        "dead exhausted, 2 attempts, status 200: the answer's body broke off: {\"ok\": true}";
    let chunked = |text: &str| format!("transfer-encoding: chunked\r\n\r\n{text}");
    check(
        "success: '.ok == true', retry: { first: 0s, attempts: 2 }",
        &[
            (well_then_closes("content-length: 100\r\n\r\n{\"ok\": true}"), broken),
            (well_then_closes(&chunked("c\r\n{\"ok\": true}\r\n")), broken),
            (well_then_stays(&chunked("c\r\n{\"ok\": true}!")), broken),
            (
                well_then_closes("connection: close\r\ncontent-length: 4\r\n\r\n{\"ok\": true}"),
                "dead exhausted, 2 attempts, status 200: `success` can't tell: the answer is no JSON: \
                 a string without an end at line 1, column 5: {\"ok",
            ),
            (
                well_then_stays("content-length: 12\r\n\r\n{\"ok\": true}{\"ok\": false}"),
                "delivered -, 1 attempts, status 200: -",
            ),
            (
                well_then_closes("\r\n"),
                "dead exhausted, 2 attempts, status 200: `success` can't tell: the answer is no JSON: \
                 the text ends where a value is expected at line 1, column 1",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_answer_without_end_is_read_in_part() {
    let flood = |first: String, again: &'static str| Deed::Flood(first.into(), again.into());
    let asked = Peer::start(vec![flood(format!("{OK}\r\n"), "{\"ok\": true}")]).await;
    let wrong = Peer::start(vec![flood("HTTP/1.1 422 No\r\n\r\n".into(), "no ")]).await;
    let asks = "success: '.ok == true', retry: { attempts: 1 }";
    let targets = [("asked", asked.address, asks), ("wrong", wrong.address, "")];
    let mut scene = Scene::set(&targets).await;
    let id = scene.send(1).await.remove(0);
    let message = scene.ended(&id).await;
    let detail = |name| delivery(&message, name)["detail"].as_str().expect("a text");
    let longer = "`success` can't tell: the answer is longer than 64 KiB: {\"ok\": true}{";
    assert!(detail("asked").starts_with(longer), "{}", detail("asked"));
    assert_eq!(detail("wrong"), &"no ".repeat(400)[..1024]);
    for peer in [asked, wrong] {
        peer.over().await;
        assert_eq!(peer.attempts(), 1);
    }
    scene.stop().await;
}

#[tokio::test]
async fn what_comes_behind_an_answer_never_answers_the_next_request() {
    let text = format!("{OK}content-length: 2\r\n\r\nok");
    let smuggled = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";
    let peer = Peer::start(vec![Deed::SayAndStay(format!("{text}{smuggled}").into())]).await;
    let mut scene = Scene::set(&[("liar", peer.address, "retry: { attempts: 1 }")]).await;
    for id in scene.send(5).await {
        let message = scene.ended(&id).await;
        assert_eq!(message["state"], "delivered", "{message}");
    }
    assert_eq!(peer.attempts(), 5, "each over a connection of its own");
    scene.stop().await;
}
