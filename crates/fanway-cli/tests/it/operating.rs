//! Steering a running server, as an operator.

use std::fs::{read_to_string, write};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{
    Done, Folder, Serving, answer, finish, heard, program, run, scripted, target,
};

/// Asks the admin API of a server.
fn ask(serving: &Serving, arguments: &[&str]) -> Done {
    let admin = ["--admin", serving.admin.as_str(), "--actor", "Zoë on call"];
    run(&[arguments, &admin[..]].concat())
}

/// Sends so many messages, and waits for their ends; returns their dead letters once all of them
/// are listed, which is a tick behind.
fn make_dead(serving: &Serving, count: usize) -> Vec<String> {
    for _ in 0..count {
        let gateway = ["--gateway", serving.gateway.as_str()];
        let send = ["send", "/mails", "-d", "hello", "--wait", "30s"];
        run(&[&send[..], &gateway[..]].concat()).out(1);
    }
    loop {
        let list = ask(serving, &["dead", "list", "--json"]).json(0);
        let list = list.as_array().expect("a list");
        if list.len() >= count {
            let ids = list.iter().map(|letter| letter["id"].as_str());
            return ids.map(|id| id.expect("an id").to_owned()).collect();
        }
    }
}

fn with_two_targets(mail: &str, other: &str) -> Folder {
    let folder = Folder::with_target(mail);
    let config = read_to_string(folder.config()).expect("there");
    let other = format!("targets: {{ other: {{ url: 'http://{other}' }}, mail:");
    write(folder.config(), config.replace("targets: { mail:", &other)).expect("written");
    folder
}

/// The value of a field in what is shown of one thing.
fn field<'t>(text: &'t str, name: &str) -> &'t str {
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name} in {text}"));
    line[name.len()..].trim()
}

#[test]
fn a_target_is_paused_and_resumed() {
    let folder = Folder::with_target("127.0.0.1:9");
    let serving = Serving::start(&folder);
    let paused = ask(
        &serving,
        &["target", "pause", "mail", "--reason", "moving house"],
    );
    assert_eq!(field(paused.out(0), "paused because"), "moving house");
    let shown = ask(&serving, &["target", "show", "mail", "--json"]).json(0);
    assert_eq!(shown["paused"]["reason"], "moving house");
    let resumed = ask(&serving, &["target", "resume", "mail", "--json"]).json(0);
    assert_eq!(resumed["paused"], json!(null));
    let list = ask(&serving, &["target", "list"]);
    assert!(
        list.out(0)
            .lines()
            .nth(1)
            .expect("a target")
            .starts_with("mail "),
        "{}",
        list.out
    );
    let unknown = ask(&serving, &["target", "pause", "nobody"]);
    assert!(unknown.err(1).contains("nobody"), "{}", unknown.err);
}

#[test]
fn a_breaker_is_forced_and_left_alone_again() {
    let folder = Folder::with_target("127.0.0.1:9");
    let serving = Serving::start(&folder);
    for (action, force) in [("open", "open"), ("close", "closed"), ("auto", "auto")] {
        let steered = ask(&serving, &["target", action, "mail"]);
        assert_eq!(field(steered.out(0), "force"), force);
    }
}

#[test]
fn each_change_is_on_record_with_who_made_it() {
    let folder = Folder::with_target("127.0.0.1:9");
    let serving = Serving::start(&folder);
    ask(&serving, &["target", "pause", "mail", "--reason", "one"]).out(0);
    ask(&serving, &["target", "resume", "mail"]).out(0);
    let audit = ask(&serving, &["audit", "list", "--json"]).json(0);
    let found: Vec<_> = audit
        .as_array()
        .expect("a list")
        .iter()
        .map(|record| ["actor", "action", "subject"].map(|key| record[key].as_str().expect(key)))
        .collect();
    let expected = [
        ["Zoë on call", "target.resume", "mail"],
        ["Zoë on call", "target.pause", "mail"],
    ];
    assert_eq!(found, expected);
    let cut = ask(&serving, &["audit", "list", "--limit", "1"]);
    assert_eq!(cut.out(0).lines().count(), 2, "{}", cut.out);
    assert!(
        cut.err.contains("there are more audit records"),
        "{}",
        cut.err
    );
}

