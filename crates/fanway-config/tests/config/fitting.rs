//! Routes, steps, targets and sections that do or don't fit together.

use fanway_types::{Step, WhenDead};

use crate::scene::{config, error, with_route, with_step, with_top};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(error(text), format!("fanway.yaml:{expected}"), "{text}");
}

#[track_caller]
fn check_match(text: &str, method: Option<&str>, path: &str) {
    let config = config(&with_route(&format!("match: {text}\nsend: [stock]")));
    let route = &config.routes[0];
    assert_eq!(
        route.method.as_ref().map(http::Method::as_str),
        method,
        "{text}"
    );
    assert_eq!(route.path.to_string(), path, "{text}");
}

#[track_caller]
fn check_no_match(text: &str, expected: &str) {
    check(
        &with_route(&format!("match: {text}\nsend: [stock]")),
        expected,
    );
}

#[test]
fn a_match_is_a_line_or_a_mapping() {
    check_match("POST /orders/{id}", Some("POST"), "/orders/{id}");
    check_match("'* /files/{path...}'", None, "/files/{path...}");
    check_match("{ method: PUT, path: /orders }", Some("PUT"), "/orders");
    check_match("{ path: '/orders/{id}' }", None, "/orders/{id}");
}

#[test]
fn other_matches_are_refused() {
    let expected = "expected a method (or `*`) and a path, such as POST /orders/{id}, found";
    check_no_match("/orders", &format!("5:12: {expected} \"/orders\" [FW0105]"));
    check_no_match(
        "post /orders",
        &format!("5:12: {expected} \"post /orders\" [FW0105]"),
    );
    check_no_match(
        "POST /a /b",
        &format!("5:12: {expected} \"POST /a /b\" [FW0105]"),
    );
    check_no_match(
        "POST /orders/{Id}",
        "5:25: `{Id}` has no proper name: expected a lower-case letter, then lower-case letters, digits and `_` [FW0105]",
    );
    check_no_match("{ path: orders }", "5:20: a path starts with `/` [FW0105]");
    check_no_match(
        "{ path: /orders, host: a }",
        "5:29: unknown key \"host\" [FW0103]",
    );
}

#[test]
fn what_fanway_itself_answers_is_reserved() {
    check_no_match(
        "POST /fanway/messages",
        "5:12: paths below /fanway/ are reserved: Fanway itself answers there [FW0108]",
    );
    check_no_match(
        "POST /f%61nway/x",
        "5:12: paths below /fanway/ are reserved: Fanway itself answers there [FW0108]",
    );
    check_match("POST /fanways", Some("POST"), "/fanways");
}

fn two_routes(one: &str, other: &str) -> String {
    format!(
        "targets:\n  stock: {{ url: 'http://h/' }}\nroutes:\n  one: {{ match: '{one}', send: [stock] }}\n  other: {{ match: '{other}', send: [stock] }}\n"
    )
}

#[test]
fn routes_that_cannot_be_told_apart_are_refused() {
    check(
        &two_routes("POST /a/{x}", "POST /a/{y}"),
        "5:19: the routes `one` (line 4) and `other` match the same requests [FW0108]",
    );
    check(
        &two_routes("* /a", "* /a"),
        "5:19: the routes `one` (line 4) and `other` match the same requests [FW0108]",
    );
    config(&two_routes("POST /a/{x}", "PUT /a/{x}"));
    config(&two_routes("POST /a/{x}", "* /a/{x}"));
    config(&two_routes("POST /a/{x}", "POST /a/{x...}"));
    config(&two_routes("POST /a/{x}", "POST /a/b"));
}

fn steps(text: &str) -> Vec<Step> {
    config(&with_route(&format!("match: POST /\nsend: {text}"))).routes[0]
        .plan
        .steps
        .clone()
}

#[test]
fn short_steps_and_long_ones_mix() {
    let steps = steps(
        "[stock, { to: stock, as: again, method: PUT, critical: false, forward: [X-Request-Id, query] }]",
    );
    assert_eq!(steps.len(), 2);
    assert_eq!(
        (
            steps[0].name.as_str(),
            steps[0].method.as_str(),
            steps[0].critical
        ),
        ("stock", "POST", true)
    );
    assert_eq!(
        (
            steps[1].name.as_str(),
            steps[1].method.as_str(),
            steps[1].critical
        ),
        ("again", "PUT", false)
    );
    assert_eq!(
        (steps[1].forward.as_slice(), steps[1].forward_query),
        (&["x-request-id".to_owned()][..], true)
    );
}

#[track_caller]
fn check_steps(text: &str, expected: &str) {
    check(
        &with_route(&format!("match: POST /\nsend: {text}")),
        expected,
    );
}

