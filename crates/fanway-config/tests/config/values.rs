//! What values become, and what is said about those that aren't what their key expects.

use std::time::Duration;

use fanway_config::{Bodies, Credentials, Http, Sync, Timeouts};
use fanway_policy::{breaker, retry};
use fanway_types::ByteCount;

use crate::scene::{config, error, with_target, with_top};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(error(text), format!("fanway.yaml:{expected}"), "{text}");
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = config(&with_target(""));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.admin.to_string(), "127.0.0.1:8081");
    assert_eq!(config.server.memory, ByteCount::mib(256));
    assert_eq!(config.server.max_body, ByteCount::mib(10));
    assert_eq!(config.server.threads, None);
    assert_eq!(
        (config.server.watch, config.server.followers.get()),
        (true, 1024)
    );
    assert_eq!(config.store.sync, Sync::Always);
    assert_eq!(config.store.segment, ByteCount::mib(64));
    assert_eq!(config.store.max, None);
    assert_eq!(config.store.keep.messages, Duration::from_secs(86_400));
    assert_eq!(config.store.keep.bodies, Bodies::Failures);
    let target = &config.targets["stock"];
    assert_eq!(target.retry, retry::Params::default());
    assert_eq!(target.breaker, breaker::Params::default());
    assert_eq!(target.http, Http::Auto);
    assert_eq!(target.concurrency.most().get(), 64);
    assert_eq!(target.rate, None);
    assert_eq!(target.credentials, None);
    assert!(config.warnings.is_empty());
}

#[test]
fn units_are_in_the_values() {
    check(
        &with_target("idle: 10"),
        "4:11: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found \"10\" [FW0105]",
    );
    check(
        &with_target("idle: 0s"),
        "4:11: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found \"0s\" [FW0105]",
    );
    check(
        &with_target("retry: { first: 1.5s }"),
        "4:21: expected a duration such as 250ms, 10s, 1h30m or 30d, found \"1.5s\" [FW0105]",
    );
    check(
        &with_top("server: { max_body: 1gb }"),
        "1:21: expected a size from 1B to 48MiB, such as 10MiB, found \"1gb\" [FW0105]",
    );
    check(
        &with_top("store: { segment: 10KiB }"),
        "1:19: expected a size from 1MiB to 1GiB, such as 10MiB, found \"10KiB\" [FW0105]",
    );
    check(
        &with_top("server: { memory: 10MiB }"),
        "1:19: expected a size of 16MiB or more, such as 32MiB, found \"10MiB\" [FW0105]",
    );
    check(
        &with_target("idle: 5000d"),
        "4:11: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found \"5000d\": the longest is 3650d [FW0105]",
    );
}

#[test]
fn numbers_and_words_stay_within_their_bounds() {
    check(
        &with_target("concurrency: 0"),
        "4:18: expected a whole number from 1 to 65535, or auto; or a mapping, found \"0\" [FW0105]",
    );
    check(
        &with_target("concurrency: +5"),
        "4:18: expected a whole number from 1 to 65535, or auto; or a mapping, found \"+5\" [FW0105]",
    );
    check(
        &with_target("retry: { factor: .inf }"),
        "4:22: expected a number from 1 to 100, found \".inf\" [FW0105]",
    );
    check(
        &with_target("breaker: { failure_ratio: 50 }"),
        "4:31: expected a number from 0.001 to 1, found \"50\" [FW0105]",
    );
    check(
        &with_target("http: 3"),
        "4:11: expected auto, 1 or 2, found \"3\" [FW0105]",
    );
    check(
        &with_target("retry: { on: always }"),
        "4:18: expected transient, knative, standard-webhooks, unanswered, or a status such as 409, a class such as 5xx, or a range such as 520-529; or a list of that, found \"always\" [FW0105]",
    );
    check(
        &with_target("idle:"),
        "4:9: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found nothing [FW0105]",
    );
    check(
        &with_target("idle: [1s]"),
        "4:11: expected a duration above 0 such as 250ms, 10s, 1h30m or 30d, found a list [FW0105]",
    );
    check(
        &with_top("version: 2"),
        "1:10: expected 1, found \"2\" [FW0105]",
    );
}

#[track_caller]
fn check_timeout(text: &str, connect: u64, first_byte: u64, whole: u64) {
    let millis = Duration::from_millis;
    let expected = Timeouts {
        connect: millis(connect),
        first_byte: millis(first_byte),
        whole: millis(whole),
    };
    assert_eq!(
        config(&with_target(text)).targets["stock"].timeouts,
        expected,
        "{text}"
    );
}

#[test]
fn a_timeout_is_a_whole_or_parts() {
    check_timeout("", 5_000, 10_000, 10_000);
    check_timeout("timeout: 2s", 2_000, 2_000, 2_000);
    check_timeout("timeout: { whole: 1m }", 5_000, 60_000, 60_000);
    check_timeout(
        "timeout: { connect: 1s, first_byte: 3s }",
        1_000,
        3_000,
        10_000,
    );
    check(
        &with_target("timeout: { connect: 11s }"),
        "4:25: \"connect\" is longer than the whole attempt [FW0108]",
    );
}