#[test]
fn who_asks_is_the_user_unless_another_is_named() {
    let target = json!({"target": "mail"});
    let ok = answer("200 OK", &target);
    let (admin, requests) = scripted(&[&ok, &ok]);
    let mut pause = program(&["target", "pause", "mail", "--admin", &admin]);
    pause.env("USER", "alice");
    finish(pause).out(0);
    let request = requests.next();
    assert!(request.contains("\nfanway-actor: alice\n"), "{request}");
    let mut pause = program(&["target", "pause", "mail", "--admin", &admin]);
    pause.env_remove("USER");
    finish(pause).out(0);
    let request = requests.next();
    assert!(!request.contains("fanway-actor"), "{request}");
}

#[test]
fn a_config_is_reloaded_and_taken_back() {
    let folder = Folder::with_target("127.0.0.1:9");
    let first = read_to_string(folder.config()).expect("there");
    let first = first.replace("server: {", "server: { watch: false,");
    write(folder.config(), &first).expect("written");
    let serving = Serving::start(&folder);
    let generation = |arguments: &[&str]| {
        let shown = ask(&serving, &[&["config"], arguments].concat());
        field(shown.out(0), "generation").to_owned()
    };
    assert_eq!(generation(&["show"]), "1");
    let none = ask(&serving, &["config", "rollback"]);
    assert!(none.err(1).contains("409"), "{}", none.err);

    let second = first.replace("127.0.0.1:9'", "127.0.0.1:10'");
    write(folder.config(), second).expect("written");
    assert_eq!(generation(&["reload"]), "2");
    assert_eq!(generation(&["rollback"]), "3");
    let shown = ask(&serving, &["config", "show", "--json"]).json(0);
    assert_eq!(shown["previous"]["generation"], 2);
    assert_eq!(shown["files"], json!([folder.config()]));
}

#[test]
fn a_config_that_isnt_right_changes_nothing_and_all_errors_are_told() {
    let folder = Folder::with_target("127.0.0.1:9");
    let first = read_to_string(folder.config()).expect("there");
    let first = first.replace("server: {", "server: { watch: false,");
    write(folder.config(), &first).expect("written");
    let serving = Serving::start(&folder);
    let broken = first.replace("url:", "uri:").replace("[mail]", "[nobody]");
    write(folder.config(), broken).expect("written");
    let refused = ask(&serving, &["config", "reload"]);
    let text = refused.out(1);
    let checked = run(&["check", "-c", &folder.config()]);
    let (problems, count) = text.rsplit_once("\n\n").expect("problems and their number");
    assert!(
        checked.out(1).starts_with(problems),
        "{text}\n{}",
        checked.out
    );
    assert!(count.ends_with("errors; nothing has changed"), "{count}");
    let refused = ask(&serving, &["config", "reload", "--json"]).json(1);
    let errors = refused["errors"].as_array().expect("a list").len();
    assert_eq!((&refused["ok"], errors > 1), (&json!(false), true));
    let shown = ask(&serving, &["config", "show"]);
    assert_eq!(field(shown.out(0), "generation"), "1");
    assert_eq!(
        shown.out.matches("refused because").count(),
        errors,
        "{}",
        shown.out
    );
}

#[test]
fn a_hang_up_reloads_the_config() {
    let folder = Folder::with_target("127.0.0.1:9");
    let mut serving = Serving::start(&folder);
    serving.signal(Signal::HUP);
    let read = serving.wait_for_log("reading the config again");
    assert_eq!(read["why"], "SIGHUP");
    serving.terminate();
    let (code, logs) = serving.end();
    assert_eq!(code, Some(0), "{logs}");
}

