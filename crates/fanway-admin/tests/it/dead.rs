//! Dead letters: listed, shown, redriven, discarded.

use std::sync::Arc;

use fanway_dispatch::handle::Snapshot;
use fanway_store::Store;
use fanway_store::lane::Work;
use fanway_store::notice::CallbackOrigin;
use fanway_testkit::build;
use fanway_types::{DeliveryId, Message, Step, TargetName};
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
    served.store.accept(vec![message]).await.expect("accepted");
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
async fn the_list_is_narrowed_by_what_is_asked() {
    let served = Served::start().await;
    served.accept(1).await;
    // A minute and a half before 22:13:21.
    served.kill_next("inventory", 90_000);
    for (query, expected) in [
        ("target=inventory", 1),
        ("target=shipping", 0),
        ("route=orders", 1),
        ("route=others", 0),
        ("reason=refused", 1),
        ("reason=exhausted", 0),
        ("since=2m", 1),
        ("since=1m", 0),
        ("since=2023-11-14T22:11:51Z", 1),
        ("since=2023-11-14T22:11:52Z", 0),
        ("until=1m", 1),
        ("until=2023-11-14T22:11:51Z", 0),
        ("text=SUCH", 1),
        ("text=nothing", 0),
        ("target=inventory&text=item&reason=refused&since=1h", 1),
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
        "reason=tired",
        "since=yesterday",
        "text=",
        // A place in the list of audit records.
        "cursor=YTE",
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
    let expected = format!("127.0.0.1 dead.discard {id}: a test order");
    assert_eq!(served.audit().await, [expected]);
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
    let large = |size| format!(r#"{{"body": "{}"}}"#, "x".repeat(size));
    // The last isn't even read to its end.
    for (size, detail) in [
        (60_000, "the edited body is larger than 60000B"),
        (100_000, "the body is too large"),
    ] {
        let answer = served.post(&path, &large(size)).await;
        assert_eq!(answer.problem(413), "body_too_large", "{size}");
        assert_eq!(answer.json(413)["detail"], detail);
    }
    let discard = format!("/api/v1/dead/{id}/discard");
    let answer = served.post(&discard, &large(20_000)).await;
    assert_eq!(answer.problem(413), "body_too_large");
    for body in [
        "{",
        "[]",
        r#"{"plan": "other"}"#,
        r#"{"plans": "pinned"}"#,
        r#"{"body": 1, "body_base64": "MQ=="}"#,
        r#"{"body_base64": "x"}"#,
        r#"{"content_type": "text/plain"}"#,
        r#"{"body": 1, "content_type": "plain"}"#,
        r#"{"body": 1, "content_type": "a/b\r\nx: y"}"#,
    ] {
        let answer = served.post(&path, body).await;
        assert_eq!(answer.problem(400), "request_malformed", "{body}");
    }
    served.post(&path, &large(59_000)).await.json(202);
}

/// What a redrive of a dead letter of this step makes, and its audit record.
async fn redriven(step: Step, body: &str) -> (Served, Work, String) {
    let plan = build::plan([step]);
    let served = Served::start_with(Arc::clone(&plan), plan).await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    let path = format!("/api/v1/dead/{id}/redrive");
    served.post(&path, body).await.json(202);
    let is_to_shipping = body.contains("shipping");
    let (_, work) = served.take_next(if is_to_shipping {
        "shipping"
    } else {
        "inventory"
    });
    assert_eq!(Some(work.delivery), id.next_run());
    let audit = served.audit().await[0].replace(&id.to_string(), "ID");
    (served, work, audit)
}

/// Whether the attempts of what this body makes carry the old delivery's key.
async fn check_key(body: &str, is_kept: bool) {
    let (_, work, _) = redriven(build::step("inventory"), body).await;
    assert_eq!(work.key.run == 0, is_kept, "{body}");
    assert_eq!(work.key.run == 1, !is_kept, "{body}");
}

#[tokio::test]
async fn the_key_stays_unless_the_body_is_edited_or_a_new_one_is_asked_for() {
    check_key("", true).await;
    check_key("null", true).await;
    check_key(r#"{"plan": "pinned"}"#, true).await;
    check_key(r#"{"to": "shipping"}"#, true).await;
    check_key(r#"{"new_key": true}"#, false).await;
    check_key(r#"{"body": {"sku": 7}}"#, false).await;
    check_key(r#"{"body_base64": "/wA="}"#, false).await;
}

#[tokio::test]
async fn an_edited_body_is_sent_as_it_is_written() {
    let inventory = build::step("inventory");
    let (_, work, audit) = redriven(inventory, r#"{"body": {"b": 1.50,  "a":2}}"#).await;
    assert_eq!(&work.message.request.body[..], br#"{"b": 1.50,  "a":2}"#);
    let kind = work.message.request.headers.get_str("content-type");
    assert_eq!(kind, Some("application/json"));
    assert_eq!(audit, "127.0.0.1 dead.redrive ID: edited body");
}

#[tokio::test]
async fn an_edited_body_may_be_any_bytes_of_any_type() {
    let body = r#"{"body_base64": "/wA=", "content_type": "application/cbor"}"#;
    let (_, work, _) = redriven(build::step("inventory"), body).await;
    assert_eq!(&work.message.request.body[..], b"\xff\x00");
    let kind = work.message.request.headers.get_str("content-type");
    assert_eq!(kind, Some("application/cbor"));
}

#[tokio::test]
async fn a_redrive_to_another_target_runs_the_same_step_there() {
    let mut inventory = build::step("inventory");
    inventory.path = Some("/stock".to_owned());
    let body = r#"{"to": "shipping", "new_key": true}"#;
    let (served, work, audit) = redriven(inventory.clone(), body).await;
    let plan = served
        .store
        .plan(work.plan)
        .await
        .expect("open")
        .expect("kept");
    let step = &plan.steps[usize::from(work.step)];
    inventory.target = "shipping".parse().expect("a name");
    assert_eq!(*step, inventory);
    assert_eq!(audit, "127.0.0.1 dead.redrive ID: to shipping, new key");
}

#[tokio::test]
async fn nothing_is_redriven_to_a_target_that_the_config_does_not_have() {
    let served = Served::start().await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    let path = format!("/api/v1/dead/{id}/redrive");
    let answer = served.post(&path, r#"{"to": "mail"}"#).await;
    assert_eq!(answer.problem(422), "to_unknown");
    served.get(&format!("/api/v1/dead/{id}")).await.json(200);
    assert_eq!(served.audit().await, [""; 0]);
}

#[tokio::test]
async fn a_request_that_is_not_kept_cannot_be_redriven() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    served.store.forget_request(message.id);
    let answer = served.post(&format!("/api/v1/dead/{id}/redrive"), "").await;
    assert_eq!(answer.problem(409), "request_not_kept");
}

#[tokio::test]
async fn a_notice_is_redriven_by_its_own_plan() {
    let mut plan = Arc::unwrap_or_clone(build::plan([build::step("inventory")]));
    plan.on_dead = Some("shipping".parse().expect("a name"));
    let plan = Arc::new(plan);
    let served = Served::start_with(Arc::clone(&plan), plan).await;
    served.accept(1).await;
    served.kill_next("inventory", 2);
    let notice = served.kill_next("shipping", 1);
    let path = format!("/api/v1/dead/{notice}/redrive");
    served.post(&path, "").await.json(202);
    let (_lane, work) = served.take_next("shipping");
    assert_eq!(Some(work.delivery), notice.next_run());
}

/// The lane of the origin whose callback is dead, and the dead letter.
async fn dead_callback(served: &Served) -> (TargetName, DeliveryId) {
    let origin = "https://hooks.example.com";
    let message = build::message(&served.plan, 1);
    let mut message = Arc::<Message>::into_inner(message).expect("nobody else has it");
    message.terms.callback = Some(format!("{origin}/told?by=fanway").into());
    served
        .store
        .accept(vec![Arc::new(message)])
        .await
        .expect("accepted");
    served.deliver_next("inventory", 2);
    served.deliver_next("shipping", 2);
    let lane = CallbackOrigin::new(origin).target;
    let dead = served.kill_next(lane.as_str(), 1);
    (lane, dead)
}

#[tokio::test]
async fn a_dead_callback_waits_for_a_lane_to_its_origin() {
    let served = Served::start().await;
    let (lane, dead) = dead_callback(&served).await;
    let path = format!("/api/v1/targets/{lane}");
    let target = served.get(&path).await.json(200);
    assert_eq!(
        (&target["state"], &target["dead"]),
        (&"running".into(), &1.into())
    );
    assert_eq!(target["origin"], "https://hooks.example.com");

    let redriven = served
        .post(&format!("/api/v1/dead/{dead}/redrive"), "")
        .await
        .json(202);
    let target = served.get(&path).await.json(200);
    assert_eq!(
        (&target["state"], &target["held_by"]),
        (&"held".into(), &"limit".into())
    );
    let message = redriven["message"].as_str().expect("an id");
    let message = served
        .get(&format!("/api/v1/messages/{message}"))
        .await
        .json(200);
    assert_eq!(message["deliveries"][0]["held_by"], "limit");
}

#[tokio::test]
async fn nothing_is_redriven_to_an_origin_that_a_sender_has_named() {
    let served = Served::start().await;
    let (lane, dead) = dead_callback(&served).await;
    served.lanes.open(lane.as_str(), Snapshot::default());
    let path = format!("/api/v1/dead/{dead}/redrive");
    let answer = served.post(&path, &format!(r#"{{"to": "{lane}"}}"#)).await;
    assert_eq!(answer.problem(422), "to_unknown");
    served.post(&path, r#"{"to": "shipping"}"#).await.json(202);
    let (_, work) = served.take_next("shipping");
    let plan = served
        .store
        .plan(work.plan)
        .await
        .expect("open")
        .expect("kept");
    assert_eq!(plan.steps[0].origin, None);
}

#[tokio::test]
async fn a_full_store_changes_nothing() {
    let served = Served::start().await;
    served.accept(1).await;
    let id = served.kill_next("inventory", 0);
    served.store.refuse_outcomes();
    let answer = served.post(&format!("/api/v1/dead/{id}/redrive"), "").await;
    assert_eq!(answer.problem(503), "store_full");
    let discard = format!("/api/v1/dead/{id}/discard");
    let answer = served.post(&discard, r#"{"reason": "a test"}"#).await;
    assert_eq!(answer.problem(503), "store_full");
    assert_eq!(served.audit().await, [""; 0]);
}
