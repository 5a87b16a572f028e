//! What comes to targets that misbehave, counted there and held against the limits that are set.

use serde_json::Value;

use super::peer::{Deed, Peer};
use super::{Scene, delivery};

const WELL: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const LATER: &str =
    "HTTP/1.1 429 No\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a bad day looks like: it comes and goes, and each time it is something else.
fn bad_day() -> Vec<Deed> {
    vec![
        Deed::say(WELL),
        Deed::say(""),
        Deed::SayAndReset("HTTP/1.1 2".into()),
        Deed::say(BUSY),
        Deed::SayAndStay("no HTTP\r\n".into()),
        Deed::say(WELL),
        Deed::say(LATER),
    ]
}

/// The attempts of a message's delivery to the target `flaky`.
fn attempts(message: &Value) -> u64 {
    delivery(message, "flaky")["attempts"]
        .as_u64()
        .expect("a number")
}

#[tokio::test]
async fn a_target_that_comes_and_goes_has_its_concurrency_and_gets_all() {
    let peer = Peer::start(bad_day()).await;
    let more =
        "concurrency: 3, retry: { first: 0s }, breaker: { consecutive: 1000, minimum: 1000 }";
    let mut scene = Scene::set(&[("flaky", peer.address, more)]).await;
    let mut made = 0;
    for id in scene.send(50).await {
        let message = scene.ended(&id).await;
        assert_eq!(message["state"], "delivered", "{message}");
        made += attempts(&message);
    }
    assert!(peer.most_at_once() <= 3, "{} at once", peer.most_at_once());
    assert_eq!(peer.attempts() as u64, made);
    scene.stop().await;
}

#[tokio::test]
async fn a_target_that_hangs_has_its_concurrency_and_its_neighbour_everything() {
    let peer = Peer::start(vec![Deed::SayAndStay("".into())]).await;
    let more = "concurrency: 3, timeout: 1h";
    let mut scene = Scene::set(&[("hangs", peer.address, more)]).await;
    scene.send(40).await;
    let is_full = |target: &Value| target["pending"] == 40 && target["in_flight"] == 3;
    let target = scene.target("hangs", is_full).await;
    assert_eq!(target["limited_by"], "concurrency");
    peer.taken(3).await;
    assert_eq!(peer.attempts(), 3);
    scene.stop().await;
}

#[tokio::test]
async fn each_attempt_is_one_of_the_rate_whatever_comes_of_it() {
    let more = "rate: { limit: 1/h, burst: 3 }, concurrency: 2, retry: { first: 0s }";
    let deeds = [
        Deed::say(""),
        Deed::say(BUSY),
        Deed::say(LATER),
        Deed::say(WELL),
        Deed::SayAndReset("".into()),
        Deed::SayAndStay("no HTTP\r\n".into()),
        Deed::Flood("HTTP/1.1 200 OK\r\n".into(), "x".into()),
    ];
    let mut peers = Vec::new();
    for (index, deed) in deeds.into_iter().enumerate() {
        peers.push((format!("t{index}"), Peer::start(vec![deed]).await));
    }
    let targets = peers
        .iter()
        .map(|(name, peer)| (name.as_str(), peer.address, more));
    let mut scene = Scene::set(&targets.collect::<Vec<_>>()).await;
    scene.send(5).await;
    for (name, peer) in &peers {
        let is_held = |target: &Value| {
            target["limited_by"] == "rate" && target["in_flight"] == 0 && target["pending"] != 0
        };
        scene.target(name, is_held).await;
        assert_eq!(peer.attempts(), 3, "{name}");
    }
    scene.stop().await;
}

#[tokio::test]
async fn nothing_is_attempted_behind_an_open_breaker() {
    let more = "concurrency: 1, timeout: 200ms, retry: { first: 0s }, \
                breaker: { consecutive: 2, open_for: 1h }";
    let deeds = [
        Deed::SayAndStay("".into()),
        Deed::Crawl("HTTP/1.1 200 OK\r\n".into(), "x".into()),
        Deed::say("HTTP/1.1 200 OK\r\ncontent-"),
        Deed::Flood("".into(), "HTTP/1.1 100 Continue\r\n\r\n".into()),
    ];
    let mut peers = Vec::new();
    for (index, deed) in deeds.into_iter().enumerate() {
        peers.push((format!("t{index}"), Peer::start(vec![deed]).await));
    }
    let targets = peers
        .iter()
        .map(|(name, peer)| (name.as_str(), peer.address, more));
    let mut scene = Scene::set(&targets.collect::<Vec<_>>()).await;
    scene.send(3).await;
    let is_open = |target: &Value| target["held_by"] == "breaker" && target["in_flight"] == 0;
    for (name, _) in &peers {
        scene.target(name, is_open).await;
    }
    scene.send(3).await;
    for (name, peer) in &peers {
        scene.target(name, |target| target["pending"] == 6).await;
        peer.taken(2).await;
        assert_eq!(peer.attempts(), 2, "{name}");
    }
    scene.stop().await;
}
