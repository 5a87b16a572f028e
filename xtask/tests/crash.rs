//! Ten kills of the debug build, which nothing that was accepted may be lost by, and a short run of
//! each trial.
//!
//! Repeated attempts are measured by the order of events: how fast the machine is doesn't matter.

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The binary as it is of today. Where all tests are run, cargo has built it for tests of its
/// own package; otherwise it is built here.
fn fanway() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_xtask"))
        .parent()
        .expect("a folder");
    let binary = target.join("fanway");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = binary.metadata().and_then(|metadata| metadata.modified());
    if built.is_ok_and(|built| built >= latest(&root.join("crates"))) {
        return binary;
    }
    // Not captured: somebody waits for it.
    writeln!(
        stderr(),
        "the binary isn't of today: `cargo build -p fanway-cli` runs first"
    )
    .expect("standard error is open");
    let status = Command::new(env!("CARGO"))
        .args(["build", "-p", "fanway-cli"])
        .current_dir(root)
        .status();
    assert!(
        status
            .expect("cargo runs, since it runs this test")
            .success()
    );
    binary
}

/// When the last source was changed.
fn latest(folder: &Path) -> SystemTime {
    let entries = folder
        .read_dir()
        .expect("a folder")
        .map(|entry| entry.expect("readable"));
    let times = entries.map(|entry| {
        let metadata = entry.metadata().expect("metadata");
        match metadata.is_dir() {
            // Tests are no part of the binary.
            true if entry.file_name() == "tests" => SystemTime::UNIX_EPOCH,
            true => latest(&entry.path()),
            false => metadata.modified().expect("a time"),
        }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Runs a chore, in which everything has to hold.
#[track_caller]
fn check(chore: &str) {
    let run = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(chore.split(' '))
        .arg("--fanway")
        .arg(fanway())
        .output()
        .expect("this package's binary runs");
    let said = String::from_utf8_lossy(&run.stdout);
    let noted = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{noted}");
}

#[test]
fn a_crowd_that_sends_the_same_request_makes_one_message() {
    check("trial duplicates --copies 1000 --requests 2 --kills 3 --bound order --seed 7");
}

#[test]
fn followers_that_dont_read_are_let_go_and_take_no_memory() {
    check("trial follower --followers 24 --seconds 1 --seed 7");
}

#[test]
fn letters_are_redriven_once_whatever_is_killed() {
    check("trial redrive --letters 2000 --kills 2 --bound order --seed 7");
}

#[test]
fn nothing_accepted_is_lost_by_ten_kills() {
    check("crash --rounds 10 --bound order --seed 7");
}

#[test]
fn reloads_lose_no_request_and_mix_no_config() {
    check("trial reload --seconds 4 --seed 7");
}

#[test]
fn what_waits_for_a_target_comes_under_its_new_name() {
    check("trial rename --waiting 2000 --bound order --seed 7");
}
