//! How errors are shown: all at once, each with its place, its line and what might help.

use insta::assert_snapshot;

use crate::scene::{config, errors, with_target};

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = r#"
server:
  listen: 127.0.0.1
  max_body: 10
targets:
  inventory:
    url: ftp://127.0.0.1/stock
    retires: { first: 1s }
    timeout: 10
  shipping:
    url: http://127.0.0.1:9102
    credentials: { bearer: "${SHIPPING_TOKEN}" }
    concurrency: none
routes:
  orders:
    match: POST /orders
    send:
      - inventory
      - to: shiping
      - to: inventory
        body: '{order: .id, lines: [.items[]}'
  admin:
    match: POST /fanway/orders
    send: []
"#;
    assert_snapshot!(errors(text.trim_start()), @r#"
    fanway.yaml:2:11: expected an address with a port, such as 127.0.0.1:8080, found "127.0.0.1" [FW0105]
        2 |   listen: 127.0.0.1
          |           ^^^^^^^^^

    fanway.yaml:3:13: expected a size from 1B to 48MiB, such as 10MiB, found "10" [FW0105]
        3 |   max_body: 10
          |             ^^

    fanway.yaml:6:10: expected a URL such as https://api.example/v1, found "ftp://127.0.0.1/stock": its scheme is neither http nor https [FW0105]
        6 |     url: ftp://127.0.0.1/stock
          |          ^^^^^^^^^^^^^^^^^^^^^

    fanway.yaml:7:5: unknown key "retires", did you mean "retry"? [FW0103]
        7 |     retires: { first: 1s }
          |     ^^^^^^^

    fanway.yaml:8:14: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d; or a mapping, found "10" [FW0105]
        8 |     timeout: 10
          |              ^^

    fanway.yaml:11:29: ${SHIPPING_TOKEN} is not set [FW0106]
       11 |     credentials: { bearer: "${SHIPPING_TOKEN}" }
          |                             ^^^^^^^^^^^^^^^^^
          = hint: set the variable, or give a default: ${NAME:-default}

    fanway.yaml:12:18: expected a whole number from 1 to 65535, or auto; or a mapping, found "none" [FW0105]
       12 |     concurrency: none
          |                  ^^^^

    fanway.yaml:18:13: no target is named "shiping", did you mean "shipping"? [FW0108]
       18 |       - to: shiping
          |             ^^^^^^^

    fanway.yaml:19:13: two steps are named "inventory" [FW0108]
       19 |       - to: inventory
          |             ^^^^^^^^^
       17 |       - inventory
          |         --------- the first
          = hint: `as` gives a step a name of its own: { to: …, as: … }

    fanway.yaml:20:45: expected `]`, found `}` [FW0107]
       20 |         body: '{order: .id, lines: [.items[]}'
          |                                             ^

    fanway.yaml:22:12: paths below /fanway/ are reserved: Fanway itself answers there [FW0108]
       22 |     match: POST /fanway/orders
          |            ^^^^^^^^^^^^^^^^^^^

    fanway.yaml:23:11: a route has at least one step [FW0105]
       23 |     send: []
          |           ^^

    12 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn both_places_are_shown_where_two_things_clash() {
    let text = r"targets:
  stock: { url: http://127.0.0.1/ }
routes:
  first: { match: 'POST /orders/{id}', send: [stock] }
  second: { match: 'POST /orders/{number}', send: [stock, stock] }
";
    assert_snapshot!(errors(text), @r#"
    fanway.yaml:5:20: the routes `first` (line 4) and `second` match the same requests [FW0108]
        5 |   second: { match: 'POST /orders/{number}', send: [stock, stock] }
          |                    ^^^^^^^^^^^^^^^^^^^^^^^
        4 |   first: { match: 'POST /orders/{id}', send: [stock] }
          |                   ------------------- the other

    fanway.yaml:5:59: two steps are named "stock" [FW0108]
        5 |   second: { match: 'POST /orders/{number}', send: [stock, stock] }
          |                                                           ^^^^^
        5 |   second: { match: 'POST /orders/{number}', send: [stock, stock] }
          |                                                    ----- the first
          = hint: `as` gives a step a name of its own: { to: …, as: … }

    2 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn an_empty_file_is_answered_with_the_smallest_one() {
    assert_snapshot!(errors("# nothing yet\n"), @r#"
    fanway.yaml:1:1: there is nothing in this file [FW0104]
        1 | # nothing yet
          | ^
          = hint: the smallest config is
            targets:
              inventory: { url: http://127.0.0.1:9101/stock }
            routes:
              orders:
                match: POST /orders
                send: [inventory]

    1 error; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn a_tab_is_named_as_what_it_is() {
    assert_snapshot!(errors("targets:\n\tstock: x\n"), @r#"
    fanway.yaml:2:2: not YAML: tabs disallowed within this context (block indentation) [FW0102]
        2 |  stock: x
          |  ^
          = hint: YAML is indented with spaces, and this line has a tab

    1 error; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn text_that_is_not_yaml_is_shown_where_it_stops_being_yaml() {
    assert_snapshot!(errors("targets:\n  stock: { url: http://127.0.0.1/\nroutes:\n  a: 1\n"), @r#"
    fanway.yaml:3:7: not YAML: while parsing a flow mapping, did not find expected ',' or '}' [FW0102]
        3 | routes:
          |       ^
          = hint: a bracket or quote isn't closed, or a value with `: `, ` #` or a first @, % or * has no quotes

    1 error; the codes are explained in docs/errors/config.md
    "#);
    assert_snapshot!(errors("targets: x: y\n"), @r#"
    fanway.yaml:1:11: not YAML: mapping values are not allowed in this context [FW0102]
        1 | targets: x: y
          |           ^
          = hint: a bracket or quote isn't closed, or a value with `: `, ` #` or a first @, % or * has no quotes

    1 error; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn a_target_that_nobody_uses_is_a_warning() {
    let text = "targets:\n  stock: { url: 'http://h/' }\n  spare: { url: 'http://h/' }\nroutes:\n  orders: { match: POST /, send: [stock] }\n";
    let warnings = config(text).warnings;
    assert_eq!(warnings.len(), 1);
    assert_snapshot!(warnings[0], @r#"
    fanway.yaml:3:3: no route sends to the target `spare` [FW0109]
        3 |   spare: { url: 'http://h/' }
          |   ^^^^^
    "#);
}

#[test]
fn columns_count_characters() {
    assert_snapshot!(errors("targets: { 'é': { url: 'http://h/', oops: 1 } }\nroutes: { a: { match: POST /, send: ['é'] } }\n"), @r#"
    fanway.yaml:1:12: expected a name: a lower-case letter, then lower-case letters, digits and `_`, found "é" [FW0105]
        1 | targets: { 'é': { url: 'http://h/', oops: 1 } }
          |            ^^^

    fanway.yaml:1:37: unknown key "oops" [FW0103]
        1 | targets: { 'é': { url: 'http://h/', oops: 1 } }
          |                                     ^^^^
          = hint: known here: url, endpoints, balance, eject, health, idempotent, hedge_after, was, credentials, sign, timeout, http, tls, proxy, idle, success, retry, concurrency, rate, breaker, fallback

    fanway.yaml:2:38: expected a name: a lower-case letter, then lower-case letters, digits and `_`, found "é" [FW0105]
        2 | routes: { a: { match: POST /, send: ['é'] } }
          |                                      ^^^

    3 errors; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn a_part_of_a_timeout_is_shown_with_the_whole_where_that_is_written() {
    assert_snapshot!(errors(&with_target("timeout: { whole: 1s, connect: 5s }")), @r#"
    fanway.yaml:4:36: "connect" is longer than the whole attempt [FW0108]
        4 |     timeout: { whole: 1s, connect: 5s }
          |                                    ^^
        4 |     timeout: { whole: 1s, connect: 5s }
          |                       -- the whole attempt

    1 error; the codes are explained in docs/errors/config.md
    "#);
    assert_snapshot!(errors(&with_target("timeout: { connect: 11s }")), @r#"
    fanway.yaml:4:25: "connect" is longer than the whole attempt [FW0108]
        4 |     timeout: { connect: 11s }
          |                         ^^^
          = hint: `whole` is 10s where it isn't given

    1 error; the codes are explained in docs/errors/config.md
    "#);
}
