//! Ten kills of the debug build, which nothing that was accepted may be lost by.
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

#[test]
fn nothing_accepted_is_lost_by_ten_kills() {
    let run = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "crash", "--rounds", "10", "--seed", "7", "--bound", "order", "--fanway",
        ])
        .arg(fanway())
        .output()
        .expect("this package's binary runs");
    let said = String::from_utf8_lossy(&run.stdout);
    let noted = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{noted}");
}
