//! Which programs compile, what they read, and what stops them.

use std::time::Duration;

use fanway_types::ByteCount;

use super::{CompileError, Program, Scope};
use crate::json;
use crate::meter::{Interrupted, Meter, Stop, contain};
use crate::value::Value;

#[track_caller]
fn check_error(source: &str, offset: usize, message: &str) {
    let error = Program::compile(source).expect_err("not a program");
    assert_eq!(error, CompileError::new(offset, message), "{source}");
}

fn run_within(
    source: &str,
    input: &str,
    deadline: Duration,
) -> Result<Result<String, String>, Interrupted> {
    let program = Program::compile(source).expect("a program");
    contain(|| {
        let nothing = Value::parsed(json::parse(b"{}", 1).expect("JSON"), 1);
        let scope = Scope {
            request: nothing.clone(),
            message: nothing.clone(),
            steps: nothing,
        };
        let input = Value::parsed(json::parse(input.as_bytes(), 128).expect("JSON"), 128);
        let value = program.run(&input, &scope, &Meter::start(deadline, ByteCount::mib(1)))?;
        let text = json::write::to_json(value.as_json(), ByteCount::mib(1)).expect("JSON");
        Ok(String::from_utf8(text).expect("JSON is UTF-8"))
    })
}

#[track_caller]
fn check(source: &str, input: &str, expected: &str) {
    let output = run_within(source, input, Duration::MAX).expect("nothing stops it");
    assert_eq!(output.as_deref(), Ok(expected), "{source}");
}

#[track_caller]
fn check_failure(source: &str, input: &str, expected: &str) {
    let output = run_within(source, input, Duration::MAX).expect("nothing stops it");
    assert_eq!(
        output.as_ref().map_err(String::as_str),
        Err(expected),
        "{source}"
    );
}

