//! Following what happens: one message, or everything.

use serde_json::{Value, json};

use crate::program::{Folder, Going, Serving, answer, run, scripted, stream, target};

const ID: &str = "msg_01hf7yat000000000000000000";

fn json_of(line: &str) -> Value {
    serde_json::from_str(line).expect(line)
}

#[track_caller]
fn check_followed(status: u16, code: i32, state: &str) {
    let folder = Folder::with_target(&target(Some(status)));
    let serving = Serving::start(&folder);
    let send = [
        "send",
        "/mails",
        "-d",
        "hello",
        "--follow",
        "--gateway",
        &serving.gateway,
    ];
    let done = run(&send);
    let lines: Vec<&str> = done.out(code).lines().collect();
    let last = lines.last().expect("a line");
    assert!(
        last.contains("  msg_") && last.ends_with(&format!("  {state}")),
        "{last}"
    );
    let attempt = format!("status {status}, attempts 1");
    assert!(
        lines.iter().any(|line| line.contains(&attempt)),
        "{lines:?}"
    );
    let done = run(&[&send[..], &["--json"]].concat());
    let last = done.out(code).lines().last().expect("a line");
    assert_eq!(json_of(last)["state"], state);
}

#[test]
fn a_message_that_is_delivered_is_followed_to_success() {
    check_followed(200, 0, "delivered");
}

#[test]
fn a_message_that_fails_is_followed_to_failure() {
    check_followed(400, 1, "failed");
}

#[test]
fn a_message_that_is_called_off_is_seen_to_end() {
    let folder = Folder::with_target(&target(Some(200)));
    let serving = Serving::start(&folder);
    let gateway = ["--gateway", serving.gateway.as_str()];
    let sent = run(&[&["send", "/mails", "--not-before", "1h"], &gateway[..]].concat());
    let id = sent.out(0).strip_suffix(" pending").expect("id and state");
    let late = run(&[&["status", id, "--follow", "--wait", "1ms"], &gateway[..]].concat());
    assert!(
        late.err(1).contains("hasn't ended within 1ms"),
        "{}",
        late.err
    );
    let mut followed = Going::start(&[&["status", id, "--follow"], &gateway[..]].concat());
    assert!(followed.line().ends_with(&format!("{id}  pending")));
    assert!(followed.line().contains("held by schedule"));

    let cancelled = run(&[&["cancel", id], &gateway[..]].concat());
    assert!(
        cancelled.out(0).starts_with(&format!("{id} cancelled\n")),
        "{}",
        cancelled.out
    );
    let seen = followed.end();
    assert!(
        seen.out(1).ends_with(&format!("{id}  cancelled")),
        "{}",
        seen.out
    );
    let again = run(&[&["cancel", id, "--json"], &gateway[..]].concat()).json(0);
    assert_eq!(again["state"], "cancelled");
}

#[test]
fn what_has_ended_cant_be_called_off() {
    let folder = Folder::with_target(&target(Some(200)));
    let serving = Serving::start(&folder);
    let gateway = ["--gateway", serving.gateway.as_str()];
    let send = ["send", "/mails", "--wait", "30s", "--json"];
    let sent = run(&[&send[..], &gateway[..]].concat()).json(0);
    let id = sent["id"].as_str().expect("an id");
    let refused = run(&[&["cancel", id], &gateway[..]].concat());
    assert!(refused.err(1).contains("409"), "{}", refused.err);
}

#[test]
fn attempts_in_flight_are_said_to_decide() {
    let message = json!({"id": ID, "state": "pending", "deliveries": []});
    let (gateway, requests) = scripted(&[&answer("202 Accepted", &message)]);
    let done = run(&["cancel", ID, "--gateway", &gateway]);
    assert!(
        done.out(0).starts_with(&format!("{ID} pending")),
        "{}",
        done.out
    );
    assert!(
        done.err.contains(&format!("fanway status {ID} --wait")),
        "{}",
        done.err
    );
    let request = requests.next();
    assert!(
        request.starts_with(&format!("delete /fanway/messages/{ID} ")),
        "{request}"
    );
}

#[test]
fn a_follower_comes_back_behind_what_it_has_seen() {
    let state = |state: &str| json!({"id": ID, "state": state, "deliveries": []});
    let first = format!("event: message\nid: 00ff\ndata: {}\n\n", state("pending"));
    let last = format!(
        ": back\n\nevent: message\nid: 01\ndata: {}\n\n",
        state("delivered")
    );
    let (gateway, requests) = scripted(&[
        &stream(&first),
        &answer("503 Service Unavailable", &json!({"title": "busy"})),
        &stream(&last),
    ]);
    let done = run(&["status", ID, "--follow", "--json", "--gateway", &gateway]);
    let states: Vec<Value> = done
        .out(0)
        .lines()
        .map(|line| json_of(line)["state"].take())
        .collect();
    assert_eq!(states, ["pending", "delivered"]);
    assert!(done.err.contains("broke off"), "{}", done.err);
    let ids: Vec<bool> = requests
        .all()
        .iter()
        .map(|request| request.contains("\nlast-event-id: 00ff\n"))
        .collect();
    assert_eq!(ids, [false, true, true]);
}

