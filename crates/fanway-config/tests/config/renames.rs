//! `was`: names that targets had.

use insta::assert_snapshot;

use crate::scene::{config, error, errors, with_target};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(error(text), format!("fanway.yaml:{expected}"), "{text}");
}

fn two_targets(one: &str, other: &str) -> String {
    format!(
        "targets:\n  one: {{ url: 'http://h/', {one} }}\n  other: {{ url: 'http://h/', {other} }}\nroutes:\n  orders: {{ match: POST /, send: [one, other] }}\n"
    )
}

#[test]
fn a_target_has_the_names_that_it_had() {
    let config = config(&two_targets("was: [uno, eins]", "was: []"));
    let was = |name: &str| -> Vec<String> {
        let names = config.targets[name].was.iter();
        names.map(ToString::to_string).collect()
    };
    assert_eq!(was("one"), ["uno", "eins"]);
    assert_eq!(was("other"), [""; 0]);
}

#[test]
fn a_name_that_is_still_a_target_or_adopted_twice_is_refused() {
    assert_snapshot!(errors(&two_targets("was: [uno, other]", "was: [uno]")), @r#"
    fanway.yaml:2:39: "other" is still a target, which keeps what waits for it [FW0108]
        2 |   one: { url: 'http://h/', was: [uno, other] }
          |                                       ^^^^^
        3 |   other: { url: 'http://h/', was: [uno] }
          |   ----- the target
          = hint: `was` is for the name of a target that is gone

    fanway.yaml:3:36: "uno" is adopted twice [FW0108]
        3 |   other: { url: 'http://h/', was: [uno] }
          |                                    ^^^
        2 |   one: { url: 'http://h/', was: [uno, other] }
          |                                  --- the first
          = hint: what waits for a target can go to one other only

    2 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn a_target_adopts_neither_itself_nor_one_name_twice() {
    check(
        &with_target("was: [stock]"),
        "4:11: \"stock\" is still a target, which keeps what waits for it [FW0108]",
    );
    check(
        &with_target("was: [old, old]"),
        "4:16: \"old\" is adopted twice [FW0108]",
    );
}

#[test]
fn names_of_callback_lanes_are_taken() {
    let text = |name: &str| {
        format!(
            "targets: {{ {name}: {{ url: 'http://h/' }} }}\nroutes: {{ a: {{ match: POST /, send: [{name}] }} }}\n"
        )
    };
    check(
        &text("callback_0123456789abcdef"),
        "1:12: that is how lanes of callbacks to senders are named [FW0105]",
    );
    config(&text("callback_0123456789abcdeg"));
    config(&text("callback_0123"));
}

#[test]
fn former_names_are_a_list_of_names() {
    check(
        &with_target("was: old"),
        "4:10: expected a list, found \"old\" [FW0105]",
    );
    check(
        &with_target("was: [Old]"),
        "4:11: expected a name: a lower-case letter, then lower-case letters, digits and `_`, found \"Old\" [FW0105]",
    );
}

#[test]
fn a_former_name_that_was_put_in_is_not_shown() {
    let shown = errors(&two_targets("was: ['${TARGET}']", "was: ['${TARGET}']"));
    assert!(shown.contains("\"${TARGET}\" is adopted twice"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
