//! Health, metrics, messages, targets.

use std::num::NonZeroU32;
use std::time::Duration;

use fanway_dispatch::endpoints::{Standing, View};
use fanway_store::Backlog;

use crate::served::Served;

#[tokio::test]
async fn a_server_is_ready_until_it_drains() {
    let served = Served::start().await;
    let ready = served.get("/readyz").await.json(200);
    assert_eq!(ready["ready"], true);
    served.readiness.drain();
    let ready = served.get("/readyz").await.json(503);
    assert_eq!(ready["problems"][0]["code"], "draining");
    assert_eq!(served.get("/healthz").await.json(200)["alive"], true);
}

#[tokio::test]
async fn what_waits_for_targets_that_are_gone_is_a_note() {
    let served = Served::start().await;
    served.readiness.set_orphans(vec![Backlog {
        target: "mail".parse().expect("a name"),
        pending: 2,
        oldest: None,
        dead: 0,
    }]);
    let ready = served.get("/readyz").await.json(200);
    insta::assert_snapshot!(ready["notes"], @r#"["2 deliveries wait for target `mail`, which the config doesn't have"]"#);
}

#[tokio::test]
async fn operators_see_why_a_delivery_is_where_it_is() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    served.kill_next("shipping", 0);
    let view = served
        .get(&format!("/api/v1/messages/{}", message.id))
        .await
        .json(200);
    insta::assert_snapshot!(format!("{view:#}"), @r#"
    {
      "id": "msg_01hf7yat010000000000000000",
      "route": "orders",
      "state": "pending",
      "received_at": "2023-11-14T22:13:20.001Z",
      "ended_at": null,
      "deliveries": [
        {
          "id": "dlv_01hf7yat010000000000000000_0",
          "step": "inventory",
          "target": "inventory",
          "critical": true,
          "state": "pending",
          "held_by": "breaker",
          "attempts": 0,
          "last_status": null,
          "last_at": null,
          "next_attempt_at": null,
          "reason": null,
          "detail": null
        },
        {
          "id": "dlv_01hf7yat010000000000000000_1",
          "step": "shipping",
          "target": "shipping",
          "critical": true,
          "state": "dead",
          "held_by": null,
          "attempts": 1,
          "last_status": 422,
          "last_at": "2023-11-14T22:13:21.000Z",
          "next_attempt_at": null,
          "reason": "refused",
          "detail": "no such item"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn nothing_holds_a_delivery_that_has_ended() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    served.kill_next("inventory", 0);
    let path = format!("/api/v1/messages/{}", message.id);
    let view = served.get(&path).await.json(200);
    assert_eq!(view["deliveries"][0]["state"], "dead");
    assert!(view["deliveries"][0]["held_by"].is_null());
}

#[tokio::test]
async fn a_message_that_never_was_is_unknown() {
    let served = Served::start().await;
    let answer = served
        .get("/api/v1/messages/msg_01h455vb4pex5vsknk084sn02q")
        .await;
    assert_eq!(answer.problem(404), "message_unknown");
}

#[tokio::test]
async fn targets_show_what_waits_and_what_holds_them() {
    let served = Served::start().await;
    served.accept(1).await;
    served.accept(2).await;
    served.kill_next("shipping", 0);
    let targets = served.get("/api/v1/targets").await.json(200);
    insta::assert_snapshot!(format!("{targets:#}"), @r#"
    {
      "targets": [
        {
          "target": "inventory",
          "origin": null,
          "state": "held",
          "held_by": "breaker",
          "held_until": "2023-11-14T22:13:21.000Z",
          "limited_by": null,
          "concurrency": 64,
          "breaker": "open",
          "breaker_cause": "slow",
          "force": "auto",
          "paused": null,
          "in_flight": 0,
          "pending": 2,
          "oldest": "2023-11-14T22:13:20.001Z",
          "dead": 0
        },
        {
          "target": "shipping",
          "origin": null,
          "state": "held",
          "held_by": "limit",
          "held_until": null,
          "limited_by": "concurrency",
          "concurrency": 3,
          "breaker": "closed",
          "breaker_cause": null,
          "force": "auto",
          "paused": null,
          "in_flight": 3,
          "pending": 1,
          "oldest": "2023-11-14T22:13:20.002Z",
          "dead": 1
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_target_with_several_addresses_shows_where_each_stands() {
    let served = Served::start().await;
    let endpoint = |name: &str, state, left_out_for| View {
        name: name.into(),
        weight: NonZeroU32::MIN,
        state,
        left_out_for,
        in_flight: 2,
    };
    let left = Some(Duration::from_millis(29_600));
    let endpoints = vec![
        endpoint("http://a", Standing::Up, None),
        endpoint("http://b", Standing::Ejected, left),
    ];
    served.lanes.open_with("mail", endpoints);
    let target = served.get("/api/v1/targets/mail").await.json(200);
    insta::assert_snapshot!(format!("{:#}", target["endpoints"]), @r#"
    [
      {
        "endpoint": "http://a",
        "weight": 1,
        "state": "up",
        "left_out_for": null,
        "in_flight": 2
      },
      {
        "endpoint": "http://b",
        "weight": 1,
        "state": "ejected",
        "left_out_for": 29,
        "in_flight": 2
      }
    ]
    "#);
}

#[tokio::test]
async fn metrics_have_what_waits_for_each_target() {
    let served = Served::start().await;
    served.accept(1).await;
    served.kill_next("shipping", 0);
    let metrics = served.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let mut lines: Vec<&str> = metrics.text.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    # EOF
    # HELP fanway_target_dead Dead letters, as posted to the ledger: up to a second behind.
    # HELP fanway_target_oldest_seconds Seconds since the oldest message that waits was accepted, as posted to the ledger: up to a second behind.
    # HELP fanway_target_pending Deliveries that have not ended, as posted to the ledger: up to a second behind.
    # TYPE fanway_target_dead gauge
    # TYPE fanway_target_oldest_seconds gauge
    # TYPE fanway_target_pending gauge
    fanway_target_dead{target="inventory"} 0
    fanway_target_dead{target="shipping"} 1
    fanway_target_oldest_seconds{target="inventory"} 0.999
    fanway_target_oldest_seconds{target="shipping"} 0.0
    fanway_target_pending{target="inventory"} 1
    fanway_target_pending{target="shipping"} 0
    "#);
}
