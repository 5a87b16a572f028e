//! 429 and 503, with whatever a `Retry-After` can say.
//!
//! By 429 a target is left alone for as long as it says, and by 503 a delivery waits as long: never
//! longer than `max_pause`, and after a 429 never for less than `first`.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use fanway_types::Timestamp;
use serde_json::Value;

use super::peer::{Deed, Peer};
use super::{Scene, delivery, said};

/// A 429 is obeyed for ten minutes at least, anything for two hours at most.
const BOUNDS: &str = "retry: { first: 10m, max: 10m, max_pause: 2h }";
const LEAST: Duration = Duration::from_secs(600);
const MOST: Duration = Duration::from_secs(7200);
const HOUR: Duration = Duration::from_secs(3600);

/// Dates are in whole seconds, and what is shown is reckoned between two clocks.
const PRECISION: Duration = Duration::from_secs(3);

/// An answer with this status, and this among its fields.
fn answer(status: u16, fields: &str) -> Deed {
    Deed::say(format!(
        "HTTP/1.1 {status} No\r\n{fields}connection: close\r\ncontent-length: 4\r\n\r\nbusy"
    ))
}

fn retry_after(status: u16, value: &str) -> Deed {
    answer(status, &format!("retry-after: {value}\r\n"))
}

/// The three forms of a date (RFC 9110 section 5.6.7).
fn forms(date: SystemTime) -> [String; 3] {
    let preferred = httpdate::fmt_http_date(date);
    let parts: Vec<&str> = preferred.split([' ', ',']).collect();
    let [name, _, day, month, year, time, _] = parts[..] else {
        panic!("{preferred}");
    };
    let whole = match name {
        "Tue" => "Tuesday".to_owned(),
        "Wed" => "Wednesday".to_owned(),
        "Thu" => "Thursday".to_owned(),
        "Sat" => "Saturday".to_owned(),
        _ => format!("{name}day"),
    };
    let rfc850 = format!("{whole}, {day}-{month}-{} {time} GMT", &year[2..]);
    let unpadded = day.trim_start_matches('0');
    let asctime = format!("{name} {month} {unpadded:>2} {time} {year}");
    [preferred, rfc850, asctime]
}

/// When something is over that lasts so long from a moment between these two on.
fn until((before, after): (SystemTime, SystemTime), wait: Duration) -> RangeInclusive<Timestamp> {
    Timestamp::from(before + wait - PRECISION)..=Timestamp::from(after + wait + PRECISION)
}

fn moment(value: &Value) -> Timestamp {
    let text = value.as_str().expect("a moment");
    text.parse().expect("in RFC 3339")
}

/// Targets that ask for time in these ways, under [`BOUNDS`].
struct Crowd {
    scene: Scene,
    peers: Vec<(String, Peer)>,
}

impl Crowd {
    async fn set(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let mut peers = Vec::new();
        for (index, deed) in deeds.into_iter().enumerate() {
            peers.push((format!("t{index}"), Peer::start(vec![deed]).await));
        }
        let targets = peers.iter();
        let targets = targets.map(|(name, peer)| (name.as_str(), peer.address, BOUNDS));
        let scene = Scene::set(&targets.collect::<Vec<_>>()).await;
        Self { scene, peers }
    }
}

/// Each value of a 429's `Retry-After`, and how long the target is left alone for it.
async fn check_pushbacks(cases: &[(String, Duration)]) {
    let deeds = cases.iter().map(|(value, _)| retry_after(429, value));
    let mut crowd = Crowd::set(deeds).await;
    let before = SystemTime::now();
    let first = crowd.scene.send(1).await.remove(0);
    let is_held = |target: &Value| target["limited_by"] == "pushback";
    for ((name, _), (value, wait)) in crowd.peers.iter().zip(cases) {
        let target = crowd.scene.target(name, is_held).await;
        let expected = until((before, SystemTime::now()), *wait);
        let held = moment(&target["held_until"]);
        assert!(
            expected.contains(&held),
            "{value}: {held}, not in {expected:?}"
        );
    }
    crowd.scene.send(3).await;
    for (name, peer) in &crowd.peers {
        crowd
            .scene
            .target(name, |target| target["pending"] == 4)
            .await;
        assert_eq!(peer.attempts(), 1, "nothing is attempted while it is held");
    }
    let message = crowd.scene.message(&first, |_| true).await;
    for (name, peer) in &crowd.peers {
        let delivery = delivery(&message, name);
        let expected = "retrying -, 1 attempts, status 429: busy";
        assert_eq!(said(delivery, peer.address), expected);
        assert_eq!(delivery["held_by"], "limit");
    }
    crowd.scene.stop().await;
}

