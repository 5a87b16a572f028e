//! What tells one reading of a config from another: its files, its fingerprint, what differs.

use std::collections::BTreeMap;
use std::env::VarError;
use std::path::{Path, PathBuf};
use std::{fs, io};

use fanway_config::{Config, Environment, ProcessEnvironment, needs_restart};

use crate::scene::{config, with_target, with_top};

/// An environment with these variables and files.
#[derive(Default)]
struct Given(BTreeMap<&'static str, &'static str>);

impl Environment for Given {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        let value = self.0.get(name).ok_or(VarError::NotPresent);
        value.map(ToString::to_string)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let value = path.to_str().and_then(|path| self.0.get(path));
        value
            .map(ToString::to_string)
            .ok_or(io::ErrorKind::NotFound.into())
    }
}

#[test]
fn every_file_and_folder_that_was_read_is_named_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("conf.d")).expect("a folder");
    fs::write(path("secret"), "a").expect("written");
    fs::write(path("conf.d/a.yaml"), "").expect("written");
    let secret = format!("${{file:{}}}", path("secret").display());
    let credentials =
        format!("credentials: {{ basic: {{ user: '{secret}', password: '{secret}' }} }}");
    let text = format!("include: [conf.d]\n{}", with_target(&credentials));
    fs::write(path("fanway.yaml"), text).expect("written");
    let config = Config::load(&path("fanway.yaml"), &ProcessEnvironment);
    let expected = ["fanway.yaml", "conf.d", "conf.d/a.yaml", "secret"].map(path);
    assert_eq!(config.expect("a config").files, expected);
}

#[test]
fn files_that_would_mend_a_config_are_named_too() {
    let text = with_top("include: [none.yaml, none.d]");
    let errors = Config::parse(
        &text.replace("127.0.0.1:9101", "${file:/none}"),
        "conf/fanway.yaml",
        &Given::default(),
    )
    .expect_err("nothing is there");
    let expected = ["conf/fanway.yaml", "conf/none.yaml", "conf/none.d", "/none"];
    assert_eq!(errors.files(), expected.map(PathBuf::from));
    let errors = Config::load(Path::new("none.yaml"), &ProcessEnvironment).expect_err("no file");
    assert_eq!(errors.files(), [PathBuf::from("none.yaml")]);
}

fn fingerprint(text: &str, file: &str, environment: &Given) -> String {
    let config = Config::parse(text, file, environment);
    config
        .unwrap_or_else(|errors| panic!("{errors}"))
        .fingerprint
}

#[test]
fn a_fingerprint_is_16_digits_that_stay_the_same() {
    let text = with_target("");
    let one = fingerprint(&text, "fanway.yaml", &Given::default());
    assert_eq!(one.len(), 16);
    assert!(
        one.bytes()
            .all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    );
    assert_eq!(one, fingerprint(&text, "fanway.yaml", &Given::default()));
    // Two machines may have it in different folders.
    assert_eq!(
        one,
        fingerprint(&text, "/etc/fanway.yaml", &Given::default())
    );
    assert_ne!(one, fingerprint(&text, "other.yaml", &Given::default()));
    assert_ne!(
        one,
        fingerprint(&format!("{text}# more\n"), "fanway.yaml", &Given::default())
    );
}

#[track_caller]
fn check_values(lines: &str, one: &Given, other: &Given, differ: bool) {
    let text = with_target(lines);
    let one = fingerprint(&text, "fanway.yaml", one);
    let other = fingerprint(&text, "fanway.yaml", other);
    assert_eq!(one != other, differ, "{lines}");
}

#[test]
fn values_that_were_put_in_change_the_fingerprint() {
    let given = |pairs: &[(&'static str, &'static str)]| Given(pairs.iter().copied().collect());
    let bearer = "credentials: { bearer: '${A}' }";
    check_values(bearer, &given(&[("A", "x")]), &given(&[("A", "y")]), true);
    check_values(
        bearer,
        &given(&[("A", "x")]),
        &given(&[("A", "x"), ("B", "y")]),
        false,
    );
    let file = "credentials: { bearer: '${file:/key}' }";
    check_values(
        file,
        &given(&[("/key", "x")]),
        &given(&[("/key", "y")]),
        true,
    );
    // Nothing moves unseen from one value to the next.
    let both = "credentials: { basic: { user: '${A}', password: '${B}' } }";
    let one = [("A", "1variableB2"), ("B", "3")];
    let other = [("A", "1"), ("B", "2variableB3")];
    check_values(both, &given(&one), &given(&other), true);
    let default = "credentials: { bearer: '${A:-x}' }";
    check_values(default, &given(&[]), &given(&[("A", "y")]), true);
}

#[test]
fn included_files_change_the_fingerprint() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("fanway.yaml"), with_top("include: [conf.d]")).expect("written");
    fs::create_dir(path("conf.d")).expect("a folder");
    let fingerprint = || {
        let config = Config::load(&path("fanway.yaml"), &ProcessEnvironment);
        config.expect("a config").fingerprint
    };
    let without = fingerprint();
    fs::write(path("conf.d/a.yaml"), "# one\n").expect("written");
    let one = fingerprint();
    fs::write(path("conf.d/a.yaml"), "# two\n").expect("written");
    let two = fingerprint();
    fs::rename(path("conf.d/a.yaml"), path("conf.d/b.yaml")).expect("renamed");
    let renamed = fingerprint();
    let all = [&without, &one, &two, &renamed];
    for (index, fingerprint) in all.iter().enumerate() {
        assert!(!all[..index].contains(fingerprint), "{all:?}");
    }
}

#[track_caller]
fn check_restart(one: &str, other: &str, expected: &[&str]) {
    let (one, other) = (config(&with_top(one)), config(&with_top(other)));
    assert_eq!(needs_restart(&one, &other), expected);
    assert_eq!(needs_restart(&other, &one), expected);
}

#[test]
fn what_cannot_change_while_it_runs_is_named() {
    check_restart("", "", &[]);
    let server =
        "server: { listen: '127.0.0.1:1', admin: '127.0.0.1:2', memory: 1GiB, threads: 1 }";
    check_restart(
        "",
        server,
        &[
            "server.listen",
            "server.admin",
            "server.memory",
            "server.threads",
        ],
    );
    let store = "store: { path: x, sync: never, segment: 128MiB, max: 1GiB, keep: { messages: 1h, history: 1h, dead: 1h, bodies: all }, encrypt: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE= }";
    let keys = [
        "store.path",
        "store.sync",
        "store.segment",
        "store.max",
        "store.keep.messages",
        "store.keep.history",
        "store.keep.dead",
        "store.keep.bodies",
        "store.encrypt",
    ];
    check_restart("", store, &keys);
    let interval = |interval: &str| format!("store: {{ sync: interval, interval: {interval} }}");
    check_restart(&interval("1s"), &interval("2s"), &["store.interval"]);
    check_restart("", &interval("1s"), &["store.sync"]);
}

#[test]
fn everything_else_changes_while_it_runs() {
    let text = "server:
  public_url: https://hooks.example
  max_body: 1MiB
  connections: 1
  header_timeout: 1s
  body_timeout: 1s
  max_headers: 1
  max_header_bytes: 16KiB
  drain: 1s
  watch: false
  followers: 1
callbacks: { origins: 1 }";
    check_restart("", text, &[]);
    let one = config(&with_target(""));
    let other = config(&with_target("idle: 1s").replace("orders", "others"));
    assert_eq!(needs_restart(&one, &other), [""; 0]);
}