#[test]
fn a_dead_letter_is_found_by_what_is_known_of_it() {
    let folder = Folder::with_target(&target(Some(400)));
    let serving = Serving::start(&folder);
    let letter = make_dead(&serving, 1).remove(0);
    let found = |filter: &[&str]| {
        let list = ask(&serving, &[&["dead", "list", "--json"], filter].concat()).json(0);
        let list = list.as_array().expect("a list").clone();
        list.iter().any(|found| found["id"] == letter.as_str())
    };
    for filter in [
        ["--target", "mail"],
        ["--route", "mails"],
        ["--reason", "refused"],
        ["--since", "1h"],
        ["--until", "2999-01-01T00:00:00+01:00"],
    ] {
        assert!(found(&filter), "{filter:?}");
    }
    for filter in [
        ["--target", "other"],
        ["--route", "others"],
        ["--reason", "exhausted"],
        ["--since", "2999-01-01T00:00:00Z"],
        ["--until", "1d"],
        ["--text", "no such & text"],
    ] {
        assert!(!found(&filter), "{filter:?}");
    }
}

#[test]
fn a_dead_letter_is_sent_elsewhere_with_another_body() {
    let (other, heard) = heard(Some(200));
    let folder = with_two_targets(&target(Some(400)), &other);
    let serving = Serving::start(&folder);
    let letters = make_dead(&serving, 2);
    let body = folder.path().join("body.json");
    write(&body, "{\"mended\": true}").expect("written");
    let body = body.display().to_string();
    let edited = ["dead", "redrive", "--to", "other", "--body", &body];
    let many = ask(
        &serving,
        &[&edited[..], &[&letters[0], &letters[1]]].concat(),
    );
    assert!(many.err(2).contains("--body is for one"), "{}", many.err);

    let media_type = ["--content-type", "application/json", "--plan", "today"];
    let redriven = ask(
        &serving,
        &[&edited[..], &media_type, &[&letters[0]]].concat(),
    );
    assert_eq!(redriven.out(0), format!("{}.r1", letters[0]));
    let request = heard.next();
    assert!(
        request.contains("\ncontent-type: application/json\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("\nidempotency-key: \"{}.r1\"\n", letters[0])),
        "{request}"
    );
    assert!(request.ends_with("\n{\"mended\": true}"), "{request}");

    let plain = [
        "dead",
        "redrive",
        "--to",
        "other",
        "--plan",
        "pinned",
        &letters[1],
    ];
    ask(&serving, &plain).out(0);
    let request = heard.next();
    assert!(
        request.contains(&format!("\nidempotency-key: \"{}\"\n", letters[1])),
        "{request}"
    );
    assert!(request.ends_with("\nhello"), "{request}");
}

#[test]
fn many_dead_letters_are_sent_again_as_one_redrive() {
    let (other, heard) = heard(Some(200));
    let folder = with_two_targets(&target(Some(400)), &other);
    let serving = Serving::start(&folder);
    make_dead(&serving, 2);
    let start = ["redrive", "start", "--target", "mail", "--to", "other"];
    let counted = ask(&serving, &[&start[..], &["--dry-run"]].concat());
    assert_eq!(counted.out(0), "2 can be sent again, 0 are no longer kept");
    assert_eq!(
        ask(&serving, &["redrive", "list", "--json"]).json(0),
        json!([])
    );

    let paced = ["--pace", "1000/s", "--new-key", "--wait"];
    let done = ask(&serving, &[&start[..], &paced].concat());
    assert_eq!(field(done.out(0), "state"), "done");
    assert_eq!(field(&done.out, "redriven"), "2");
    assert!(
        !done.err.contains('\u{1b}'),
        "no bar off a terminal: {}",
        done.err
    );
    let id = field(&done.out, "id").to_owned();
    assert!(
        done.err.contains(&format!("fanway redrive show {id}")),
        "{}",
        done.err
    );
    for _ in 0..2 {
        assert!(heard.next().contains(".r1\"\n"));
    }

    let shown = ask(&serving, &["redrive", "show", &id, "--wait", "--json"]).json(0);
    assert_eq!(
        (&shown["pace"], &shown["to"]),
        (&json!(1000), &json!("other"))
    );
    let list = ask(&serving, &["redrive", "list"]);
    assert!(list.out(0).contains(&id), "{}", list.out);
    let over = ask(&serving, &["redrive", "pause", &id]);
    assert!(over.err(1).contains("409"), "{}", over.err);
    let nothing = ask(&serving, &["redrive", "start", "--everything", "--json"]).json(0);
    assert_eq!(
        (&nothing["found"], &nothing["include"]),
        (&json!(0), &json!("dead"))
    );
}