#[tokio::test]
async fn a_429_is_obeyed_in_all_its_forms() {
    let dates = forms(SystemTime::now() + HOUR).map(|date| (date, HOUR));
    let seconds = [("3600".to_owned(), HOUR), ("003600".to_owned(), HOUR)];
    check_pushbacks(&[dates.as_slice(), &seconds].concat()).await;
}

#[tokio::test]
async fn an_absurd_retry_after_holds_a_target_within_bounds() {
    let year = forms(SystemTime::now() + 24 * 365 * HOUR);
    let long = [
        "31536000",
        "99999999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ];
    let long = long.map(str::to_owned).into_iter().chain(year);
    let past = forms(SystemTime::now() - HOUR);
    let ignored = [
        "0",
        "-1",
        "-3600",
        "+60",
        "1.5",
        "60s",
        "soon",
        "",
        "\u{2603}",
        "3600, 7200",
        "Fri, 31 Feb 2027 10:00:00 GMT",
        "2027-01-01T00:00:00Z",
        "0x3c",
    ];
    let ignored = ignored.map(str::to_owned).into_iter().chain(past);
    let long = long.map(|value| (value, MOST));
    let cases: Vec<_> = long.chain(ignored.map(|value| (value, LEAST))).collect();
    check_pushbacks(&cases).await;
}

#[tokio::test]
async fn a_503_has_its_own_delivery_wait_and_no_other() {
    let date = forms(SystemTime::now() + HOUR);
    let waits = [
        ("3600", HOUR),
        ("31536000", MOST),
        (&date[0], HOUR),
        (&date[1], HOUR),
    ];
    let deeds = waits.iter().map(|(value, _)| retry_after(503, value));
    let mut crowd = Crowd::set(deeds).await;
    let before = SystemTime::now();
    let ids = crowd.scene.send(3).await;
    for ((name, peer), (_, wait)) in crowd.peers.iter().zip(waits) {
        for id in &ids {
            let has_failed = |message: &Value| delivery(message, name)["state"] == "retrying";
            let message = crowd.scene.message(id, has_failed).await;
            let delivery = delivery(&message, name);
            let expected = "retrying -, 1 attempts, status 503: busy";
            assert_eq!(said(delivery, peer.address), expected);
            let due = moment(&delivery["next_attempt_at"]);
            let expected = until((before, SystemTime::now()), wait);
            assert!(expected.contains(&due), "{due}, not in {expected:?}");
        }
        assert_eq!(peer.attempts(), ids.len(), "each delivery once");
    }
    crowd.scene.stop().await;
}

#[tokio::test]
async fn a_429_uses_no_attempt_and_its_delivery_comes_through() {
    let past = &forms(SystemTime::now() - HOUR)[0];
    let peer = Peer::start(vec![
        retry_after(429, "0"),
        answer(429, ""),
        retry_after(429, past),
        retry_after(429, "-1"),
        retry_after(200, "3600"),
    ])
    .await;
    let more = "retry: { first: 1ms, max: 1ms, attempts: 1 }";
    let mut scene = Scene::set(&[("busy", peer.address, more)]).await;
    let id = scene.send(1).await.remove(0);
    let message = scene.ended(&id).await;
    let expected = "delivered -, 5 attempts, status 200: -";
    assert_eq!(said(delivery(&message, "busy"), peer.address), expected);
    assert_eq!(peer.attempts(), 5);
    scene.stop().await;
}