#[test]
fn a_follower_who_comes_back_too_late_ends_with_what_it_knows() {
    let pending = json!({"id": ID, "state": "pending", "deliveries": []});
    let event = format!("id: 1\ndata: {pending}\n\n");
    let gone = answer(
        "410 Gone",
        &json!({"title": "the message is no longer kept"}),
    );
    let (gateway, _requests) = scripted(&[&stream(&event), &gone]);
    let done = run(&["status", ID, "--follow", "--gateway", &gateway]);
    assert!(
        done.err(1).contains("no longer kept (410 Gone)"),
        "{}",
        done.err
    );
    let over = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    let (gateway, _requests) = scripted(&[&stream(&event), over]);
    run(&["status", ID, "--follow", "--gateway", &gateway]).out(1);
}

#[test]
fn a_key_makes_one_message_of_two_requests() {
    let folder = Folder::with_target(&target(Some(200)));
    let serving = Serving::start(&folder);
    let send = |data: &str| {
        let key = ["--idempotency-key", "order \"7\""];
        let gateway = ["--gateway", serving.gateway.as_str()];
        run(&[
            &["send", "/mails", "--json", "-d", data],
            &key[..],
            &gateway[..],
        ]
        .concat())
    };
    let (first, second) = (send("a"), send("a"));
    assert_eq!(first.json(0)["id"], second.json(0)["id"]);
    assert_eq!(first.err, "");
    assert!(
        second.err.contains("it is the same message"),
        "{}",
        second.err
    );
    assert!(send("b").err(1).contains("422"));
}

#[test]
fn terms_are_asked_for_in_headers() {
    let accepted = json!({"id": ID, "state": "pending"});
    let (gateway, requests) = scripted(&[&answer("202 Accepted", &accepted)]);
    let terms = [
        "--not-before",
        "10m",
        "--expires",
        "2026-11-22T10:07:07Z",
        "--callback",
        "https://a.example/told",
        "--idempotency-key",
        "a\\b",
    ];
    run(&[&["send", "/mails", "--gateway", &gateway], &terms[..]].concat()).out(0);
    let request = requests.next();
    for header in [
        "fanway-not-before: 10m",
        "fanway-expires: 2026-11-22t10:07:07z",
        "fanway-callback: https://a.example/told",
        "idempotency-key: \"a\\\\b\"",
    ] {
        assert!(
            request.contains(&format!("\n{header}\n")),
            "{header} in {request}"
        );
    }
}

#[test]
fn a_tail_prints_what_happens_until_it_is_interrupted() {
    let folder = Folder::with_target(&target(Some(400)));
    let serving = Serving::start(&folder);
    let admin = ["--admin", serving.admin.as_str()];
    let mut all = Going::start(&[&["tail", "--json"], &admin[..]].concat());
    let filter = [
        "tail", "--target", "mail", "--route", "mails", "--state", "dead",
    ];
    let mut dead = Going::start(&[&filter[..], &admin[..]].concat());
    for tail in [&mut all, &mut dead] {
        assert_eq!(tail.note(), "fanway: listening; Ctrl-C ends");
    }
    let sent = run(&["send", "/mails", "--gateway", &serving.gateway]);
    let id = sent.out(0).strip_suffix(" pending").expect("id and state");
    let accepted = json_of(&all.line());
    assert_eq!(
        (&accepted["event"], &accepted["message"]),
        (&json!("accepted"), &json!(id))
    );
    let attempt = json_of(&all.line());
    assert_eq!(
        (&attempt["event"], &attempt["state"]),
        (&json!("attempt"), &json!("dead"))
    );
    let line = dead.line();
    let expected =
        format!("  {id}  mails  mail to mail  dead  status 400, attempts 1, reason refused");
    assert!(line.ends_with(&expected), "{line}");
    for tail in [all, dead] {
        tail.interrupt();
        assert_eq!(tail.end().out(0), "");
    }
}

#[test]
fn a_tail_says_what_it_has_missed() {
    let missed = "event: missed\ndata: {\"batches\": 3}\n\n";
    let end = answer("404 Not Found", &json!({"title": "gone"}));
    let answers = [stream(missed), stream(missed), end];
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let (admin, requests) = scripted(&answers);
    let done = run(&["tail", "--message", ID, "--admin", &admin]);
    assert_eq!(done.out(1), "");
    for said in ["3 batches of events missed", "listening again", "gone (404"] {
        assert!(done.err.contains(said), "{said} in {}", done.err);
    }
    let request = requests.next();
    assert!(
        request.starts_with(&format!("get /api/v1/events?message={ID} ")),
        "{request}"
    );

    let (admin, _requests) = scripted(&answers);
    let done = run(&["tail", "--json", "--admin", &admin]);
    let line = done.out(1).lines().next().expect("a line");
    assert_eq!(json_of(line), json!({"event": "missed", "batches": 3}));
}

#[test]
fn a_tail_ends_when_nobody_reads_it() {
    let event = "event: accepted\ndata: {\"message\": \"msg_1\"}\n\n";
    let end = answer("404 Not Found", &json!({"title": "gone"}));
    let (admin, _requests) = scripted(&[&stream(&event.repeat(1000)), &end]);
    let mut tail = Going::start(&["tail", "--admin", &admin]);
    assert!(tail.line().contains("accepted"));
    assert_eq!(tail.leave(), Some(0));
}
