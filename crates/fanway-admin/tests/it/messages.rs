//! Messages that are called off, and what is told of all of them as it happens.

use fanway_store::Store;
use fanway_types::MessageId;
use hyper::Request;
use serde_json::Value;

use crate::served::Served;

fn path(id: MessageId) -> String {
    format!("/api/v1/messages/{id}")
}

fn states(message: &Value) -> Vec<&str> {
    let deliveries = message["deliveries"].as_array().expect("a list");
    let states = deliveries.iter().map(|delivery| delivery["state"].as_str());
    states.map(|state| state.expect("a state")).collect()
}

#[tokio::test]
async fn what_waits_is_called_off_and_what_is_delivered_stays() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    served.deliver_next("inventory", 0);
    let called_off = served.delete(&path(message.id)).await.json(200);
    assert_eq!(called_off["state"], "cancelled");
    assert_eq!(states(&called_off), ["delivered", "cancelled"]);

    let again = served.delete(&path(message.id)).await.json(200);
    assert_eq!(again, called_off);
    let expected = [format!("127.0.0.1 message.cancel {}: -", message.id)];
    assert_eq!(served.audit().await, expected);
}

#[tokio::test]
async fn an_attempt_in_flight_still_decides() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    let (_lane, _work) = served.take_next("shipping");
    let answer = served.delete(&path(message.id)).await.json(202);
    assert_eq!(states(&answer), ["cancelled", "pending"]);
}

#[tokio::test]
async fn what_has_ended_otherwise_or_never_was_cant_be_called_off() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    served.kill_next("inventory", 0);
    served.deliver_next("shipping", 0);
    let answer = served.delete(&path(message.id)).await;
    assert_eq!(answer.problem(409), "message_ended");
    let unknown = served
        .delete("/api/v1/messages/msg_01h455vb4pex5vsknk084sn02q")
        .await;
    assert_eq!(unknown.problem(404), "message_unknown");
    assert_eq!(served.audit().await, [""; 0]);
}

#[tokio::test]
async fn a_full_store_calls_nothing_off() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    served.store.refuse_outcomes();
    let answer = served.delete(&path(message.id)).await;
    assert_eq!(answer.problem(503), "store_full");
}

#[tokio::test]
async fn a_page_of_another_origin_calls_nothing_off() {
    let served = Served::start().await;
    let message = served.accept(1).await;
    let request = Request::delete(path(message.id)).header("origin", "http://elsewhere.example");
    assert_eq!(served.ask(request, "").await.problem(403), "origin_foreign");
}

#[tokio::test]
async fn a_listener_is_told_all_that_happens() {
    let served = Served::start().await;
    let mut told = served.follow("").await;
    let message = served.accept(1).await;
    served.fail_next("inventory", 0);
    let dead = served.kill_next("shipping", 0);
    let redrive = format!("/api/v1/dead/{dead}/redrive");
    served.post(&redrive, "").await.json(202);
    served.delete(&path(message.id)).await.json(200);
    let mut events = Vec::new();
    for _ in 0..7 {
        let (name, data) = told.event().await;
        events.push(format!("{name} {data}"));
    }
    insta::assert_snapshot!(events.join("\n"), @r#"
    accepted {"message":"msg_01hf7yat010000000000000000","route":"orders","state":"pending","at":"2023-11-14T22:13:20.001Z"}
    attempt {"message":"msg_01hf7yat010000000000000000","route":"orders","state":"retrying","at":"2023-11-14T22:13:21.000Z","delivery":"dlv_01hf7yat010000000000000000_0","step":"inventory","target":"inventory","attempts":1,"last_status":422,"again":"failed","next_attempt_at":"2023-11-14T22:13:22.000Z","detail":"no such item"}
    attempt {"message":"msg_01hf7yat010000000000000000","route":"orders","state":"dead","at":"2023-11-14T22:13:21.000Z","delivery":"dlv_01hf7yat010000000000000000_1","step":"shipping","target":"shipping","attempts":1,"last_status":422,"reason":"refused","detail":"no such item"}
    redriven {"message":"msg_01hf7yat010000000000000000","route":"orders","state":"pending","delivery":"dlv_01hf7yat010000000000000000_1.r1","redriven":"dlv_01hf7yat010000000000000000_1"}
    cancelled {"message":"msg_01hf7yat010000000000000000","route":"orders","state":"cancelled"}
    attempt {"message":"msg_01hf7yat010000000000000000","route":"orders","state":"cancelled","at":"2023-11-14T22:13:21.000Z","delivery":"dlv_01hf7yat010000000000000000_0","step":"inventory","target":"inventory","attempts":1,"last_status":422,"detail":"no such item"}
    attempt {"message":"msg_01hf7yat010000000000000000","route":"orders","state":"cancelled","at":"2023-11-14T22:13:21.000Z","delivery":"dlv_01hf7yat010000000000000000_1.r1","step":"shipping","target":"shipping","attempts":0}
    "#);
}

/// What a listener with this filter is told of what happens to two messages.
async fn check(query: &str, expected: &[&str]) {
    let served = Served::start().await;
    let mut told = served.follow(query).await;
    served.accept(1).await;
    served.accept(2).await;
    served.deliver_next("inventory", 0);
    served.kill_next("shipping", 0);
    let mut names = Vec::new();
    // With the end of the store ends what there is to tell.
    served.store.close().await.expect("open");
    while let Some(event) = told.next().await {
        let (name, _) = event.split_once('\n').expect("two lines");
        names.push(name.trim_start_matches("event: ").to_owned());
    }
    assert_eq!(names, expected, "{query}");
}

#[tokio::test]
async fn a_listener_may_ask_for_less() {
    check("", &["accepted", "accepted", "attempt", "attempt"]).await;
    check("route=orders&state=dead", &["attempt"]).await;
    check("route=others", &[]).await;
    check("target=inventory", &["attempt"]).await;
    check("target=inventory&state=dead", &[]).await;
    check("state=pending", &["accepted", "accepted"]).await;
    check(
        "message=msg_01hf7yat010000000000000000",
        &["accepted", "attempt", "attempt"],
    )
    .await;
}

#[tokio::test]
async fn what_a_listener_cant_mean_is_refused() {
    let served = Served::start().await;
    for query in ["state=broken", "message=x", "target=A", "since=2h"] {
        let answer = served.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!(answer.problem(400), "request_malformed", "{query}");
    }
}

#[tokio::test]
async fn so_many_may_listen_at_a_time() {
    let served = Served::start().await;
    let mut listeners = Vec::new();
    for _ in 0..64 {
        listeners.push(served.follow("").await);
    }
    let answer = served.get("/api/v1/events").await;
    assert_eq!(answer.problem(503), "too_many_followers");
}

#[tokio::test]
async fn what_is_told_ends_with_the_server() {
    let mut served = Served::start().await;
    let mut told = served.follow("").await;
    served.stop();
    assert_eq!(told.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_a_comment_where_nothing_happens() {
    let served = Served::start().await;
    let mut told = served.follow("").await;
    let began = tokio::time::Instant::now();
    assert_eq!(told.next().await.as_deref(), Some(":"));
    assert_eq!(began.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn a_listener_that_was_too_slow_learns_how_much_it_has_missed() {
    let served = Served::start().await;
    let mut told = served.follow("state=skipped").await;
    // More batches than a watcher may be behind, before the server gets a turn.
    for number in 0..3000 {
        served.accept(number).await;
    }
    let (name, data) = told.event().await;
    assert_eq!(name, "missed");
    assert!(data["batches"].as_u64() > Some(0), "{data}");
}