/// A program that goes on for ever, or for much longer than a minute, unless it is stopped.
#[track_caller]
fn check_stop(source: &str, expected: Stop) {
    let deadline = if expected == Stop::Deadline {
        Duration::from_millis(100)
    } else {
        Duration::from_mins(1)
    };
    let outcome = run_within(source, r#"{"n": 1000000000000}"#, deadline);
    let Err(Interrupted::Stopped(stop)) = outcome else {
        panic!("{source} wasn't stopped: {outcome:?}")
    };
    assert_eq!(stop, expected, "{source}");
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    check_error("", 0, "expected term, found the end");
    check_error(".a |", 4, "expected term, found the end");
    check_error(".a .b }", 6, "expected token, found `}`");
    check_error("{a: .b", 6, "expected `}`, found the end");
    check_error("\"abc", 4, "expected a closing quote, found the end");
    check_error("if . then 1", 11, "expected else or end, found the end");
    check_error(". | fooo(1)", 4, "unknown function `fooo`");
    check_error("map(.a; .b)", 0, "function `map` doesn't take 2 arguments");
    check_error(".a + $x", 5, "unknown variable `$x`");
    check_error("break $out", 6, "unknown label `$out`");
}

#[test]
fn what_could_differ_or_reaches_outside_is_refused() {
    check_error(
        "{at: now}",
        5,
        "`now` could differ between attempts and is refused",
    );
    check_error(
        ".t | localtime",
        5,
        "`localtime` could differ between attempts and is refused",
    );
    check_error(
        "strflocaltime(\"%Z\")",
        0,
        "`strflocaltime` could differ between attempts and is refused",
    );
    check_error(
        "env.HOME",
        0,
        "`env` reaches outside of the message and is refused",
    );
    check_error(
        "$ENV.HOME",
        0,
        "`$ENV` reaches outside of the message and is refused",
    );
    check_error(
        "[., input]",
        4,
        "`input` reaches outside of the message and is refused",
    );
    check_error(
        "inputs",
        0,
        "`inputs` reaches outside of the message and is refused",
    );
    check_error(
        "input_filename",
        0,
        "`input_filename` reaches outside of the message and is refused",
    );
    check_error(
        "debug",
        0,
        "`debug` reaches outside of the message and is refused",
    );
    check_error(
        "debug(.a)",
        0,
        "`debug` reaches outside of the message and is refused",
    );
    check_error(
        "stderr",
        0,
        "`stderr` reaches outside of the message and is refused",
    );
    check_error(
        "stderr_empty",
        0,
        "`stderr_empty` reaches outside of the message and is refused",
    );
}

#[test]
fn what_ends_the_process_or_reads_files_is_refused() {
    check_error("halt", 0, "`halt` would end the process and is refused");
    check_error(
        "halt_error(1)",
        0,
        "`halt_error` would end the process and is refused",
    );
    check_error(
        "include \"a\"; .",
        0,
        "`include` is refused: there are no modules",
    );
    check_error(
        "# x\nimport \"a\" as $a; .",
        4,
        "`import` is refused: there are no modules",
    );
    check_failure(
        r#"strptime("%Q")"#,
        r#""Europe/Berlin""#,
        "`%Q` reads time zones of the machine and is refused",
    );
}

#[test]
fn a_program_may_define_a_name_of_its_own() {
    check("def now: 1; now", "null", "1");
}

#[test]
fn what_is_let_in_works() {
    check(
        "{order: .id, lines: [.items[] | {sku, qty}]}",
        r#"{"id":7,"items":[{"sku":"a","qty":1,"x":2}]}"#,
        r#"{"order":7,"lines":[{"sku":"a","qty":1}]}"#,
    );
    check(".items | length > 0", r#"{"items":[1]}"#, "true");
    check("[range(3), range(4; 0; -2)]", "null", "[0,1,2,4,2]");
    check("[limit(3; repeat(1))]", "null", "[1,1,1]");
    check(
        r#""2015-03-05T23:51:47Z" | fromdate | todate"#,
        "null",
        r#""2015-03-05T23:51:47Z""#,
    );
    check(
        r#""2024-02-29" | strptime("%Y-%m-%d") | mktime"#,
        "null",
        "1709164800",
    );
    check(r#""a,b" | split(",") | join("+")"#, "null", r#""a+b""#);
    check(
        r#""abcb" | [indices("b"), index("b"), rindex("b")]"#,
        "null",
        "[[1,3],1,3]",
    );
    check("[indices(1), indices([1,2])]", "[1,2,1]", "[[0,2],[0]]");
    check(
        r#""äb" | [length, utf8bytelength, (explode | implode)]"#,
        "null",
        r#"[2,3,"äb"]"#,
    );
    check(
        "[null, -5, 2.5, [1], {a: 1}] | map(length)",
        "null",
        "[0,5,2.5,1,1]",
    );
    check(
        r#"[("foobar" | contains("bar")), ({a: [1, {b: 2}]} | contains({a: [{b: 2}]}))]"#,
        "null",
        "[true,true]",
    );
    check(
        r#"[({a: 1} | has("a", "b")), ([1] | has(0, 1, -1))]"#,
        "null",
        "[true,false,true,false,false]",
    );
}

#[test]
fn what_reads_and_updates_values_works() {
    check(
        "[bsearch(2), bsearch(0), bsearch(4)]",
        "[1,2,3]",
        "[1,-1,-4]",
    );
    check(
        r#"["[1,{}]" | fromjson, tojson]"#,
        "null",
        r#"[[1,{}],"\"[1,{}]\""]"#,
    );
    check(r#"["12", "0.5"] | map(tonumber)"#, "null", "[12,0.5]");
    check(
        r#"@base64 "x\(.)", @uri "\(.)" | select(startswith("x"))"#,
        "1",
        r#""xMQ==""#,
    );
    check("[$request, $message, $steps]", "null", "[{},{},{}]");
    check(
        ".a.b |= . + 1 | .c[1:] = [9] | del(.d) | .e += 2",
        r#"{"a":{"b":1},"c":[1,2],"d":0,"e":1}"#,
        r#"{"a":{"b":2},"c":[1,9],"e":3}"#,
    );
    check(
        "to_entries | map(.value) | sort_by(-.) | unique",
        r#"{"a":1,"b":2}"#,
        "[1,2]",
    );
    check(
        "[paths], (try error(\"x\") catch .) | select(. == \"x\")",
        "[1]",
        r#""x""#,
    );
    check(
        "walk(if type == \"number\" then . * 2 else . end)",
        r#"{"a":[1,{"b":2}]}"#,
        r#"{"a":[2,{"b":4}]}"#,
    );
    check(
        r#"[scan("[a-z]+")] + [sub("(?<x>b)"; "<\(.x)>")]"#,
        r#""ab-c""#,
        r#"["ab","c","a<b>-c"]"#,
    );
    check(
        "123456789012345678901234567890 + 1",
        "null",
        "123456789012345678901234567891",
    );
    check("007.5", "null", "7.5");
}

#[test]
fn exactly_one_value_is_expected() {
    check_failure("empty", "null", "the program gave no value, expected one");
    check_failure(
        ".[]",
        "[1,2]",
        "the program gave more than one value, expected one",
    );
    check_failure("1, error(\"late\")", "null", "late");
    check_failure(".a", "1", "cannot index 1 with \"a\"");
    check_failure(
        "\"[\" * 200 | fromjson",
        "null",
        "not JSON: arrays and objects nested too deep at line 1, column 129",
    );
}

#[test]
fn a_failure_quotes_no_more_than_a_little() {
    let long = format!("[\"{}\"]", "ä".repeat(10_000));
    let failure = run_within(".a", &long, Duration::MAX)
        .expect("nothing stops it")
        .expect_err("arrays have no names");
    assert!(failure.starts_with("cannot index [\"ää") && failure.len() <= 512);
}

#[test]
fn whatever_does_not_end_is_stopped_at_the_deadline() {
    check_stop("def f: f; f", Stop::Deadline);
    check_stop("def f: try error catch f; f", Stop::Recursion);
    check_stop("last(repeat(1))", Stop::Deadline);
    check_stop("reduce repeat(1) as $x (0; . + $x)", Stop::Deadline);
    check_stop("first(range(.n) | select(. < 0))", Stop::Deadline);
    check_stop("last(range(0; 1; 0))", Stop::Deadline);
    check_stop("[limit(.n; repeat(empty))]", Stop::Deadline);
    check_stop("until(false; .)", Stop::Deadline);
    check_stop(
        "label $out | def f: (if false then break $out else . end) | f; f",
        Stop::Deadline,
    );
}

#[test]
fn recursion_stops_before_the_stack_ends() {
    check_stop("def f: 1 + f; f", Stop::Recursion);
    check_stop("def f: [f]; f", Stop::Recursion);
    check_stop("def f: {a: f}; f", Stop::Recursion);
    check_stop("def f: f | .; f", Stop::Recursion);
    check_stop("def f: try error catch (f | f); f", Stop::Recursion);
    check_stop("path(def f: .a | f | .b; f)", Stop::Recursion);
    check_stop("def f: f; f |= 1", Stop::Recursion);
}

#[test]
fn values_stay_shallow() {
    check_stop("def f: [.] | f; f", Stop::ValueTooDeep);
    check_stop("reduce range(300) as $i (0; {a: .})", Stop::ValueTooDeep);
    check_stop(
        "reduce range(300) as $i ({}; .a = {a: .a})",
        Stop::ValueTooDeep,
    );
    check_stop(
        "try reduce range(300) as $i (0; [.]) catch 1",
        Stop::ValueTooDeep,
    );
    check(
        "reduce range(255) as $i ([]; [.]) | tojson | length",
        "null",
        "512",
    );
}

#[test]
fn values_that_only_look_deeper_are_left_alone() {
    check(
        "reduce range(10000) as $i (.; .a = [.b[0]]) | .a",
        r#"{"a":[],"b":[[1]]}"#,
        "[[1]]",
    );
    check(
        "reduce range(10000) as $i (.; .[0] |= . + 1)",
        "[0,[[[]]]]",
        "[10000,[[[]]]]",
    );
}

#[test]
fn values_stay_small() {
    check_stop("\"x\" * .n", Stop::ValueTooLarge);
    check_stop(
        "\"xxxxxxxxxx\" * 9007199254740993123456789",
        Stop::ValueTooLarge,
    );
    check_stop("def f: . + . | f; \"x\" | f", Stop::ValueTooLarge);
    check_stop("def f: . + . | f; [1] | f", Stop::ValueTooLarge);
    check_stop("def f: . * . | f; 3 | f", Stop::ValueTooLarge);
    check_stop("\"x\" * 10000000 | . / \"\" | length", Stop::ValueTooLarge);
    check_stop(
        "\"ab\" * 10000000 | split(\"b\") | length",
        Stop::ValueTooLarge,
    );
    check(
        "\"ab\" * 3 | [split(\"b\"), split(\"\")] | map(length)",
        "null",
        "[4,6]",
    );
}

#[test]
fn chains_of_closures_are_refused() {
    let message = "`f` takes a filter and calls itself last: define what repeats within it, without arguments";
    check_error("def f(g): f(g | . + 1); f(.)", 10, message);
    check_error("def f(g): g | if . then 1 else f(g) end; f(.)", 31, message);
    check_error("def f($x; g): 1, f($x; 2); f(1; .)", 17, message);
    check_error("def f(g): def h: f(g); h; f(.)", 17, message);
    check_error(
        "[.[] | {a: (def f(g): . as [$x] | f(g); f(.))}]",
        34,
        message,
    );
    check_error(". as {(def f(g): 1 // f(g); f(1)): $y} | 1", 22, message);
}

#[test]
fn other_recursion_is_left_alone() {
    check(
        "def f(g): def again: if . > 1000 then . else g | again end; again; f(. + 1)",
        "0",
        "1001",
    );
    check(
        "def f($x): if $x > 1000 then $x else f($x + 1) end; f(0)",
        "0",
        "1001",
    );
    check(
        "def w(f): if type == \"array\" then map(w(f)) else f end; w(. + 1)",
        "[1,[2]]",
        "[2,[3]]",
    );
    check_stop("def f($x): f($x + 1); f(1)", Stop::Deadline);
    check_stop(
        "def f(g): def again: g | again; again; 0 | f(. + 1)",
        Stop::Deadline,
    );
    check_stop("def f(g): 1 + f(g | . + 1); 0 | f(.)", Stop::Recursion);
    check_stop("def d: def h(g): g | d; h(. + 1); 0 | d", Stop::Deadline);
}

#[track_caller]
fn check_reads(source: &str, expected: bool) {
    assert_eq!(
        Program::compile(source).expect("a program").reads_input(),
        expected,
        "{source}"
    );
}

#[test]
fn what_cannot_reach_the_input_is_known() {
    check_reads("1", false);
    check_reads("\"a\\($request.method)\"", false);
    check_reads(
        "$request.method == \"POST\" and $request.query.a[0] != null",
        false,
    );
    check_reads("$request.headers[\"x\"] // \"none\"", false);
    check_reads("$request.params | .id | tonumber", false);
    check_reads("{a: $message.id, $request, b: [1, true]}", false);
    check_reads("if $request.path == \"/\" then 1 else -2 end", false);
}

#[test]
fn what_may_reach_the_input_is_taken_to_read_it() {
    check_reads(".", true);
    check_reads(".a", true);
    check_reads("..", true);
    check_reads("length", true);
    check_reads("{a}", true);
    check_reads("\"\\(.a)\"", true);
    check_reads("@json \"\\(1)\"", true);
    check_reads("$request[.a]", true);
    check_reads("if $request.path == \"/\" then 1 end", true);
    check_reads(". as $b | $request", true);
    check_reads("def f: .a; f", true);
    check_reads("def null: .; null", true);
    check_reads("reduce $request as $x (0; $x)", true);
}
