//! What is under `packaging/`, against the binary.

use std::time::Duration;

use crate::program::run;

const UNIT: &str = include_str!("../../../../packaging/fanway.service");
const CONTAINER: &str = include_str!("../../../../packaging/Containerfile");

/// The values of a setting in the unit.
fn settings(name: &str) -> Vec<&'static str> {
    let value = |line: &'static str| line.strip_prefix(name)?.strip_prefix('=');
    UNIT.lines().filter_map(value).collect()
}

fn seconds(text: &str) -> Duration {
    let number = text.trim_end_matches('s').parse();
    Duration::from_secs(number.expect("whole seconds"))
}

/// Whether these are arguments that the binary has.
#[track_caller]
fn check_arguments(arguments: &[&str]) {
    run(&[arguments, &["--help"]].concat()).out(0);
}

#[test]
fn the_unit_starts_what_there_is() {
    let starts = settings("ExecStart");
    let words: Vec<&str> = starts[0].split(' ').collect();
    assert_eq!((starts.len(), words[0]), (1, "/usr/bin/fanway"));
    check_arguments(&words[1..]);
}

#[test]
fn the_unit_leaves_a_stop_more_time_than_it_takes() {
    let schema = run(&["schema"]).json(0);
    let drain = &schema["properties"]["server"]["properties"]["drain"]["default"];
    let drain = seconds(drain.as_str().expect("a duration"));
    let limit = seconds(settings("TimeoutStopSec")[0]);
    assert!(limit >= drain + Duration::from_secs(10), "{limit:?}");
}

#[test]
fn the_container_runs_what_there_is() {
    let words = |name: &str| {
        let lines = CONTAINER.lines();
        let value = lines.filter_map(|line| line.strip_prefix(name)).next_back();
        let words: Vec<String> = serde_json::from_str(value.expect(name)).expect("a list");
        words
    };
    assert_eq!(words("ENTRYPOINT "), ["/usr/bin/fanway"]);
    let arguments = words("CMD ");
    check_arguments(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
}