#[test]
fn steps_name_targets_that_there_are_and_differ() {
    check_steps(
        "[stok]",
        "6:12: no target is named \"stok\", did you mean \"stock\"? [FW0108]",
    );
    check_steps(
        "[{ to: mail }]",
        "6:18: no target is named \"mail\" [FW0108]",
    );
    check_steps(
        "[stock, stock]",
        "6:19: two steps are named \"stock\" [FW0108]",
    );
    check_steps(
        "[stock, { to: stock, as: stock }]",
        "6:36: two steps are named \"stock\" [FW0108]",
    );
    check_steps("[]", "6:11: a route has at least one step [FW0105]");
    check_steps("stock", "6:11: expected a list, found \"stock\" [FW0105]");
    check_steps("[{ as: a }]", "6:12: missing key \"to\" [FW0104]");
    check_steps(
        "[Stock]",
        "6:12: expected a name: a lower-case letter, then lower-case letters, digits and `_`, found \"Stock\" [FW0105]",
    );
}

#[track_caller]
fn check_order(step: &str, expected: Option<(&str, WhenDead)>) {
    let text = format!("match: POST /\nsend: [{{ to: stock{step} }}]");
    let config = config(&with_route(&text));
    let order = config.routes[0].plan.steps[0].order.as_ref();
    let order = order.map(|order| (&*order.by, order.when_dead));
    assert_eq!(order, expected, "{step}");
}

#[test]
fn a_step_is_ordered_by_an_expression_and_skips_what_is_dead_unless_told_otherwise() {
    check_order("", None);
    check_order(", order_by: .id", Some((".id", WhenDead::Skip)));
    for when_dead in WhenDead::ALL {
        let step = format!(", order_by: .id, order: {}", when_dead.as_str());
        check_order(&step, Some((".id", when_dead)));
    }
    check_steps(
        "[{ to: stock, order: block }]",
        "6:32: `order` says nothing without `order_by` [FW0108]",
    );
}

#[test]
fn a_target_that_is_wrong_is_known_all_the_same() {
    let text =
        "targets:\n  stock: { url: 7 }\nroutes:\n  orders: { match: POST /, send: [stock] }\n";
    check(
        text,
        "2:17: expected a URL such as https://api.example/v1, found \"7\": that is no absolute URL [FW0105]",
    );
}

#[test]
fn credentials_are_neither_forwarded_nor_set() {
    check(
        &with_step("forward: [Authorization]"),
        "8:19: `authorization` holds the sender's credentials and is never forwarded [FW0105]",
    );
    check(
        &with_step("forward: [cookie]"),
        "8:19: `cookie` holds the sender's credentials and is never forwarded [FW0105]",
    );
    check(
        &with_step("headers: { Authorization: x }"),
        "8:20: `authorization` is not for a step to set: credentials stand under the target's `credentials` [FW0105]",
    );
    check(
        &with_step("headers: { host: x }"),
        "8:20: `host` belongs to the connection [FW0105]",
    );
    check(
        &with_step("headers: { fanway-x: x }"),
        "8:20: `fanway-x` is set by Fanway on each attempt [FW0105]",
    );
    check(
        &with_step("headers: { a: x, A: y }"),
        "8:26: \"A\" stands twice [FW0103]",
    );
    check(
        &with_step("forward: [x-a, X-A]"),
        "8:24: \"X-A\" stands twice [FW0103]",
    );
}

#[test]
fn sections_fit_in_themselves() {
    check(
        &with_top("server: { max_body: 32MiB, memory: 16MiB }"),
        "1:21: \"max_body\" is larger than \"memory\", so the largest bodies never have room [FW0108]",
    );
    check(
        &with_top("server: { max_body: 1MiB }\nstore: { segment: 1MiB }"),
        "1:21: \"max_body\" is more than fits into a segment of 1MiB: 960KiB [FW0108]",
    );
    check(
        &with_top("server: { listen: 127.0.0.1:8081 }"),
        "1:19: \"listen\" and \"admin\" are the same address [FW0108]",
    );
    check(
        &with_top("server: { admin: 0.0.0.0:8081 }"),
        "1:18: \"admin\" is no loopback address, and nobody has to show who they are there [FW0105]",
    );
    check(
        &with_top("store: { interval: 1s }"),
        "1:10: \"interval\" means something only with `sync: interval` [FW0108]",
    );
    config(&with_top(
        "server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0 }",
    ));
}

#[test]
fn a_body_takes_what_a_segment_has_beyond_64_kib() {
    let both = "server: { max_body: 960KiB }\nstore: { segment: 1MiB }";
    assert!(config(&with_top(both)).warnings.is_empty());
}

#[test]
fn a_segment_that_lowers_the_default_of_max_body_is_a_warning() {
    let warnings = config(&with_top("store: { segment: 1MiB }")).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        warnings[0].to_string().lines().next(),
        Some(
            "fanway.yaml:1:19: no body of more than 960KiB fits into a segment of 1MiB, so that is the limit instead of the 10MiB of `server.max_body` [FW0108]"
        )
    );
    let fitting = config(&with_top("store: { segment: 16MiB }"));
    assert!(fitting.warnings.is_empty());
}
