//! Targets that are paused or forced, and the config that is in use.

use fanway_store::Store;
use fanway_store::change::{Control, Force, Pause, PauseCause};
use hyper::Request;

use crate::served::{NOW, Served};

fn paused(reason: &str) -> Control {
    Control {
        pause: Some(Pause {
            since: NOW,
            reason: reason.to_owned(),
            cause: PauseCause::Operator,
            address: None,
        }),
        breaker: Force::Auto,
    }
}

/// What is kept for `shipping`, which is what its lane was told last.
async fn control(served: &Served) -> Control {
    let controls = served.store.controls().await.expect("open");
    let kept = controls
        .into_iter()
        .find(|(target, _)| target.as_str() == "shipping");
    let kept = kept.map(|(_, control)| control).unwrap_or_default();
    assert_eq!(served.lanes.told("shipping").unwrap_or_default(), kept);
    kept
}

const SHIPPING: &str = "/api/v1/targets/shipping";

#[tokio::test]
async fn a_pause_is_kept_and_the_lane_is_told() {
    let served = Served::start().await;
    let body = r#"{"paused": true, "reason": " their migration "}"#;
    let target = served.patch(SHIPPING, body).await.json(200);
    assert_eq!(target["paused"]["reason"], "their migration");
    assert_eq!(target["paused"]["since"], NOW.to_string());
    assert_eq!(control(&served).await, paused("their migration"));
    assert_eq!(served.get(SHIPPING).await.json(200), target);

    let target = served
        .patch(SHIPPING, r#"{"paused": false}"#)
        .await
        .json(200);
    assert!(target["paused"].is_null());
    assert_eq!(control(&served).await, Control::default());
    let expected = [
        "127.0.0.1 target.resume shipping: -",
        "127.0.0.1 target.pause shipping: their migration",
    ];
    assert_eq!(served.audit().await, expected);
}

#[tokio::test]
async fn what_is_set_already_changes_nothing() {
    let served = Served::start().await;
    for body in [
        r#"{"paused": false}"#,
        r#"{"breaker": "auto"}"#,
        r#"{"paused": true, "reason": "their migration"}"#,
        r#"{"paused": true}"#,
    ] {
        served.patch(SHIPPING, body).await.json(200);
    }
    assert_eq!(control(&served).await, paused("their migration"));
    assert_eq!(served.audit().await.len(), 1);
}

#[tokio::test]
async fn a_breaker_is_forced_and_the_pause_stays() {
    let served = Served::start().await;
    served
        .patch(SHIPPING, r#"{"paused": true}"#)
        .await
        .json(200);
    let body = r#"{"breaker": "open", "reason": "wrong answers"}"#;
    let target = served.patch(SHIPPING, body).await.json(200);
    assert_eq!(target["force"], "open");
    let expected = Control {
        breaker: Force::Open,
        ..paused("")
    };
    assert_eq!(control(&served).await, expected);
    let body = r#"{"paused": false, "breaker": "closed"}"#;
    served.patch(SHIPPING, body).await.json(200);
    let expected = [
        "127.0.0.1 target.resume shipping: breaker closed",
        "127.0.0.1 target.breaker shipping: open: wrong answers",
        "127.0.0.1 target.pause shipping: -",
    ];
    assert_eq!(served.audit().await, expected);
}

#[tokio::test]
async fn a_target_without_a_lane_cant_be_steered() {
    let served = Served::start().await;
    served.accept(1).await;
    served.lanes.close("shipping");
    let answer = served.patch(SHIPPING, r#"{"paused": true}"#).await;
    assert_eq!(answer.problem(404), "target_unknown");
    let gone = served.get(SHIPPING).await.json(200);
    assert_eq!(gone["state"], "gone");
    assert_eq!(gone["held_by"], "target");
    let answer = served.get("/api/v1/targets/nowhere").await;
    assert_eq!(answer.problem(404), "target_unknown");
    assert_eq!(served.audit().await, [""; 0]);
}

#[tokio::test]
async fn what_a_steering_cant_mean_is_refused() {
    let served = Served::start().await;
    let long = format!(r#"{{"paused": true, "reason": "{}"}}"#, "x".repeat(1025));
    for body in [
        "",
        "{}",
        r#"{"reason": "x"}"#,
        r#"{"breaker": "ajar"}"#,
        r#"{"pause": true}"#,
        &long,
    ] {
        let answer = served.patch(SHIPPING, body).await;
        assert_eq!(answer.problem(400), "request_malformed", "{body}");
    }
}

#[tokio::test]
async fn whoever_is_named_is_the_actor() {
    let served = Served::start().await;
    let request = || Request::patch(SHIPPING);
    let named = request().header("fanway-actor", "Zoë on call");
    served.ask(named, r#"{"paused": true}"#).await.json(200);
    let expected = ["Zoë on call target.pause shipping: -"];
    assert_eq!(served.audit().await, expected);
    let long = "x".repeat(101);
    let twice = request()
        .header("fanway-actor", "a")
        .header("fanway-actor", "b");
    for refused in [
        request().header("fanway-actor", ""),
        request().header("fanway-actor", long),
        twice,
    ] {
        let answer = served.ask(refused, r#"{"paused": false}"#).await;
        assert_eq!(answer.problem(400), "request_malformed");
    }
    assert_eq!(control(&served).await, paused(""));
}

#[tokio::test]
async fn a_reload_shows_what_is_in_use() {
    let served = Served::start().await;
    let before = served.get("/api/v1/config").await.json(200);
    assert_eq!(
        (&before["generation"], &before["previous"]),
        (&1.into(), &serde_json::Value::Null)
    );
    let config = served.post("/api/v1/config/reload", "").await.json(200);
    insta::assert_snapshot!(format!("{config:#}"), @r#"
    {
      "generation": 2,
      "fingerprint": "0000000000000002",
      "loaded_at": "2023-11-14T22:13:21.000Z",
      "files": [
        "fanway.yaml"
      ],
      "previous": {
        "generation": 1,
        "fingerprint": "0000000000000001",
        "loaded_at": "2023-11-14T22:13:21.000Z"
      },
      "refused": null
    }
    "#);
    assert_eq!(served.get("/api/v1/config").await.json(200), config);
    let ready = served.get("/readyz").await.json(200);
    assert_eq!(ready["config"]["generation"], 2);
    assert_eq!(ready["config"]["fingerprint"], config["fingerprint"]);
    let expected = ["127.0.0.1 config.reload 2: 0000000000000002"];
    assert_eq!(served.audit().await, expected);
}

#[tokio::test]
async fn a_reload_that_is_refused_says_all_that_is_wrong_and_is_no_failure() {
    let served = Served::start().await;
    served.config.break_with(&["no such target", "no such key"]);
    let answer = served.post("/api/v1/config/reload", "").await;
    assert_eq!(answer.problem(422), "config_refused");
    let errors = &answer.json(422)["errors"];
    assert_eq!(
        *errors,
        serde_json::json!(["no such target", "no such key"])
    );
    let config = served.get("/api/v1/config").await.json(200);
    assert_eq!(config["generation"], 1);
    assert_eq!(config["refused"]["errors"], *errors);
    let ready = served.get("/readyz").await.json(200);
    let note = ready["notes"][0].as_str().expect("a note");
    assert!(
        note.ends_with("was refused: no such target (and 1 more)"),
        "{note}"
    );
    assert_eq!(served.audit().await, [""; 0]);
}

#[tokio::test]
async fn a_rollback_needs_something_to_go_back_to() {
    let served = Served::start().await;
    let path = "/api/v1/config/rollback";
    assert_eq!(
        served.post(path, "").await.problem(409),
        "no_previous_config"
    );
    served.post("/api/v1/config/reload", "").await.json(200);
    let config = served.post(path, "").await.json(200);
    assert_eq!(config["generation"], 3);
    let expected = [
        "127.0.0.1 config.rollback 3: 0000000000000003",
        "127.0.0.1 config.reload 2: 0000000000000002",
    ];
    assert_eq!(served.audit().await, expected);
    served.config.break_with(&["the certificate is gone"]);
    assert_eq!(served.post(path, "").await.problem(422), "config_refused");
}

#[tokio::test]
async fn audit_records_are_paged_latest_first() {
    let served = Served::start().await;
    for _ in 0..5 {
        served.post("/api/v1/config/reload", "").await.json(200);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/audit?limit=2{cursor}");
        let page = served.get(&path).await.json(200);
        let records = page["audit"].as_array().expect("a list");
        seen.extend(records.iter().map(|record| record["subject"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["6", "5", "4", "3", "2"]);
    for query in ["limit=0", "limit=501", "cursor=x", "below=3"] {
        let answer = served.get(&format!("/api/v1/audit?{query}")).await;
        assert_eq!(answer.problem(400), "request_malformed", "{query}");
    }
}
