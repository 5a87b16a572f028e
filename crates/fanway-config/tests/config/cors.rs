//! `server.cors`: which web pages may send.

use std::time::Duration;

use fanway_config::{Cors, PageOrigins};

use crate::scene::{config, error, with_target};

fn with_cors(text: &str) -> String {
    format!("server: {{ cors: {text} }}\n{}", with_target(""))
}

#[track_caller]
fn check(text: &str, origins: &[&str], seconds: u64) {
    let origins = origins.iter().map(|text| text.parse().expect("an origin"));
    let expected = Cors {
        origins: PageOrigins::Listed(origins.collect()),
        max_age: Duration::from_secs(seconds),
    };
    let cors = config(&with_cors(text)).server.cors;
    assert_eq!(cors, Some(expected), "{text}");
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let text = with_cors(text);
    assert_eq!(error(&text), format!("fanway.yaml:1:{expected}"), "{text}");
}

#[test]
fn pages_of_one_origin_or_several_may_send() {
    check(
        "{ origins: https://shop.example }",
        &["https://shop.example"],
        7200,
    );
    check(
        "{ origins: ['https://*.shop.example', http://localhost:3000], max_age: 10m }",
        &["https://*.shop.example", "http://localhost:3000"],
        600,
    );
    assert_eq!(config(&with_target("")).server.cors, None);
}

#[test]
fn a_star_stands_for_pages_from_anywhere() {
    for text in ["'*'", "['*']", "[https://shop.example, '*']"] {
        let cors = config(&with_cors(&format!("{{ origins: {text} }}")))
            .server
            .cors;
        let origins = cors.map(|cors| cors.origins);
        assert_eq!(origins, Some(PageOrigins::Any), "{text}");
    }
}

#[test]
fn what_is_no_origin_is_refused() {
    let expected = "expected an origin such as https://shop.example, or *";
    check_refused(
        "{ origins: shop.example }",
        &format!(
            "28: {expected}; or a list of that, found \"shop.example\": it doesn't begin with http:// or https:// [FW0105]"
        ),
    );
    check_refused(
        "{ origins: [https://shop.example/] }",
        &format!(
            "29: {expected}, found \"https://shop.example/\": it has a path or a query, and an origin has none [FW0105]"
        ),
    );
    check_refused(
        "{ origins: [] }",
        &format!("28: {expected}; or a list of that, found an empty list [FW0105]"),
    );
    check_refused("{ max_age: 1h }", "17: missing key \"origins\" [FW0104]");
}

#[test]
fn a_preflight_is_kept_for_a_day_at_most() {
    check_refused(
        "{ origins: '*', max_age: 2d }",
        "42: expected a duration from 0s to 1d, such as 90s or 1h30m, found \"2d\" [FW0105]",
    );
}
