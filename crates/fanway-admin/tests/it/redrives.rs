//! Redrives of many deliveries, over HTTP.

use fanway_store::Store;
use serde_json::{Value, json};

use crate::served::{NOW, Served};

const REDRIVES: &str = "/api/v1/redrives";

impl Served {
    /// The redrive at this path when it has ended.
    async fn ended(&self, path: &str) -> Value {
        loop {
            let message = fanway_testkit::build::message(&self.plan, 0).id;
            let changed = self.store.changed(message);
            let redrive = self.get(path).await.json(200);
            if !redrive["ended_at"].is_null() {
                return redrive;
            }
            changed.await;
        }
    }
}

#[tokio::test]
async fn a_redrive_is_started_and_ends_by_itself() {
    let served = Served::start().await;
    for number in 0..3 {
        served.accept(number).await;
        served.kill_next("inventory", 10 - number);
    }
    let body = json!({"include": "dead", "target": "inventory", "text": "ITEM", "since": "1h", "pace": 1000});
    let answer = served.post(REDRIVES, &body.to_string()).await;
    let started = answer.json(201);
    insta::assert_snapshot!(format!("{started:#}"), @r#"
    {
      "id": "job_01hf7yatz89tek9t14fsfrc1y2",
      "state": "running",
      "started_at": "2023-11-14T22:13:21.000Z",
      "ended_at": null,
      "include": "dead",
      "target": "inventory",
      "route": null,
      "reason": null,
      "text": "ITEM",
      "since": "2023-11-14T21:13:21.000Z",
      "until": "2023-11-14T22:13:21.000Z",
      "to": null,
      "new_key": false,
      "pace": 1000,
      "found": 3,
      "redriven": 0,
      "passed_over": 0
    }
    "#);
    let location = answer.header("location").expect("a location");
    let ended = served.ended(location).await;
    assert_eq!(
        (&ended["state"], &ended["redriven"]),
        (&json!("done"), &json!(3))
    );
    let dead = served.get("/api/v1/dead").await.json(200);
    assert_eq!(dead["dead"], json!([]));
    let audit = served.audit().await;
    insta::assert_snapshot!(audit.join("\n"), @r#"127.0.0.1 redrive.start job_01hf7yatz89tek9t14fsfrc1y2: 3 found: {"include":"dead","target":"inventory","since":"2023-11-14T21:13:21.000Z","until":"2023-11-14T22:13:21.000Z","text":"ITEM"}"#);
}

#[tokio::test]
async fn what_ends_from_now_on_is_never_part_of_it() {
    let served = Served::start().await;
    served.accept(1).await;
    served.kill_next("inventory", 0);
    for until in ["2099-01-01T00:00:00Z", "0s"] {
        let body = json!({"include": "all", "until": until, "dry_run": true});
        let counted = served.post(REDRIVES, &body.to_string()).await.json(200);
        assert_eq!(counted, json!({"sendable": 0, "not_kept": 0}));
    }
    let body = json!({"include": "dead", "until": "2099-01-01T00:00:00Z"});
    let started = served.post(REDRIVES, &body.to_string()).await.json(201);
    assert_eq!(started["until"], NOW.to_string());
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let served = Served::start().await;
    for number in 1..=3 {
        served.accept(number).await;
        served.kill_next("inventory", number);
        served.deliver_next("shipping", number);
    }
    let last = fanway_testkit::build::message(&served.plan, 3);
    served.store.forget_request(last.id);
    for (body, sendable, not_kept) in [
        (json!({"include": "dead", "dry_run": true}), 2, 1),
        (json!({"include": "all", "dry_run": true}), 4, 2),
        (
            json!({"include": "all", "target": "shipping", "dry_run": true}),
            2,
            1,
        ),
        (
            json!({"include": "dead", "reason": "crash", "dry_run": true}),
            0,
            0,
        ),
    ] {
        let counted = served.post(REDRIVES, &body.to_string()).await.json(200);
        assert_eq!(
            counted,
            json!({"sendable": sendable, "not_kept": not_kept}),
            "{body}"
        );
    }
    let list = served.get(REDRIVES).await.json(200);
    assert_eq!(list["redrives"], json!([]));
    assert_eq!(served.audit().await, [""; 0]);
}

#[tokio::test]
async fn what_a_redrive_cant_mean_is_refused() {
    let served = Served::start().await;
    for body in [
        "",
        "{}",
        r#"{"include": "some"}"#,
        r#"{"include": "dead", "pace": 0}"#,
        r#"{"include": "dead", "since": "yesterday"}"#,
        r#"{"include": "dead", "text": ""}"#,
        r#"{"include": "dead", "reason": "tired"}"#,
        r#"{"include": "dead", "unknown": 1}"#,
    ] {
        let answer = served.post(REDRIVES, body).await;
        assert_eq!(answer.problem(400), "request_malformed", "{body}");
    }
    let answer = served
        .post(
            REDRIVES,
            r#"{"include": "dead", "to": "mail", "dry_run": true}"#,
        )
        .await;
    assert_eq!(answer.problem(422), "to_unknown");
    assert_eq!(served.audit().await, [""; 0]);
}

#[tokio::test]
async fn a_redrive_is_held_resumed_and_ended() {
    let served = Served::start().await;
    for number in 0..100 {
        served.accept(number).await;
        served.kill_next("inventory", 1 + number);
    }
    // It would take 99 seconds.
    let body = r#"{"include": "dead", "pace": 1}"#;
    let answer = served.post(REDRIVES, body).await;
    answer.json(201);
    let path = answer.header("location").expect("a location");
    let id = path.trim_start_matches("/api/v1/redrives/");
    for (change, state) in [
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
        ("cancel", "cancelled"),
    ] {
        let changed = served.post(&format!("{path}/{change}"), "").await.json(200);
        assert_eq!(changed["state"], state, "{change}");
        assert_eq!(served.get(path).await.json(200)["state"], state);
    }
    let resumed = served.post(&format!("{path}/resume"), "").await;
    assert_eq!(resumed.problem(409), "redrive_ended");
    let audit = served.audit().await;
    let changes: Vec<_> = audit[..3].iter().map(String::as_str).collect();
    let expected =
        ["cancel", "resume", "pause"].map(|change| format!("127.0.0.1 redrive.{change} {id}: -"));
    assert_eq!(changes, expected);
    assert_eq!(audit.len(), 4);
}

#[tokio::test]
async fn a_redrive_that_never_was_is_unknown() {
    let served = Served::start().await;
    let path = format!("{REDRIVES}/job_01hf7yat010000000000000000");
    assert_eq!(served.get(&path).await.problem(404), "redrive_unknown");
    let paused = served.post(&format!("{path}/pause"), "").await;
    assert_eq!(paused.problem(404), "redrive_unknown");
    let answer = served.get(&format!("{REDRIVES}/x")).await;
    assert_eq!(answer.problem(404), "id_malformed");
}

#[tokio::test]
async fn redrives_are_paged_latest_first() {
    let served = Served::start().await;
    let mut started = Vec::new();
    for _ in 0..5 {
        let answer = served.post(REDRIVES, r#"{"include": "dead"}"#).await;
        started.push(answer.json(201)["id"].as_str().expect("an id").to_owned());
    }
    // They are made at the same time here, so that chance orders them.
    started.sort_unstable();
    started.reverse();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = served
            .get(&format!("{REDRIVES}?limit=2{cursor}"))
            .await
            .json(200);
        let redrives = page["redrives"].as_array().expect("a list");
        seen.extend(redrives.iter().map(|redrive| redrive["id"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, started);
}
