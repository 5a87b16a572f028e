//! A server's life: start, stop, a second one, its data folder.

use crate::program::{Folder, Serving, run, target};

#[test]
fn a_second_server_is_told_who_has_the_data_folder() {
    let folder = Folder::with_target("127.0.0.1:9");
    let serving = Serving::start(&folder);
    let process = serving.process_id().to_string();
    let second = run(&["serve", "-c", &folder.config()]);
    let text = second.err(1);
    assert!(text.contains("is in use by"), "{text}");
    assert!(text.contains(&process), "{text}");
    for command in [
        ["journal", "verify"],
        ["journal", "repair"],
        ["ledger", "check"],
        ["ledger", "keys"],
        ["ledger", "export"],
    ] {
        let refused = run(&[command[0], command[1], &folder.data()]);
        assert!(
            refused.err(1).contains(&process),
            "{command:?}: {}",
            refused.err
        );
    }
}

#[test]
fn a_signal_stops_a_server_in_order() {
    let folder = Folder::with_target("127.0.0.1:9");
    let serving = Serving::start(&folder);
    serving.terminate();
    let (code, logs) = serving.end();
    assert_eq!(code, Some(0), "{logs}");
    assert!(logs.contains("stopped"), "{logs}");
    assert!(logs.contains("a second signal"), "{logs}");

    let verified = run(&["journal", "verify", "--json", &folder.data()]).json(0);
    assert_eq!(verified["sound"], true);
    assert_eq!(verified["stop"], "clean");
    let repaired = run(&["journal", "repair", "--json", &folder.data()]).json(0);
    assert_eq!(repaired["mended"], serde_json::json!([]));
    let checked = run(&["ledger", "check", "--json", &folder.data()]).json(0);
    assert_eq!(checked["sound"], true);
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let folder = Folder::with_target(&target(None));
    let mut serving = Serving::start(&folder);
    run(&["send", "/mails", "--gateway", &serving.gateway]).out(0);
    serving.terminate();
    serving.wait_for_log("stopping");
    serving.terminate();
    let (code, logs) = serving.end();
    assert_eq!(code, Some(1), "{logs}");
    assert!(logs.contains("stopped at once"), "{logs}");
}

#[test]
fn a_killed_server_leaves_a_sound_journal() {
    let folder = Folder::with_target(&target(None));
    let serving = Serving::start(&folder);
    run(&["send", "/mails", "--gateway", &serving.gateway]).out(0);
    drop(serving);
    let verified = run(&["journal", "verify", "--json", &folder.data()]).json(0);
    assert_eq!(verified["stop"], "unclean");
    assert_eq!(verified["sound"], true);
}
