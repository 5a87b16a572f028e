//! `store.encrypt` from the outside: what the data folder shows of what was sent and answered, and
//! the tools for it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::program::{Done, Folder, Serving, finish, program, run};

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const NEW_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXpBQkNERUY=";
const ENVIRONMENT: [(&str, &str); 2] = [("KEY", KEY), ("NEW_KEY", NEW_KEY)];
/// In what is sent.
const MARK: &str = "d4ta-of-a-person";

/// Changes a config so that the folder is encrypted by these keys.
fn encrypt(folder: &Folder, keys: &str) {
    let text = fs::read_to_string(folder.config()).expect("it was written");
    let kept = text.split(", encrypt:").next().expect("there is a first");
    let rest = text.split(" }\ntargets:").nth(1).expect("targets follow");
    let kept = kept.split(" }\ntargets:").next().expect("there is a first");
    let text = format!("{kept}, encrypt: {keys} }}\ntargets:{rest}");
    fs::write(folder.config(), text).expect("written");
}

fn run_with_keys(arguments: &[&str]) -> Done {
    let mut command = program(arguments);
    command.envs(ENVIRONMENT);
    finish(command)
}

/// How often a text is in the files of a folder, and in those below it.
fn count(folder: &Path, text: &str) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        found += if path.is_dir() {
            count(&path, text)
        } else {
            let bytes = fs::read(&path).expect("the file can be read");
            let parts = bytes.windows(text.len());
            parts.filter(|part| *part == text.as_bytes()).count()
        };
    }
    found
}

/// Sends something to a target that never answers, and stops the server.
fn leave_a_message(folder: &Folder) {
    let serving = Serving::start_with(folder, &ENVIRONMENT);
    let path = format!("/mails?to={MARK}");
    let body = format!("{{\"to\":\"{MARK}\"}}");
    run(&["send", &path, "-d", &body, "--gateway", &serving.gateway]).out(0);
    serving.terminate();
    let (code, logs) = serving.end();
    assert_eq!(code, Some(0), "{logs}");
    assert!(!logs.contains(KEY), "{logs}");
}

fn folder() -> Folder {
    let folder = Folder::with_target("127.0.0.1:9");
    encrypt(&folder, "'${KEY}'");
    folder
}

#[test]
fn what_was_sent_is_in_the_folder_only_encrypted_and_export_decrypts_it() {
    let folder = folder();
    leave_a_message(&folder);
    let data = folder.path().join("data");
    assert_eq!((count(&data, MARK), count(&data, KEY)), (0, 0));

    let exported = ["ledger", "export", &folder.data(), "-c", &folder.config()];
    let message = run_with_keys(&exported).json(0);
    assert_eq!(message["request"]["body"], format!("{{\"to\":\"{MARK}\"}}"));
    assert_eq!(message["request"]["query"], format!("to={MARK}"));
    assert_eq!(message["state"], "pending");
    let id = message["id"].as_str().expect("text");
    let one = [&exported[..], &["--message", id]].concat();
    assert_eq!(run_with_keys(&one).json(0), message);
    let unknown = [
        &exported[..],
        &["--message", "msg_00000000000000000000000000"],
    ]
    .concat();
    assert!(run_with_keys(&unknown).err(1).contains("isn't kept"));
    let without = run(&["ledger", "export", &folder.data()]);
    assert!(without.err(1).contains("needs the key"), "{}", without.err);
    assert_eq!(without.out, "");
}

#[test]
fn tools_try_list_and_rewrap_the_keys() {
    let folder = folder();
    leave_a_message(&folder);
    let keys = || -> Value { run(&["ledger", "keys", "--json", &folder.data()]).json(0) };
    let before = keys()["data_keys"][0].clone();
    assert_eq!(
        (&before["number"], &before["values"]),
        (&1.into(), &3.into())
    );
    let check = [
        "ledger",
        "check",
        "--json",
        &folder.data(),
        "-c",
        &folder.config(),
    ];
    let checked = run_with_keys(&check).json(0);
    assert_eq!(
        (&checked["sound"], &checked["encrypted"]),
        (&true.into(), &3.into())
    );

    encrypt(&folder, "['${NEW_KEY}', '${KEY}']");
    let rewrap = [
        "ledger",
        "rewrap",
        "--json",
        &folder.data(),
        "-c",
        &folder.config(),
    ];
    let done = run_with_keys(&rewrap).json(0);
    assert_eq!(done["rewrapped"], 1);
    assert_eq!(keys()["data_keys"][0]["wrapped_by"], done["wrapped_by"]);
    assert_ne!(before["wrapped_by"], done["wrapped_by"]);

    encrypt(&folder, "'${KEY}'");
    let refused = run_with_keys(&["serve", "-c", &folder.config()]);
    let id = done["wrapped_by"].as_str().expect("text");
    assert!(refused.err(1).contains(id), "{}", refused.err);
    encrypt(&folder, "'${NEW_KEY}'");
    drop(Serving::start_with(&folder, &ENVIRONMENT));
    encrypt(&folder, "[off, '${NEW_KEY}']");
    assert!(run_with_keys(&rewrap).err(2).contains("no key to wrap by"));
}

#[test]
fn a_key_that_is_none_is_found_by_check_and_not_shown() {
    let folder = folder();
    encrypt(&folder, "'hunter2-is-not-a-key'");
    let checked = run(&["check", "-c", &folder.config()]);
    let text = checked.out(1);
    assert!(text.contains("the base64 of 32 random bytes"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

/// A target that refuses everything, and says why in its answer; returns its address.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let answer = format!(
        "HTTP/1.1 422 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{MARK}",
        MARK.len()
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(&stream).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            stream.write_all(answer.as_bytes()).expect("it is read");
        }
    });
    address
}

#[test]
fn what_a_target_answered_is_in_the_folder_only_encrypted() {
    let folder = Folder::with_target(&refusing());
    encrypt(&folder, "'${KEY}'");
    let serving = Serving::start_with(&folder, &ENVIRONMENT);
    let sent = run(&["send", "/mails", "--follow", "--gateway", &serving.gateway]);
    sent.out(1);
    let listed = run(&[
        "dead",
        "list",
        "--json",
        "--text",
        MARK,
        "--admin",
        &serving.admin,
    ]);
    assert!(listed.out(0).contains(MARK), "{}", listed.out);
    drop(serving);
    assert_eq!(count(&folder.path().join("data"), MARK), 0);
}
