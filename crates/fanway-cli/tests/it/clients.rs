//! The clients under `clients/`, by their own tests, against the binary.
//!
//! They need what Rust doesn't bring: Node and what `npm ci` installs, a browser, Python and httpx.
//! Where something is missing a test is skipped and says so; CONTRIBUTING.md has the commands that
//! install it.

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The oldest Node that the client is for.
const OLDEST_NODE: u32 = 20;

/// What an interpreter has to run so that the Python client can be tested with it.
const PYTHON_PROBE: &str = "import sys, httpx; sys.exit(sys.version_info < (3, 10))";

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../clients")
        .join(name)
}

/// Says something that is not captured.
fn say(text: &str) {
    writeln!(stderr(), "{text}").expect("standard error is open");
}

/// Whether a program is there and succeeds.
fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Runs a client's own tests.
#[track_caller]
fn check(command: &mut Command) {
    command.env("FANWAY_BINARY", env!("CARGO_BIN_EXE_fanway"));
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let (out, err) = (&output.stdout, &output.stderr);
    let said = [out, err].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
}

/// Why the TypeScript client can't be tested here, if so.
fn hindrance() -> Option<&'static str> {
    let version = Command::new("node").arg("--version").output();
    let Ok(version) = version else {
        return Some("Node isn't installed");
    };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let major = version.trim_start_matches('v').split('.').next();
    if major.and_then(|major| major.parse().ok()) < Some(OLDEST_NODE) {
        return Some("Node is too old");
    }
    let is_installed = folder("typescript/node_modules/typescript").is_dir();
    (!is_installed).then_some("`npm ci` hasn't been run in clients/typescript")
}

/// An interpreter that has what the Python client needs.
fn python() -> Option<PathBuf> {
    let candidates = [folder("python/.venv/bin/python"), PathBuf::from("python3")];
    let has_all = |python: &PathBuf| succeeds(Command::new(python).args(["-c", PYTHON_PROBE]));
    candidates.into_iter().find(has_all)
}

#[test]
fn the_typescript_client_does_what_it_says_in_node_and_in_a_browser() {
    if let Some(reason) = hindrance() {
        say(&format!("skipped: {reason}"));
        return;
    }
    let mut npm = Command::new("npm");
    npm.args(["test", "--silent"]);
    check(npm.current_dir(folder("typescript")));
}

#[test]
fn the_python_client_does_what_it_says() {
    let Some(python) = python() else {
        say("skipped: there is no Python of 3.10 or later that has httpx");
        return;
    };
    let mut tests = Command::new(python);
    tests.args(["-m", "unittest", "discover", "-t", ".", "-s", "tests"]);
    tests.env("PYTHONPATH", "src");
    tests.env("PYTHONDONTWRITEBYTECODE", "1");
    check(tests.current_dir(folder("python")));
}
