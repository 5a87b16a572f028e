//! Commands that ask a running server.

use serde_json::Value;

use crate::program::{Folder, Serving, run, target};

#[test]
fn a_message_is_sent_and_followed() {
    let folder = Folder::with_target(&target(Some(200)));
    let serving = Serving::start(&folder);
    let gateway = ["--gateway", serving.gateway.as_str()];
    let sent = run(&[&["send", "/mails", "-d", "hello"], &gateway[..]].concat());
    let id = sent.out(0).strip_suffix(" pending").expect("id and state");
    let status = run(&[&["status", id, "--wait", "30s"], &gateway[..]].concat());
    let text = status.out(0);
    assert!(text.starts_with(&format!("{id} delivered\n")), "{text}");
    let row: Vec<&str> = text
        .lines()
        .last()
        .expect("a delivery")
        .split_whitespace()
        .collect();
    assert_eq!(row, ["mail", "mail", "delivered", "1", "200"]);
    let waited = run(&[&["send", "/mails", "--wait", "30s", "--json"], &gateway[..]].concat());
    assert_eq!(waited.json(0)["state"], "delivered");
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let folder = Folder::with_target("127.0.0.1:9");
    let serving = Serving::start(&folder);
    let refused = run(&["send", "/nowhere", "--gateway", &serving.gateway]);
    assert!(refused.err(1).contains("404"), "{}", refused.err);
    let unknown = "msg_01hf7yat010000000000000000";
    let refused = run(&["status", unknown, "--gateway", &serving.gateway]);
    assert_eq!(refused.out(1), "");
    let refused = run(&["send", "/mails", "--gateway", "http://127.0.0.1:1"]);
    assert!(
        refused.err(1).contains("can't be reached"),
        "{}",
        refused.err
    );
}

#[test]
fn a_dead_letter_is_listed_shown_redriven_and_discarded() {
    let folder = Folder::with_target(&target(Some(400)));
    let serving = Serving::start(&folder);
    let sent = run(&[
        "send",
        "/mails",
        "-d",
        "hello",
        "--wait",
        "30s",
        "--gateway",
        &serving.gateway,
    ]);
    assert!(sent.out(1).contains("failed"), "{}", sent.out);
    let dead = |arguments: &[&str]| {
        let admin = ["--admin", serving.admin.as_str()];
        run(&[&["dead"], arguments, &admin[..]].concat())
    };
    let letter = next_letter(&dead);
    let shown = dead(&["show", &letter]);
    assert!(shown.out(0).ends_with("\n\nhello"), "{}", shown.out);

    let redriven = dead(&["redrive", &letter]);
    let second = redriven.out(0).to_owned();
    assert_eq!(second, format!("{letter}.r1"));
    let gone = dead(&["redrive", &letter]);
    assert!(gone.err(1).contains("404"), "{}", gone.err);
    assert_eq!(gone.err.matches(&letter).count(), 1, "{}", gone.err);
    assert_eq!(next_letter(&dead), second);

    let third = dead(&["redrive", &letter, &second, &letter]);
    assert_eq!(third.out(1), format!("{letter}.r2"));
    assert_eq!(third.err.matches("404").count(), 2, "{}", third.err);
    let third = third.out(1).to_owned();
    assert_eq!(next_letter(&dead), third);
    let discarded = dead(&["discard", &second, &third, "--reason", "a test"]);
    assert_eq!(discarded.out(1), format!("{third} discarded"));
    assert!(discarded.err.contains(&second), "{}", discarded.err);
    assert_eq!(dead(&["list", "--json"]).json(0), serde_json::json!([]));
}

#[test]
fn a_list_that_is_cut_says_so() {
    let folder = Folder::with_target(&target(Some(400)));
    let serving = Serving::start(&folder);
    let list = |limit: &str| run(&["dead", "list", "--limit", limit, "--admin", &serving.admin]);
    let send = || {
        let gateway = ["--gateway", &serving.gateway];
        run(&[&["send", "/mails", "--wait", "30s"], &gateway[..]].concat()).out(1);
    };
    send();
    send();
    // The list is a tick behind.
    while list("2").out(0).lines().count() < 3 {}
    let cut = list("1");
    assert_eq!(cut.out(0).lines().count(), 2, "{}", cut.out);
    assert_eq!(
        cut.err,
        "fanway: there are more dead letters; a --limit above 1 lists them\n"
    );
    assert_eq!(list("2").err, "");
}

/// The first dead letter, once it is listed: the list is a tick behind.
fn next_letter(dead: &impl Fn(&[&str]) -> crate::program::Done) -> String {
    loop {
        let list: Value = dead(&["list", "--json"]).json(0);
        if let Some(id) = list[0]["id"].as_str() {
            return id.to_owned();
        }
    }
}

#[test]
fn a_gateway_is_measured() {
    let folder = Folder::with_target(&target(Some(200)));
    let serving = Serving::start(&folder);
    let url = format!("{}/mails", serving.gateway);
    for rate in [&[] as &[&str], &["--rate", "200"]] {
        let arguments = ["bench", &url, "--duration", "200ms", "--connections", "4"];
        let report = run(&[&arguments[..], &["--json"], rate].concat()).json(0);
        assert!(report["accepted"].as_u64() > Some(0), "{report}");
        assert_eq!(report["accepted"], report["statuses"]["202"], "{report}");
    }
    let refused = run(&["bench", &format!("{url}/none"), "--duration", "50ms"]);
    assert!(refused.out(1).contains("with 404"), "{}", refused.out);
}
