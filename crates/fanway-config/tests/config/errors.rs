//! What YAML itself may hold, and keys.

use crate::scene::{config, error, with_target, with_top};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(error(text), format!("fanway.yaml:{expected}"), "{text}");
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    check(
        &with_target("idle: 1s\nidle: 2s"),
        "5:5: key \"idle\" stands twice [FW0103]",
    );
    check(
        &with_top("store: {}\nstore: {}"),
        "2:1: key \"store\" stands twice [FW0103]",
    );
}

#[test]
fn an_unknown_key_is_refused_with_what_was_meant() {
    check(
        &with_target("retires: {}"),
        "4:5: unknown key \"retires\", did you mean \"retry\"? [FW0103]",
    );
    check(
        &with_target("breaker: { probe: 1 }"),
        "4:16: unknown key \"probe\", did you mean \"probes\"? [FW0103]",
    );
    check(
        &with_target("method: PUT"),
        "4:5: unknown key \"method\" [FW0103]",
    );
    check(
        &with_top("sever: {}"),
        "1:1: unknown key \"sever\", did you mean \"server\"? [FW0103]",
    );
}

#[test]
fn the_top_is_a_mapping() {
    check(
        "- targets",
        "1:1: expected a mapping, found a list [FW0105]",
    );
    check("hello", "1:1: expected a mapping, found \"hello\" [FW0105]");
}

#[test]
fn a_section_without_content_has_its_defaults() {
    config(&with_top("server:\nstore: {}"));
    check(
        &with_top("server: []"),
        "1:9: expected a mapping, found a list [FW0105]",
    );
}

#[test]
fn what_has_to_be_there_is_missed() {
    let text = "targets:\n  stock: {}\nroutes:\n  orders: { match: POST /, send: [stock] }\n";
    check(text, "2:10: missing key \"url\" [FW0104]");
    let text = "targets:\n  stock: { url: 'http://h/' }\nroutes:\n";
    check(text, "3:1: there is nothing under \"routes\" [FW0104]");
    let text = "targets:\n  stock: { url: 'http://h/' }\n";
    check(text, "1:1: missing key \"routes\" [FW0104]");
}

#[test]
fn an_alias_stands_for_what_its_anchor_names() {
    let text = "targets:\n  a: { url: 'http://h/', retry: &patient { attempts: 7 } }\n  b: { url: 'http://h/', retry: *patient }\nroutes:\n  r: { match: POST /, send: [a, b] }\n";
    let attempts: Vec<u32> = config(text)
        .targets
        .values()
        .map(|target| target.retry.attempts.get())
        .collect();
    assert_eq!(attempts, [7, 7]);
}

#[test]
fn what_stands_behind_aliases_is_complained_of_once() {
    let text = "targets:\n  a: { url: 'http://h/', retry: &patient { attempts: no } }\n  b: { url: 'http://h/', retry: *patient }\nroutes:\n  r: { match: POST /, send: [a, b] }\n";
    check(
        text,
        "2:54: expected a whole number of 1 or more, found \"no\" [FW0105]",
    );
}

#[test]
fn parts_of_yaml_without_use_are_refused() {
    check(
        &with_target("<<: {}"),
        "4:5: merge keys (`<<`) are not supported [FW0102]",
    );
    check(
        &with_target("idle: !!str 10s"),
        "4:11: a config has no use for tags (`!…`) [FW0102]",
    );
    check(
        "? [a]\n: b\n",
        "1:3: a key is a word, not a list or a mapping [FW0102]",
    );
    check(
        &format!("{}---\nb: c\n", with_target("")),
        "6:1: a config is one document, and here begins a second [FW0102]",
    );
    check(
        "a: &x [*x]",
        "1:8: an alias stands within what it stands for [FW0102]",
    );
}

#[test]
fn yaml_bombs_are_refused() {
    let text = format!("a: {}1{}", "[".repeat(40), "]".repeat(40));
    check(&text, "1:35: nested deeper than 32 levels [FW0102]");
    let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..8 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("b{level}: &a{level} [{aliases}]\n"));
    }
    assert!(
        error(&bomb).ends_with("more than 100000 values, aliases included [FW0102]"),
        "{}",
        error(&bomb)
    );
}

#[test]
fn aliases_count_as_what_they_stand_for() {
    let items = vec!["x"; 1_000].join(", ");
    let aliases = vec!["*a"; 200].join(", ");
    let shown = error(&format!("a: &a [{items}]\nb: [{aliases}]\n"));
    assert!(
        shown.ends_with("more than 100000 values, aliases included [FW0102]"),
        "{shown}"
    );
}

#[test]
fn a_byte_order_mark_and_other_line_ends_change_no_place() {
    let text = with_target("idle: 1").replace('\n', "\r\n");
    check(
        &format!("\u{feff}{text}"),
        "4:11: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found \"1\" [FW0105]",
    );
    check(
        "\u{feff}oops",
        "1:1: expected a mapping, found \"oops\" [FW0105]",
    );
}
