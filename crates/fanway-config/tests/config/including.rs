//! `include`: targets and routes from other files.

use std::fs;

use fanway_config::{Config, Errors};
use insta::assert_snapshot;
use tempfile::TempDir;

use crate::scene::Fixed;

/// A folder with these files; the first of them is the main one.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

fn load(folder: &TempDir) -> Result<Config, Errors> {
    Config::load(&folder.path().join("fanway.yaml"), &Fixed)
}

#[track_caller]
fn config(files: &[(&str, &str)]) -> Config {
    load(&folder(files)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is said about files of which one is wrong, less the folder that they are in.
#[track_caller]
fn errors(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let errors = load(&folder).expect_err("a config that is wrong");
    let prefix = format!("{}/", folder.path().display());
    errors.to_string().replace(&prefix, "")
}

/// The same where one thing is wrong: its first line.
#[track_caller]
fn error(files: &[(&str, &str)]) -> String {
    let shown = errors(files);
    assert!(shown.contains("\n1 error;"), "{shown}");
    shown.lines().next().unwrap_or_default().to_owned()
}

const TARGET: &str = "targets: { stock: { url: 'http://h/' } }\n";
const ROUTE: &str = "routes: { orders: { match: POST /orders, send: [stock] } }\n";

#[test]
fn files_and_folders_are_read_in_order() {
    let route =
        |name: &str| format!("routes: {{ {name}: {{ match: POST /{name}, send: [stock] }} }}\n");
    let config = config(&[
        (
            "fanway.yaml",
            &format!("include: [z.yaml, conf.d]\n{}", route("main")),
        ),
        ("z.yaml", TARGET),
        ("conf.d/b.yaml", &route("second")),
        ("conf.d/a.yml", &route("first")),
        ("conf.d/.hidden.yaml", "not: read"),
        ("conf.d/notes.txt", "not: read"),
        ("conf.d/below/c.yaml", "not: read"),
        ("conf.d/below.yaml/d.yaml", "not: read"),
        ("conf.d/empty.yaml", "# nothing yet\n"),
    ]);
    let names: Vec<&str> = config
        .routes
        .iter()
        .map(|route| route.name.as_str())
        .collect();
    assert_eq!(names, ["main", "first", "second"]);
    assert_eq!(config.targets.len(), 1);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_main_file_may_leave_everything_to_others() {
    let files = [
        ("fanway.yaml", "include: [all.yaml]\n"),
        ("all.yaml", &format!("{TARGET}{ROUTE}")),
    ];
    assert_eq!(config(&files).routes.len(), 1);
    let files = [
        ("fanway.yaml", "include: [all.yaml]\n"),
        ("all.yaml", TARGET),
    ];
    assert_eq!(
        error(&files),
        "fanway.yaml:1:1: missing key \"routes\" [FW0104]"
    );
}

#[test]
fn errors_name_the_file_that_they_are_in() {
    let main = format!("include: [conf.d]\n{ROUTE}oops: 1\n");
    let files = [
        ("fanway.yaml", main.as_str()),
        (
            "conf.d/a.yaml",
            "targets:\n  stock: { url: 'http://h/', idle: 1 }\n",
        ),
        (
            "conf.d/b.yaml",
            "routes:\n  rest: { match: 'POST /orders', send: [stok] }\n",
        ),
        ("conf.d/c.yaml", "targets: stock: x\n"),
    ];
    assert_snapshot!(errors(&files), @r#"
    fanway.yaml:3:1: unknown key "oops" [FW0103]
        3 | oops: 1
          | ^^^^
          = hint: known here: version, include, server, store, egress, secrets, callbacks, targets, routes

    conf.d/a.yaml:2:36: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found "1" [FW0105]
        2 |   stock: { url: 'http://h/', idle: 1 }
          |                                    ^

    conf.d/b.yaml:2:18: the routes `orders` (fanway.yaml:2) and `rest` match the same requests [FW0108]
        2 |   rest: { match: 'POST /orders', send: [stok] }
          |                  ^^^^^^^^^^^^^^
         ::: fanway.yaml:2:28
        2 | routes: { orders: { match: POST /orders, send: [stock] } }
          |                            ------------ the other

    conf.d/c.yaml:1:15: not YAML: mapping values are not allowed in this context [FW0102]
        1 | targets: stock: x
          |               ^
          = hint: a bracket or quote isn't closed, or a value with `: `, ` #` or a first @, % or * has no quotes

    4 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn a_name_that_stands_twice_is_shown_in_both_places() {
    let main = format!("include: [a.yaml]\n{TARGET}{ROUTE}");
    let files = [
        ("fanway.yaml", main.as_str()),
        (
            "a.yaml",
            &format!("\n{TARGET}routes:\n  orders: {{ match: POST /, send: [stock] }}\n"),
        ),
    ];
    assert_snapshot!(errors(&files), @r#"
    a.yaml:2:12: the target `stock` stands twice, first in fanway.yaml:2 [FW0103]
        2 | targets: { stock: { url: 'http://h/' } }
          |            ^^^^^
         ::: fanway.yaml:2:12
        2 | targets: { stock: { url: 'http://h/' } }
          |            ----- the first

    a.yaml:4:3: the route `orders` stands twice, first in fanway.yaml:3 [FW0103]
        4 |   orders: { match: POST /, send: [stock] }
          |   ^^^^^^
         ::: fanway.yaml:3:11
        3 | routes: { orders: { match: POST /orders, send: [stock] } }
          |           ------ the first

    2 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn an_included_file_has_targets_and_routes_only() {
    let main = format!("include: [a.yaml]\n{TARGET}{ROUTE}");
    let check = |text: &str, expected: &str| {
        let files = [("fanway.yaml", main.as_str()), ("a.yaml", text)];
        assert_eq!(error(&files), format!("a.yaml:{expected}"));
    };
    check("server: {}", "1:1: unknown key \"server\" [FW0103]");
    check("include: [b.yaml]", "1:1: unknown key \"include\" [FW0103]");
    check(
        "target: {}",
        "1:1: unknown key \"target\", did you mean \"targets\"? [FW0103]",
    );
    check("- a", "1:1: expected a mapping, found a list [FW0105]");
    check(
        "targets:",
        "1:1: there is nothing under \"targets\" [FW0104]",
    );
}

#[test]
fn what_is_not_there_is_an_error_where_it_is_named() {
    let not_there = fs::metadata("none").expect_err("nothing").to_string();
    // What it would have had isn't missed as well.
    let files = [(
        "fanway.yaml",
        "include:\n  - conf.d\n  - targets.yaml\nroutes: { orders: { match: POST /, send: [stock], on_dead: alerts } }\n",
    )];
    assert_snapshot!(errors(&files).replace(&not_there, "it isn't there"), @r#"
    fanway.yaml:2:5: conf.d can't be read: it isn't there [FW0101]
        2 |   - conf.d
          |     ^^^^^^
          = hint: a relative path starts at the folder of the file that it stands in

    fanway.yaml:3:5: targets.yaml can't be read: it isn't there [FW0101]
        3 |   - targets.yaml
          |     ^^^^^^^^^^^^
          = hint: a relative path starts at the folder of the file that it stands in

    2 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn what_could_not_be_read_is_not_missed_as_well() {
    let main = format!("include: [a.yaml]\n{ROUTE}");
    let check = |text: &str, expected: &str| {
        let files = [("fanway.yaml", main.as_str()), ("a.yaml", text)];
        assert_eq!(error(&files), format!("a.yaml:{expected}"));
    };
    check(
        "targets:",
        "1:1: there is nothing under \"targets\" [FW0104]",
    );
    check(
        "targets: []",
        "1:10: expected a mapping from names to mappings, found a list [FW0105]",
    );
    check(
        "- targets",
        "1:1: expected a mapping, found a list [FW0105]",
    );
}

#[test]
fn a_file_is_included_once_and_not_by_itself() {
    let main = |include: &str| format!("include: {include}\n{TARGET}{ROUTE}");
    let check = |include: &str, expected: &str| {
        let main = main(include);
        let files = [("fanway.yaml", main.as_str()), ("conf.d/a.yaml", "")];
        assert_eq!(error(&files), format!("fanway.yaml:{expected}"));
    };
    check(
        "[conf.d, conf.d/a.yaml]",
        "1:19: conf.d/a.yaml is included twice [FW0108]",
    );
    check(
        "[conf.d/../fanway.yaml]",
        "1:11: conf.d/../fanway.yaml is the file that this stands in [FW0108]",
    );
}

#[test]
fn files_are_named_as_they_are() {
    let check = |include: &str, expected: &str| {
        let main = format!("include: {include}\n{TARGET}{ROUTE}");
        assert_eq!(
            error(&[("fanway.yaml", &main)]),
            format!("fanway.yaml:{expected}")
        );
    };
    check(
        "['${TOKEN}.yaml']",
        "1:12: ${TOKEN} is not replaced inside the names of files [FW0106]",
    );
    check("a.yaml", "1:10: expected a list, found \"a.yaml\" [FW0105]");
    check(
        "['']",
        "1:11: expected the path of a file or a folder, found \"\" [FW0105]",
    );
    check(
        "[[a]]",
        "1:11: expected the path of a file or a folder, found a list [FW0105]",
    );
}

#[test]
fn a_file_that_is_not_utf8_is_an_error_where_it_is_named() {
    let folder = folder(&[(
        "fanway.yaml",
        &format!("include: [a.yaml]\n{TARGET}{ROUTE}"),
    )]);
    fs::write(folder.path().join("a.yaml"), b"\n\xff").expect("written");
    let errors = load(&folder).expect_err("no UTF-8");
    assert!(
        errors.problems()[0]
            .message
            .ends_with("a.yaml is not UTF-8 in line 2"),
        "{errors}"
    );
}

#[test]
fn stars_are_for_one_file() {
    let main = "include: [a.yaml]\ntargets: { stock: { url: 'http://h/', credentials: { bearer: hunter2 } } }\n";
    let route = "\nroutes: { orders: { match: POST /orders, send: [stock], oops: 0123456789 } }\n";
    let shown = errors(&[("fanway.yaml", main), ("a.yaml", route)]);
    assert!(shown.contains("0123456789"), "{shown}");
}

#[test]
fn credentials_in_an_included_file_are_never_shown() {
    let main = format!("include: [a.yaml]\n{ROUTE}");
    for text in [
        "targets:\n  stock: { url: 'http://h/', credentials: { bearer: hunter2, x: 1 } }\n",
        "targets:\n  stock:\n    credentials: { bearer: hunter2: x }\n",
        "targets:\n  stock: { url: 'http://me:hunter2@h/' }\n",
    ] {
        let shown = errors(&[("fanway.yaml", &main), ("a.yaml", text)]);
        assert!(
            shown.contains("***") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