#[test]
fn credentials_that_are_the_same_for_all_requests_are_read() {
    let credentials = |text: &str| {
        config(&with_target(text)).targets["stock"]
            .credentials
            .clone()
    };
    let Some(Credentials::Bearer(token)) = credentials("credentials: { bearer: '${TOKEN}' }")
    else {
        panic!("no token")
    };
    assert_eq!(token.expose(), "hunter2-token");
    let basic = credentials("credentials: { basic: { user: me, password: '${PASSWORD}' } }");
    let Some(Credentials::Basic { user, password }) = basic else {
        panic!("no user")
    };
    assert_eq!(
        (user.expose(), password.expose()),
        ("me", "hunter2-password")
    );
    let header = credentials(
        "credentials: { header: { name: X-Api-Key, value: '${file:/run/secrets/key}' } }",
    );
    let Some(Credentials::Header { name, value }) = header else {
        panic!("no header")
    };
    assert_eq!(
        (name.as_str(), value.expose()),
        ("x-api-key", "hunter2-key")
    );
}

#[test]
fn other_credentials_are_refused() {
    check(
        &with_target("credentials: {}"),
        "4:18: expected one of bearer, basic, header, query, oauth2 and sigv4, found none [FW0108]",
    );
    check(
        &with_target("credentials: { bearer: a, basic: { user: b, password: c } }"),
        "4:18: expected one of bearer, basic, header, query, oauth2 and sigv4, found more [FW0108]",
    );
    check(
        &with_target("credentials: { basic: { user: b } }"),
        "4:27: missing key \"password\" [FW0104]",
    );
    check(
        &with_target("credentials: { basic: { user: 'a:b', password: c } }"),
        "4:35: a user has no colon in it (RFC 7617) [FW0105]",
    );
    check(
        &with_target("credentials: { header: { name: host, value: a } }"),
        "4:36: expected the name of a header, found \"host\": Fanway or HTTP itself sets that one [FW0105]",
    );
    check(
        &with_target("credentials: { bearer: é }"),
        "4:28: this has a character that can't stand in a header [FW0105]",
    );
}

#[test]
fn a_url_is_http_or_https() {
    let url = |url: &str| {
        format!(
            "targets:\n  stock: {{ url: \"{url}\" }}\nroutes:\n  orders: {{ match: POST /, send: [stock] }}\n"
        )
    };
    let expected = "2:17: expected a URL such as https://api.example/v1, found";
    check(
        &url("ftp://h/"),
        &format!("{expected} \"ftp://h/\": its scheme is neither http nor https [FW0105]"),
    );
    check(
        &url("h/stock"),
        &format!("{expected} \"h/stock\": that is no absolute URL [FW0105]"),
    );
    check(
        &url("http://h/?a=b"),
        &format!(
            "{expected} \"http://h/?a=b\": it has a query, which belongs under a step's `query` [FW0105]"
        ),
    );
    check(
        &url("http://a:b@h/"),
        &format!(
            "{expected} a text that is not shown: it has a user or password in it, which belong under `credentials` [FW0105]"
        ),
    );
    assert_eq!(
        config(&url("${HOOK}")).targets["stock"].url.as_str(),
        "https://hooks.example/hunter2-hook"
    );
}

#[test]
fn server_and_store_are_read_whole() {
    let text = "version: 1
server:
  listen: '[::]:80'
  admin: '[::1]:81'
  public_url: https://hooks.example
  memory: 1GiB
  max_body: 1MiB
  connections: '${LIMIT}'
  target_connections: 300
  header_timeout: 1s
  body_timeout: 2s
  max_headers: 50
  max_header_bytes: 16KiB
  drain: 0s
  threads: 2
  watch: false
  followers: 5
store:
  path: /data
  sync: interval
  interval: 50ms
  segment: 2MiB
  max: 10GiB
  keep: { messages: 1h, history: 2d, dead: 3d, bodies: all }";
    let config = config(&with_top(text));
    assert_eq!(config.server.connections.get(), 7);
    assert_eq!(config.server.target_connections.map(usize::from), Some(300));
    assert_eq!(
        config.server.public_url.expect("a URL").as_str(),
        "https://hooks.example"
    );
    assert_eq!(
        (config.server.drain, config.server.threads.map(usize::from)),
        (Duration::ZERO, Some(2))
    );
    assert_eq!(
        (config.server.watch, config.server.followers.get()),
        (false, 5)
    );
    assert_eq!(config.store.sync, Sync::Interval(Duration::from_millis(50)));
    assert_eq!(config.store.max, Some(ByteCount::mib(10 * 1024)));
    assert_eq!(config.store.keep.bodies, Bodies::All);
}
