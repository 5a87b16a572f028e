//! What needs no server: help, config, schema, data folders.

use serde_json::Value;

use crate::program::{Folder, run};

#[test]
fn help_names_every_command() {
    let help = run(&["--help"]);
    let text = help.out(0);
    for command in [
        "demo",
        "serve",
        "check",
        "schema",
        "send",
        "status",
        "dead",
        "journal",
        "ledger",
        "bench",
        "init",
        "completions",
        "man",
        "explain",
        "cancel",
        "tail",
        "redrive",
        "target",
        "config",
        "audit",
    ] {
        assert!(
            text.contains(&format!("\n  {command} ")),
            "{command} in\n{text}"
        );
    }
}

#[test]
fn what_is_asked_wrongly_ends_with_2() {
    for arguments in [
        &[] as &[&str],
        &["unheard-of"],
        &["send"],
        &["send", "/orders", "--gateway", "localhost"],
        &["status", "msg_1"],
        &["dead", "discard", "dlv_01hf7yat010000000000000000_0"],
        &["bench", "http://192.0.2.1/orders"],
        &["bench", "/orders"],
        &["serve", "--log", "a=b=c"],
        &["demo", "--json"],
        &["init", "--json"],
        &["completions"],
        &["completions", "csh"],
        &["completions", "bash", "--json"],
        &["man", "--json"],
        &["explain"],
        &["explain", "POST"],
        &["explain", "POST", "orders"],
        &["explain", "POST", "/orders", "--exit-code"],
        &["explain", "POST", "/orders", "--request", "order.http"],
        &["send", "/orders", "--idempotency-key", ""],
        &["cancel", "msg_1"],
        &["tail", "--state", "tired"],
        &["tail", "--admin", "https://127.0.0.1"],
        &["dead", "list", "--since", "yesterday"],
        &["dead", "list", "--actor", ""],
        &["redrive", "start"],
        &["redrive", "start", "--all"],
        &["redrive", "start", "--everything", "--pace", "100/m"],
        &["redrive", "start", "--everything", "--dry-run", "--wait"],
        &["redrive", "show", "job_1"],
        &["target", "pause"],
        &["target", "pause", "A B"],
        &["config"],
        &["audit"],
    ] {
        let done = run(arguments);
        assert_eq!(
            done.code,
            Some(2),
            "{arguments:?}: {}{}",
            done.out,
            done.err
        );
        assert_eq!(done.out, "", "{arguments:?}");
        assert_ne!(done.err, "", "{arguments:?}");
    }
}

#[test]
fn a_good_config_is_counted() {
    let folder = Folder::with_target("127.0.0.1:9");
    let done = run(&["check", "-c", &folder.config()]);
    assert_eq!(done.out(0), "ok: 1 target, 1 route");
    let json = run(&["check", "--json", "-c", &folder.config()]).json(0);
    assert_eq!(json["ok"], true);
}

#[test]
fn each_error_of_a_config_is_told_with_its_place() {
    let folder = Folder::with_config(
        "targets:\n  mail: { url: 'ftp://x', retires: 1 }\n\
         routes:\n  mails: { match: POST /mails, send: [nobody] }\n",
    );
    let done = run(&["check", "-c", &folder.config()]);
    let text = done.out(1);
    assert!(text.contains("fanway.yaml:2:"), "{text}");
    assert!(text.contains("fanway.yaml:4:"), "{text}");
    let json = run(&["check", "--json", "-c", &folder.config()]).json(1);
    assert_eq!(json["ok"], false);
    assert_eq!(json["errors"].as_array().map(Vec::len), Some(3), "{json}");
    assert_eq!(json["errors"][0]["line"], 2);
}

#[test]
fn a_server_doesnt_start_with_a_config_that_isnt_right() {
    let folder = Folder::with_config("targets: {}\n");
    let done = run(&["serve", "-c", &folder.config()]);
    assert!(done.err(1).contains("fanway.yaml:1:"), "{}", done.err);
    assert_eq!(done.out, "");
    let missing = folder.path().join("missing.yaml").display().to_string();
    let done = run(&["serve", "-c", &missing]);
    assert!(done.err(1).contains("missing.yaml"), "{}", done.err);
}

#[test]
fn the_schema_is_json() {
    let schema = run(&["schema"]).json(0);
    assert!(schema["properties"]["targets"].is_object());
}

#[test]
fn a_data_folder_that_isnt_there_is_told() {
    let folder = Folder::with_config("");
    for command in [
        ["journal", "verify"],
        ["journal", "repair"],
        ["ledger", "check"],
        ["ledger", "keys"],
        ["ledger", "export"],
    ] {
        let done = run(&[command[0], command[1], &folder.data()]);
        assert!(done.err(1).starts_with("fanway: "), "{}", done.err);
    }
    assert!(!folder.path().join("data").exists(), "nothing is made");
}

#[test]
fn json_is_one_value() {
    let folder = Folder::with_target("127.0.0.1:9");
    let done = run(&["--json", "check", "-c", &folder.config()]);
    assert!(serde_json::from_str::<Value>(done.out(0)).is_ok());
}
