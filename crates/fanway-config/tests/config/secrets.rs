//! `secrets`, and that nothing of any secret is shown, wherever it stands and comes from.

use std::cell::RefCell;
use std::env::VarError;
use std::io;
use std::path::Path;
use std::time::Duration;

use fanway_config::{Config, Environment, Login, Reference, Secrets};
use fanway_types::Secret;

use crate::scene::{config, error, errors, with_target, with_top};

/// What every reference stands for; it isn't to be seen.
const MARKER: &str = "marker-7b1f";

/// An environment in which everything is the marker, and that knows what it was asked for.
#[derive(Default)]
struct Marked(RefCell<Vec<String>>);

impl Environment for Marked {
    fn variable(&self, _: &str) -> Result<String, VarError> {
        Ok(MARKER.to_owned())
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Ok(MARKER.to_owned())
    }

    fn secret(&self, reference: &Reference, _: &Secrets) -> Result<Secret, String> {
        self.0.borrow_mut().push(reference.to_string());
        Ok(Secret::new(MARKER.to_owned()))
    }
}

const REFERENCES: [&str; 5] = [
    "${A}",
    "${A:-b}",
    "${file:/a}",
    "${command:a 'b }'}",
    "${vault:a/b#c}",
];

/// Neither the errors nor the config show what `PLACE` stands for in this text.
#[track_caller]
fn check_unseen(text: &str) {
    for reference in REFERENCES {
        for around in ["", "hunter2-"] {
            let text = text.replace("PLACE", &format!("{around}{reference}"));
            let shown = match Config::parse(&text, "fanway.yaml", &Marked::default()) {
                Ok(config) => format!("{config:?}{:?}", config.warnings),
                Err(errors) => format!("{errors}{errors:?}"),
            };
            assert!(!shown.contains(MARKER), "{text}\n{shown}");
        }
    }
}

#[test]
fn what_a_reference_stands_for_is_seen_nowhere_whatever_its_key() {
    for lines in [
        "credentials: { bearer: \"PLACE\" }",
        "credentials: { bearer: \"PLACE\", oops: 1 }",
        "credentials: { basic: { user: \"PLACE\", password: \"PLACE\" } }",
        "credentials: { basic: { user: \"a:PLACE\", password: \"PLACE\" } }",
        "credentials: { header: { name: x-key, value: \"PLACE\" } }",
        "credentials: { header: { name: \"ä PLACE\", value: \"PLACE\" } }",
        "sign: { standard_webhooks: \"PLACE\" }",
        "sign: { standard_webhooks: [\"whsec_PLACE\"] }",
        "timeout: \"PLACE\"",
        "http: \"PLACE\"",
        "concurrency: \"PLACE\"",
        "rate: \"PLACE\"",
        "retry: { first: \"PLACE\", on: [\"PLACE\"] }",
        "was: [\"PLACE\"]",
        "fallback: { to: \"PLACE\" }",
    ] {
        check_unseen(&with_target(lines));
    }
    for lines in [
        "server: { public_url: \"PLACE\" }",
        "server: { listen: \"PLACE\" }",
        "server: { memory: \"PLACE\" }",
        "store: { sync: \"PLACE\" }",
        "callbacks: { sign: { standard_webhooks: \"PLACE\" } }",
        "secrets: { refresh: \"PLACE\" }",
        "secrets: { vault: { address: 'http://v/', token: \"PLACE\", timeout: 0 } }",
        "secrets: { vault: { address: \"PLACE\", token: \"PLACE\" } }",
        "secrets: { vault: { address: 'http://v/', approle: { role_id: \"PLACE\", secret_id: \"PLACE\" } } }",
    ] {
        check_unseen(&with_top(lines));
    }
    check_unseen(&with_target("").replace("127.0.0.1:9101/stock", "h/PLACE"));
    check_unseen(&with_target("").replace("http://127.0.0.1:9101/stock", "PLACE"));
}

#[test]
fn only_what_a_key_takes_is_asked_for() {
    let text = format!(
        "# ${{command:comment}}\n{}",
        with_target("credentials: { bearer: '${command:taken}' }\noops: '${command:unknown}'")
    );
    let text = text.replace(
        "send: [stock]",
        "send: [{ to: stock, body: '\"${command:program}\"' }]",
    );
    let marked = Marked::default();
    Config::parse(&text, "fanway.yaml", &marked).expect_err("one key is unknown");
    assert_eq!(marked.0.into_inner(), ["${command:taken}"]);
}

#[test]
fn what_was_asked_for_is_told_once_and_counts() {
    let both =
        "credentials: { basic: { user: '${vault:a#b}', password: '${vault:a#b}${command:c d}' } }";
    let config = Config::parse(&with_target(both), "fanway.yaml", &Marked::default());
    let config = config.expect("it is right");
    let references: Vec<_> = config.references.iter().map(ToString::to_string).collect();
    assert_eq!(references, ["${command:c d}", "${vault:a#b}"]);
}

#[test]
fn nobody_is_asked_where_nothing_says_who() {
    let errors = errors(&with_target(
        "credentials: { bearer: '${command:pass show a}' }",
    ));
    let expected =
        "fanway.yaml:4:29: ${command:pass show a} can't be had: nobody is asked here [FW0106]";
    assert!(errors.starts_with(expected), "{errors}");
}

#[test]
fn a_vault_has_one_way_to_log_in() {
    let vault = |lines: &str| {
        with_top(&format!(
            "secrets: {{ vault: {{ address: 'http://v/', {lines} }} }}"
        ))
    };
    let none =
        "fanway.yaml:1:19: expected one of token, approle and kubernetes, found none [FW0108]";
    assert_eq!(error(&vault("namespace: a")), none);
    let two = error(&vault("token: a, kubernetes: { role: b }"));
    assert!(two.contains("found more"), "{two}");
    let pods = config(&vault("kubernetes: { role: b }")).secrets.vault;
    let pods = pods.expect("a vault");
    assert_eq!(pods.timeout, Duration::from_secs(10));
    let Login::Kubernetes {
        mount,
        role,
        jwt_file,
    } = pods.login
    else {
        panic!("{:?}", pods.login);
    };
    assert_eq!((mount.as_str(), role.as_str()), ("kubernetes", "b"));
    assert!(jwt_file.ends_with("serviceaccount/token"));
    let no_pem = error(&vault("token: a, ca: /none"));
    assert!(no_pem.contains("/none can't be read"), "{no_pem}");
}
