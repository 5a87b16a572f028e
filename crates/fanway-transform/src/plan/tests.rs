//! What a plan's steps are refused for, and what is known of them.

use fanway_types::Plan;

use super::{CompiledPlan, Field};

fn plan(step: &str) -> Plan {
    let json = format!(
        r#"{{"route":"r","steps":[{{"name":"a","target":"t","method":"POST","critical":true}},
            {{"name":"b","target":"t","critical":true,{step}}}]}}"#
    );
    Plan::from_json(&json).expect("a plan")
}

#[track_caller]
fn check_error(step: &str, field: &Field, offset: usize, message: &str) {
    let errors = CompiledPlan::compile(&plan(step)).expect_err("an error in the step");
    let [error] = &errors[..] else {
        panic!("{errors:?}")
    };
    assert_eq!((error.step, &error.field), (1, field), "{step}");
    assert_eq!(
        (error.error.offset, error.error.message.as_str()),
        (offset, message),
        "{step}"
    );
}

#[track_caller]
fn check(step: &str, is_static: bool, needs_json: bool) {
    let plan = CompiledPlan::compile(&plan(step)).expect("nothing is wrong");
    assert_eq!(
        (plan.step(1).is_static(), plan.step(1).needs_json()),
        (is_static, needs_json),
        "{step}"
    );
    assert_eq!(plan.needs_json(), needs_json, "{step}");
    assert!(plan.step(0).is_static() && !plan.step(0).needs_json());
}

#[test]
fn every_part_of_a_step_is_checked() {
    check_error(
        r#""method":"PO ST""#,
        &Field::Method,
        0,
        "`PO ST` is no method",
    );
    check_error(
        r#""method":"PUT","body":". | fooo""#,
        &Field::Body,
        4,
        "unknown function `fooo`",
    );
    check_error(
        r#""method":"PUT","when":"now > 1""#,
        &Field::When,
        0,
        "`now` could differ between attempts and is refused",
    );
    check_error(
        r#""method":"PUT","path":"a""#,
        &Field::Path,
        0,
        "a path begins with `/`",
    );
    check_error(
        r#""method":"PUT","query":[["q","a\\(.b"]]"#,
        &Field::Query("q".into()),
        1,
        r"`\(` without its `)`",
    );
    check_error(
        r#""method":"PUT","query":[["a=b","c"]]"#,
        &Field::Query("a=b".into()),
        0,
        "`=` in a parameter's name: write `%3D`",
    );
    check_error(
        r#""method":"PUT","query":[["","c"]]"#,
        &Field::Query("".into()),
        0,
        "no name for a parameter",
    );
    check_error(
        r#""method":"PUT","headers":[["x y","c"]]"#,
        &Field::Header("x y".into()),
        0,
        "`x y` is no header name",
    );
    check_error(
        r#""method":"PUT","headers":[["X-Y","c"]]"#,
        &Field::Header("X-Y".into()),
        0,
        "`X-Y` is not in lower case",
    );
    check_error(
        r#""method":"PUT","headers":[["host","c"]]"#,
        &Field::Header("host".into()),
        0,
        "`host` belongs to the connection",
    );
}

#[test]
fn what_fanway_sets_and_what_the_sender_keeps_is_left_alone() {
    let set = "`idempotency-key` is set by Fanway on each attempt";
    check_error(
        r#""method":"PUT","headers":[["idempotency-key","c"]]"#,
        &Field::Header("idempotency-key".into()),
        0,
        set,
    );
    let set = "`fanway-message` is set by Fanway on each attempt";
    check_error(
        r#""method":"PUT","forward":["fanway-message"]"#,
        &Field::Forward("fanway-message".into()),
        0,
        set,
    );
    let kept = "`cookie` holds the sender's credentials and is never forwarded";
    check_error(
        r#""method":"PUT","forward":["cookie"]"#,
        &Field::Forward("cookie".into()),
        0,
        kept,
    );
    let kept = "`authorization` holds the sender's credentials and is never forwarded";
    check_error(
        r#""method":"PUT","forward":["authorization"]"#,
        &Field::Forward("authorization".into()),
        0,
        kept,
    );
    check(
        r#""method":"PUT","headers":[["authorization","c"]]"#,
        true,
        false,
    );
}

#[test]
fn all_errors_come_at_once() {
    let step = r#""method":"PUT","path":"a","body":"}","headers":[["host","\\("]]"#;
    let errors = CompiledPlan::compile(&plan(step)).expect_err("errors");
    let mut fields: Vec<_> = errors.iter().map(|error| error.field.to_string()).collect();
    fields.sort();
    assert_eq!(fields, ["body", "headers.host", "headers.host", "path"]);
    assert!(
        errors
            .iter()
            .any(|error| error.to_string() == "path: a path begins with `/`")
    );
}

#[test]
fn a_step_without_expressions_is_static() {
    check(
        r#""method":"PUT","path":"/a","query":[["b","c"]],"headers":[["x","y"]],"forward":["z"]"#,
        true,
        false,
    );
    check(
        r#""method":"PUT","when":"$request.method == \"GET\"""#,
        false,
        false,
    );
    check(
        r#""method":"PUT","path":"/\\($request.params.id)""#,
        false,
        false,
    );
    check(r#""method":"PUT","path":"/\\(.id)""#, false, true);
    check(r#""method":"PUT","headers":[["x","\\(.id)"]]"#, false, true);
    check(r#""method":"PUT","query":[["x","\\(.id)"]]"#, false, true);
    check(r#""method":"PUT","when":".id""#, false, true);
    check(r#""method":"PUT","body":"{a: $message.id}""#, false, false);
    check(r#""method":"GET","bodiless":true"#, true, false);
    // Ten megabytes aren't compressed between two requests.
    check(r#""method":"PUT","compress":"gzip""#, false, false);
}
