//! How many instructions the hot path takes, held to a bound: unlike times, they don't depend on
//! what else the machine does.
//!
//! Each way of `crates/fanway-testkit/examples/hot_path/` is gone a few times and a thousand times
//! more under valgrind's callgrind; the difference by a thousand is what one takes, and what is done
//! once at the start and the end is not in it. Figures repeat to one in a thousand, those of `keep`,
//! where several threads wait for each other, to one in fifty. They are those of the profile
//! `counted`, which builds sooner than a release and takes somewhat more, and of tokio with its
//! clock for tests.
//!
//! To see what they are: `cargo test -p xtask --test instructions`. To see where they go:
//! `callgrind_annotate target/instructions/accept-1200/callgrind-01` (a file for each thread). A
//! bound is what was measured and a tenth more. Where a change takes fewer instructions, lower the
//! bound with it, or it holds nothing any more; where one takes more, and what it brings is worth
//! that, raise it in the same commit and say there why. Another compiler or another version of a
//! dependency can be a reason too. Without valgrind, or on another machine than an x86-64, whose
//! instructions the bounds count, the test is skipped and says so.

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What one takes at most.
const BOUNDS: &[Bound] = &[
    Bound {
        way: "accept",
        threads: Threads::First,
        instructions: 25_100,
    },
    Bound {
        way: "deliver",
        threads: Threads::First,
        instructions: 37_000,
    },
    Bound {
        way: "keep",
        threads: Threads::All,
        instructions: 31_400,
    },
];

/// How often a way is gone for what is done once, and how often beyond that.
const FEW: u64 = 200;
const MORE: u64 = 1000;

/// What one of a way takes at most.
struct Bound {
    way: &'static str,
    threads: Threads,
    instructions: u64,
}

/// Whose instructions count.
#[derive(Clone, Copy)]
enum Threads {
    /// The main thread's: the others are what it talks to.
    First,
    All,
}

/// Says something that is not captured.
fn say(text: &str) {
    writeln!(stderr(), "{text}").expect("standard error is open");
}

/// Why nothing can be counted here, if so.
fn hindrance() -> Option<&'static str> {
    if !cfg!(target_arch = "x86_64") {
        return Some("the bounds are for x86-64");
    }
    let valgrind = Command::new("valgrind").arg("--version").output();
    valgrind.is_err().then_some("valgrind isn't installed")
}

/// Where cargo puts what it builds.
fn target() -> &'static Path {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.ancestors().nth(2).expect("a folder for each profile")
}

/// Builds what goes the hot path, where it isn't of today.
fn hot_path() -> PathBuf {
    let target = target();
    say("what goes the hot path is built, where it isn't of today");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--profile", "counted", "-p", "fanway-testkit"])
        .args(["--example", "hot_path", "--target-dir"])
        .arg(target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .status();
    let status = status.expect("cargo runs, since it runs this test");
    assert!(status.success(), "cargo couldn't build it");
    target.join("counted/examples/hot_path")
}

/// The instructions of a run.
fn count(hot_path: &Path, bound: &Bound, times: u64) -> u64 {
    let way = bound.way;
    let folder = target().join(format!("instructions/{way}-{times}"));
    // There is none before the first run.
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--separate-threads=yes"])
        .args(["--callgrind-out-file=callgrind", "--"])
        .arg(hot_path)
        .args([way, &times.to_string()])
        .current_dir(&folder)
        .output()
        .expect("valgrind runs, since it told its version");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{way} {times}: {said}");
    match bound.threads {
        Threads::First => total(&folder.join("callgrind-01")),
        Threads::All => {
            let files = folder.read_dir().expect("it was made above");
            let files = files.map(|file| file.expect("readable").path());
            // Beside the threads' files there is an empty one.
            let threads = files.filter(|file| !file.ends_with("callgrind"));
            threads.map(|thread| total(&thread)).sum()
        }
    }
}

/// The instructions of a thread.
fn total(file: &Path) -> u64 {
    let text = fs::read_to_string(file).expect("callgrind wrote it");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.unwrap_or_else(|| panic!("{} has no total", file.display()))
}

#[test]
fn the_hot_path_takes_no_more_instructions_than_its_bounds() {
    if let Some(hindrance) = hindrance() {
        say(&format!("instructions aren't counted: {hindrance}"));
        return;
    }
    let hot_path = hot_path();
    let mut broken = Vec::new();
    for bound in BOUNDS {
        let all = count(&hot_path, bound, FEW + MORE);
        let one = (all - count(&hot_path, bound, FEW)) / MORE;
        let Bound {
            way, instructions, ..
        } = bound;
        let figure = format!("instructions for one {way}: {one} (bound {instructions})");
        say(&figure);
        if one > *instructions {
            broken.push(figure);
        }
    }
    assert!(broken.is_empty(), "over their bounds: {broken:#?}");
}