#[test]
fn a_redrive_is_held_and_ended() {
    const ID: &str = "job_01hf7yat000000000000000000";
    for (action, state) in [
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
    ] {
        let job = json!({"id": ID, "state": state});
        let (admin, requests) = scripted(&[&answer("200 OK", &job)]);
        let done = run(&["redrive", action, ID, "--admin", &admin]);
        assert_eq!(field(done.out(0), "state"), state);
        let request = requests.next();
        let expected = format!("post /api/v1/redrives/{ID}/{action} ");
        assert!(request.starts_with(&expected), "{request}");
    }
}

#[test]
fn waiting_for_a_redrive_fails_where_it_is_cancelled() {
    const ID: &str = "job_01hf7yat000000000000000000";
    let job = |state: &str| answer("200 OK", &json!({"id": ID, "state": state, "found": 2}));
    let (admin, _requests) = scripted(&[&job("running"), &job("paused"), &job("cancelled")]);
    let done = run(&["redrive", "show", ID, "--wait", "--admin", &admin]);
    assert_eq!(field(done.out(1), "state"), "cancelled");
}

#[test]
fn a_long_list_is_read_page_by_page() {
    let page =
        |id: &str, next: Value| answer("200 OK", &json!({"dead": [{"id": id}], "next": next}));
    let (admin, requests) = scripted(&[&page("a", json!("c&1")), &page("b", json!(null))]);
    let list = run(&[
        "dead", "list", "--limit", "700", "--json", "--admin", &admin,
    ]);
    assert_eq!(list.json(0), json!([{"id": "a"}, {"id": "b"}]));
    let asked = requests.all();
    assert!(
        asked[0].starts_with("get /api/v1/dead?limit=500 "),
        "{}",
        asked[0]
    );
    assert!(
        asked[1].starts_with("get /api/v1/dead?limit=500&cursor=c%261 "),
        "{}",
        asked[1]
    );
}

#[test]
fn a_server_that_isnt_the_right_one_is_told_from_one_that_isnt_there() {
    let folder = Folder::with_target("127.0.0.1:9");
    let serving = Serving::start(&folder);
    #[track_caller]
    fn check(done: &Done, said: &str) {
        assert!(done.err(1).contains(said), "{said} in {}", done.err);
    }
    let crossed = run(&["dead", "list", "--admin", &serving.gateway]);
    check(&crossed, "hint: that is the gateway; --admin URL");
    let unknown = "msg_01hf7yat010000000000000000";
    let crossed = run(&["status", unknown, "--gateway", &serving.admin]);
    check(&crossed, "hint: that is the admin API; --gateway URL");
    let none = run(&["target", "list", "--admin", "http://127.0.0.1:1"]);
    check(&none, "hint: is `fanway serve` running?");
    let (foreign, _requests) = scripted(&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"]);
    let foreign = run(&["target", "list", "--admin", &foreign]);
    check(&foreign, "hint: that is no admin API of Fanway's");
    let port = serving.admin.rsplit(':').next().expect("a port");
    let by_name = format!("http://localhost:{port}");
    run(&["audit", "list", "--admin", &by_name]).out(0);
}
