//! What a request would cause, without a server.

use std::fs::write;

use serde_json::json;

use crate::program::{Folder, run};

const CONFIG: &str = "\
targets:
  mail: { url: 'http://127.0.0.1:9/v1', credentials: { bearer: hunter2 } }
routes:
  mails: { match: POST /mails, send: [{ to: mail, body: '{id}' }] }
";

/// A folder with a config, and another one beside it.
fn folder(other: &str) -> (Folder, String, String) {
    let folder = Folder::with_config(CONFIG);
    let path = folder.path().join("new.yaml");
    write(&path, other).expect("written");
    let (config, other) = (folder.config(), path.display().to_string());
    (folder, config, other)
}

#[test]
fn a_request_is_explained_by_its_method_and_path() {
    let (_folder, config, _) = folder("");
    let request = [
        "explain",
        "POST",
        "/mails?a=b",
        "-H",
        "x-a: 1",
        "-c",
        &config,
    ];
    let done = run(&[&request[..], &["-d", r#"{"id": 7}"#]].concat());
    let text = done.out(0);
    assert!(text.contains("* mails (POST /mails): takes it"), "{text}");
    assert!(text.contains("\n  POST http://127.0.0.1:9/v1\n"), "{text}");
    assert!(text.ends_with("\n\n  {\"id\":7}"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let explained = run(&[&request[..], &["-d", r#"{"id": 7}"#, "--json"]].concat()).json(0);
    let body = &explained["steps"][0]["request"]["body"];
    assert_eq!(*body, json!({"text": r#"{"id":7}"#}));
    assert!(!explained.to_string().contains("hunter2"));
}

#[test]
fn a_request_is_explained_by_a_file() {
    let (folder, config, _) = folder("");
    let file = folder.path().join("mail.http");
    let content = "POST /mails HTTP/1.1\r\nHost: a\r\n\r\n{\"id\": 7}";
    write(&file, content).expect("written");
    let file = file.display().to_string();
    let explained = run(&["explain", "--request", &file, "-c", &config, "--json"]).json(0);
    assert_eq!(explained["request"], "POST /mails");
    assert_eq!(explained["route"], "mails");

    write(&file, "POST mails\n").expect("written");
    let wrong = run(&["explain", "--request", &file, "-c", &config]);
    assert!(wrong.err(2).contains("line 1: "), "{}", wrong.err);
    let none = run(&["explain", "--request", "/nowhere.http", "-c", &config]);
    assert!(none.err(1).contains("/nowhere.http"), "{}", none.err);
}

#[test]
fn a_request_that_would_be_refused_ends_with_1() {
    let (_folder, config, _) = folder("");
    let refused = run(&["explain", "POST", "/mails", "-d", "{", "-c", &config]);
    let text = refused.out(1);
    assert!(
        text.contains("\"type\": \"/fanway/problems/json_malformed\""),
        "{text}"
    );
    let refused = run(&["explain", "GET", "/mails", "-c", &config, "--json"]).json(1);
    assert_eq!(refused["refused"]["status"], 405);
}

#[test]
fn a_config_that_isnt_right_is_told_as_a_check_does() {
    let (_folder, config, other) = folder("targets: {}\n");
    let checked = run(&["check", "-c", &other]);
    let explained = run(&["explain", "POST", "/mails", "-c", &other]);
    assert_eq!(explained.out(1), checked.out(1));
    let explained = run(&["explain", "POST", "/mails", "-c", &config, "--diff", &other]);
    assert_eq!(explained.out(1), checked.out(1));
}

#[test]
fn a_difference_is_shown_and_fails_only_where_it_is_asked_to() {
    let (_folder, config, other) = folder(&CONFIG.replace("/v1", "/v2"));
    let arguments = [
        "explain",
        "POST",
        "/mails",
        "-d",
        r#"{"id":7}"#,
        "-c",
        &config,
    ];
    let compare =
        |with: &str, more: &[&str]| run(&[&arguments[..], &["--diff", with], more].concat());
    let done = compare(&other, &[]);
    let text = done.out(0);
    assert!(
        text.starts_with(&format!("--- {config}\n+++ {other}\n@@ ")),
        "{text}"
    );
    let changed: Vec<&str> = text
        .lines()
        .skip(2)
        .filter(|line| line.starts_with(['-', '+']))
        .collect();
    let expected = [
        "-  POST http://127.0.0.1:9/v1",
        "+  POST http://127.0.0.1:9/v2",
    ];
    assert_eq!(changed, expected);
    compare(&other, &["--exit-code"]).out(1);
    let json = compare(&other, &["--json"]).json(0);
    assert_eq!(json["differ"], true);
    assert_eq!(json["after"]["route"], "mails");

    let same = compare(&config, &["--exit-code"]);
    assert_eq!(same.out(0), "nothing is different");
    assert_eq!(compare(&config, &["--json"]).json(0)["differ"], false);
}
