//! Dead letters: listed, shown, redriven, discarded.

use std::sync::Arc;

use fanway_testkit::build;
use serde_json::Value;

use crate::served::Served;

#[tokio::test]
async fn a_dead_letter_is_listed_with_why_it_is_dead() {
    let served = Served::start().await;
    served.accept(1).await;
    served.kill_next("inventory", 0);
    let list = served.get("/api/v1/dead").await.json(200);
    insta::assert_snapshot!(format!("{list:#}"), @r#"
    {
      "dead": [
        {
          "id": "dlv_01hf7yat010000000000000000_0",
          "message": "msg_01hf7yat010000000000000000",
          "route": "orders",
          "step": "inventory",
          "target": "inventory",
          "reason": "refused",
          "detail": "no such item",
          "last_status": 422,
          "attempts": 1,
          "died_at": "2023-11-14T22:13:21.000Z",
          "size": 1
        }
      ],
      "next": null
    }
    "#);
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_its_request() {
    let served = Served::start().await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    let letter = served.get(&format!("/api/v1/dead/{id}")).await.json(200);
    insta::assert_snapshot!(format!("{:#}", letter["request"]), @r#"
    {
      "method": "POST",
      "path": "/orders",
      "query": null,
      "headers": [
        [
          "content-type",
          "application/json"
        ]
      ],
      "body": {
        "text": "1"
      }
    }
    "#);
}

#[tokio::test]
async fn a_body_that_is_no_text_is_shown_in_base_64() {
    let served = Served::start().await;
    let message = build::message_with_body(&served.plan, 1, vec![0xff, 0x00]);
    let store: &dyn fanway_store::Store = &served.store;
    store.accept(vec![message]).await.expect("accepted");
    let id = served.kill_next("inventory", 0);
    let letter = served.get(&format!("/api/v1/dead/{id}")).await.json(200);
    assert_eq!(letter["request"]["body"]["base64"], "/wA=");
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_double() {
    let served = Served::start().await;
    for number in 0..5 {
        served.accept(number).await;
        // Two of them die at the same time.
        served.kill_next("inventory", number / 2);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/dead?limit=2{cursor}");
        let page = served.get(&path).await.json(200);
        seen.extend(page["dead"].as_array().expect("a list").clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let whole = served.get("/api/v1/dead").await.json(200);
    assert_eq!(seen.len(), 5);
    assert_eq!(Value::Array(seen), whole["dead"]);
}

#[tokio::test]
async fn the_list_is_narrowed_by_target_and_route() {
    let served = Served::start().await;
    served.accept(1).await;
    served.kill_next("inventory", 0);
    for (query, expected) in [
        ("target=inventory", 1),
        ("target=shipping", 0),
        ("route=orders", 1),
        ("route=others", 0),
    ] {
        let page = served.get(&format!("/api/v1/dead?{query}")).await.json(200);
        assert_eq!(
            page["dead"].as_array().map(Vec::len),
            Some(expected),
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_the_list_cant_understand_is_refused() {
    let served = Served::start().await;
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=x",
        "target=A",
        "unknown=1",
    ] {
        let answer = served.get(&format!("/api/v1/dead?{query}")).await;
        assert_eq!(answer.problem(400), "request_malformed", "{query}");
    }
}

#[tokio::test]
async fn a_redrive_follows_the_step_of_the_same_name_in_todays_plan() {
    let then = build::plan([build::step("inventory"), build::step("shipping")]);
    let today = build::plan([build::step("shipping"), build::step("inventory")]);
    let served = Served::start_with(then, Arc::clone(&today)).await;
    let message = served.accept(1).await;
    let id = served.kill_next("inventory", 0);

    let answer = served.post(&format!("/api/v1/dead/{id}/redrive"), "").await;
    let redriven = answer.json(202);
    assert_eq!(redriven["delivery"], format!("{id}.r1"));
    let location = answer.header("location").expect("a location");
    assert_eq!(location, format!("/api/v1/messages/{}", message.id));
    let view = served.get(location).await.json(200);
    assert_eq!(view["state"], "pending");
    assert_eq!(view["deliveries"][0]["id"], format!("{id}.r1"));

    let again = served.get(&format!("/api/v1/dead/{id}")).await;
    assert_eq!(again.problem(404), "dead_unknown");
    let next = served.kill_next("inventory", 1);
    assert_eq!(next.to_string(), format!("{id}.r1"));
}

#[tokio::test]
async fn a_step_that_is_gone_is_redriven_by_the_pinned_plan_only() {
    let then = build::plan([build::step("inventory")]);
    let today = build::plan([build::step("shipping")]);
    let served = Served::start_with(then, today).await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    let path = format!("/api/v1/dead/{id}/redrive");
    assert_eq!(served.post(&path, "").await.problem(409), "step_gone");
    let current = served.post(&path, r#"{"plan": "current"}"#).await;
    assert_eq!(current.problem(409), "step_gone");
    served.post(&path, r#"{"plan": "pinned"}"#).await.json(202);
}

#[tokio::test]
async fn nothing_is_redriven_to_a_target_that_is_gone() {
    let then = build::plan([build::step("mail")]);
    let today = build::plan([build::step("shipping")]);
    let served = Served::start_with(then, today).await;
    served.accept(1).await;
    let id = served.kill_next("mail", 0);
    let path = format!("/api/v1/dead/{id}/redrive");
    let answer = served.post(&path, r#"{"plan": "pinned"}"#).await;
    assert_eq!(answer.problem(409), "target_gone");
}

#[tokio::test]
async fn a_discard_needs_a_reason_and_takes_the_letter_off_the_list() {
    let served = Served::start().await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    let path = format!("/api/v1/dead/{id}/discard");
    for body in ["", "{}", r#"{"reason": " "}"#] {
        assert_eq!(
            served.post(&path, body).await.problem(400),
            "request_malformed"
        );
    }
    let answer = served.post(&path, r#"{"reason": "a test order"}"#).await;
    assert_eq!(answer.status, 204);
    let list = served.get("/api/v1/dead").await.json(200);
    assert_eq!(list["dead"], serde_json::json!([]));
    assert_eq!(
        served
            .post(&path, r#"{"reason": "again"}"#)
            .await
            .problem(404),
        "dead_unknown"
    );
}

#[tokio::test]
async fn bodies_are_limited_and_read_strictly() {
    let served = Served::start().await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    let path = format!("/api/v1/dead/{id}/redrive");
    let large = format!(r#"{{"plan": "{}"}}"#, "x".repeat(20_000));
    assert_eq!(
        served.post(&path, &large).await.problem(413),
        "body_too_large"
    );
    for body in ["{", r#"{"plan": "other"}"#, r#"{"plans": "pinned"}"#] {
        assert_eq!(
            served.post(&path, body).await.problem(400),
            "request_malformed"
        );
    }
}
