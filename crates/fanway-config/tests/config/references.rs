//! `${…}`: what is missing is named, and what is there is never shown.

use insta::assert_snapshot;

use crate::scene::{config, error, errors, with_target, with_top};

#[test]
fn a_reference_to_nothing_is_named_where_it_stands() {
    let text = with_target(
        "credentials: { basic: { user: '${USER_NAME}', password: 'a-${NONE}${file:/none}' } }",
    );
    assert_snapshot!(errors(&text), @r#"
    fanway.yaml:4:36: ${USER_NAME} is not set [FW0106]
        4 |     credentials: { basic: { user: '${USER_NAME}', password: ************************ } }
          |                                    ^^^^^^^^^^^^
          = hint: set the variable, or give a default: ${NAME:-default}

    fanway.yaml:4:64: ${NONE} is not set [FW0106]
        4 |     credentials: { basic: { user: '${USER_NAME}', password: ************************ } }
          |                                                                ^^^^^^^
          = hint: set the variable, or give a default: ${NAME:-default}

    fanway.yaml:4:71: ${file:/none} can't be read: entity not found [FW0106]
        4 |     credentials: { basic: { user: '${USER_NAME}', password: ************************ } }
          |                                                                       ^^^^^^^^^^^^^
          = hint: a relative path starts at the working directory

    3 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn a_default_stands_in_for_what_is_not_set() {
    let config = config(&with_top("store: { path: '${DATA:-/var/lib}/fanway' }"));
    assert_eq!(config.store.path.to_str(), Some("/var/lib/fanway"));
}

#[test]
fn what_a_reference_stands_for_is_never_shown() {
    let text = with_target(
        "timeout: '${WAIT}'\nidle: '${TOKEN}'\nhttp: '${TOKEN}'\ncredentials: { bearer: '${BROKEN}' }",
    );
    let shown = errors(&text);
    assert_snapshot!(shown, @r#"
    fanway.yaml:4:14: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d; or a mapping, found "${WAIT}" [FW0105]
        4 |     timeout: '${WAIT}'
          |              ^^^^^^^^^
          = hint: what a ${…} stands for is never shown

    fanway.yaml:5:11: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found "${TOKEN}" [FW0105]
        5 |     idle: '${TOKEN}'
          |           ^^^^^^^^^^
          = hint: what a ${…} stands for is never shown

    fanway.yaml:6:11: expected auto, 1 or 2, found "${TOKEN}" [FW0105]
        6 |     http: '${TOKEN}'
          |           ^^^^^^^^^^
          = hint: what a ${…} stands for is never shown

    fanway.yaml:7:28: expected a text, best a reference such as ${TOKEN}, found a text that is not shown: it has a line break or another control character in it [FW0105]
        7 |     credentials: { bearer: *********** }
          |                            ^^^^^^^^^^^^
          = hint: what a ${…} stands for is never shown

    4 errors; the codes are explained in docs/errors/config.md
    "#);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn names_that_references_stand_for_are_not_shown_either() {
    let text = "targets:
  stock: { url: 'http://h/' }
routes:
  a:
    match: 'POST /${TOKEN}/{Id}'
    send: ['${TARGET}', { to: stock, as: '${TARGET}', forward: ['${TARGET}', '${TARGET}'] }]
  b:
    match: '${TARGET}'
    send: [{ to: stock, forward: ['${COOKIE}'] }]
";
    let shown = errors(text);
    assert_snapshot!(shown, @r#"
    fanway.yaml:5:12: what stands here for a path is none [FW0105]
        5 |     match: 'POST /${TOKEN}/{Id}'
          |            ^^^^^^^^^^^^^^^^^^^^^

    fanway.yaml:6:12: no target is named "${TARGET}" [FW0108]
        6 |     send: ['${TARGET}', { to: stock, as: '${TARGET}', forward: ['${TARGET}', '${TARGET}'] }]
          |            ^^^^^^^^^^^
          = hint: there are: stock

    fanway.yaml:6:42: two steps are named "${TARGET}" [FW0108]
        6 |     send: ['${TARGET}', { to: stock, as: '${TARGET}', forward: ['${TARGET}', '${TARGET}'] }]
          |                                          ^^^^^^^^^^^
        6 |     send: ['${TARGET}', { to: stock, as: '${TARGET}', forward: ['${TARGET}', '${TARGET}'] }]
          |            ----------- the first
          = hint: `as` gives a step a name of its own: { to: …, as: … }

    fanway.yaml:6:78: "${TARGET}" stands twice [FW0103]
        6 |     send: ['${TARGET}', { to: stock, as: '${TARGET}', forward: ['${TARGET}', '${TARGET}'] }]
          |                                                                              ^^^^^^^^^^^

    fanway.yaml:8:12: expected a method (or `*`) and a path, such as POST /orders/{id}, found "${TARGET}" [FW0105]
        8 |     match: '${TARGET}'
          |            ^^^^^^^^^^^
          = hint: methods are in capitals, and the path starts with `/`

    fanway.yaml:9:35: "${COOKIE}" is no header that can be passed on [FW0105]
        9 |     send: [{ to: stock, forward: ['${COOKIE}'] }]
          |                                   ^^^^^^^^^^^

    6 errors; the codes are explained in docs/errors/config.md
    "#);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[track_caller]
fn check_hidden(text: &str) {
    let shown = errors(text);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn credentials_that_are_written_out_are_never_shown() {
    check_hidden(&with_target(
        "credentials: { bearer: hunter2, berer: hunter2 }",
    ));
    check_hidden(&with_target("credentails: { bearer: hunter2 }"));
    check_hidden(&with_target("bearer: hunter2"));
    check_hidden(&with_target(
        "credentials: { bearer: '${NONE:-hunter2}', oops: 1 }",
    ));
    check_hidden(&with_target(
        "credentials: { bearer: \"hunter2\\nhunter2\" }",
    ));
    check_hidden(&with_target(
        "credentials:\n  bearer: |\n    hunter2\n    hunter2",
    ));
    check_hidden(&with_target("credentials: [hunter2, { a: hunter2 }]"));
    check_hidden(&with_target("credentials: hunter2"));
    check_hidden(&with_target("headers: { authorization: hunter2 }"));
    check_hidden("targets:\n  stock: { url: 'http://me:hunter2@h/' }\nroutes: {}\n");
    check_hidden("targets:\n  stock: { url: 'me:hunter2@h' }\nroutes: {}\n");
}

#[test]
fn credentials_in_a_file_that_is_not_yaml_are_never_shown() {
    check_hidden("targets:\n  stock:\n    credentials: { bearer: hunter2: x }\n");
    check_hidden("targets:\n  stock: { url: http://me:hunter2@h/: x }\n");
    check_hidden("a:\n  value: \"hunter2");
}

#[test]
fn debug_output_of_a_config_holds_no_secret() {
    let text = with_target("credentials: { basic: { user: '${TOKEN}', password: hunter2 } }")
        .replace("http://127.0.0.1:9101/stock", "${HOOK}");
    let debug = format!("{:?}", config(&text));
    assert!(!debug.contains("hunter2"), "{debug}");
    assert!(debug.contains("hooks.example"), "{debug}");
}

#[test]
fn names_of_keys_hold_no_references() {
    assert!(error(&with_top("'${TOKEN}': 1")).contains("unknown key \"${TOKEN}\""));
}
