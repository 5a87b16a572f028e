//! `credentials` that are made for each request or got from a server.

use std::time::Duration;

use fanway_config::{ClientAuth, Credentials};

use crate::scene::{config, error, errors, with_target};

fn credentials(text: &str) -> Credentials {
    let text = with_target(&format!("credentials: {{ {text} }}"));
    let credentials = config(&text).targets["stock"].credentials.clone();
    credentials.expect("there are some")
}

/// What is said of credentials on lines of their own, the first of which is the fifth.
#[track_caller]
fn check(lines: &str, expected: &str) {
    let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    let text = with_target(&format!("credentials:\n{lines}"));
    assert!(!errors(&text).contains("hunter2"), "{}", errors(&text));
    assert_eq!(error(&text), format!("fanway.yaml:{expected}"));
}

#[test]
fn a_parameter_has_a_name_and_a_value() {
    let Credentials::Query { name, value } =
        credentials("query: { name: api_key, value: '${TOKEN}' }")
    else {
        panic!("no parameter")
    };
    assert_eq!((&*name, value.expose()), ("api_key", "hunter2-token"));
    check(
        "query: { value: hunter2 }",
        "5:14: missing key \"name\" [FW0104]",
    );
}

const CLIENT: &str =
    "token_url: https://auth.example/token, client_id: me, client_secret: '${PASSWORD}'";

/// The scope that is asked for.
#[track_caller]
fn check_scope(text: &str, expected: Option<&str>) {
    let Credentials::OAuth2(oauth2) = credentials(&format!("oauth2: {{ {CLIENT}{text} }}")) else {
        panic!("no tokens")
    };
    assert_eq!(oauth2.scope.as_deref(), expected, "{text}");
}

#[test]
fn tokens_are_got_by_a_client() {
    let Credentials::OAuth2(oauth2) = credentials(&format!("oauth2: {{ {CLIENT} }}")) else {
        panic!("no tokens")
    };
    assert_eq!(oauth2.token_url.as_str(), "https://auth.example/token");
    assert_eq!(oauth2.client_id.expose(), "me");
    assert_eq!(oauth2.client_secret.expose(), "hunter2-password");
    assert_eq!(oauth2.audience, None);
    assert_eq!(oauth2.auth, ClientAuth::Basic);
    assert_eq!(oauth2.ahead, Duration::from_secs(60));
    let more = ", audience: 'https://api.example/', auth: body, ahead: 0s";
    let Credentials::OAuth2(oauth2) = credentials(&format!("oauth2: {{ {CLIENT}{more} }}")) else {
        panic!("no tokens")
    };
    assert_eq!(oauth2.audience.as_deref(), Some("https://api.example/"));
    assert_eq!(
        (oauth2.auth, oauth2.ahead),
        (ClientAuth::Body, Duration::ZERO)
    );
    check_scope("", None);
    check_scope(", scope: a", Some("a"));
    check_scope(", scope: 'a b:c'", Some("a b:c"));
    check_scope(", scope: [a, 'https://b/c']", Some("a https://b/c"));
}

#[test]
fn what_gets_no_tokens_is_refused() {
    check(
        "oauth2:\n  token_url: https://auth.example/token\n  client_id: hunter2",
        "6:9: missing key \"client_secret\" [FW0104]",
    );
    let client = "oauth2:\n  token_url: https://a/\n  client_id: hunter2\n  client_secret: hunter2";
    let refused = |more: &str, expected: &str| check(&format!("{client}\n  {more}"), expected);
    refused(
        "scope: 'a\"b'",
        "9:16: expected a text; or a list of that, found a text that is not shown: that is no scope [FW0105]",
    );
    refused(
        "auth: jwt",
        "9:15: expected basic or body, found a text that is not shown [FW0105]",
    );
    refused("scopes: [hunter2]", "9:9: unknown key \"scopes\" [FW0103]");
}

#[test]
fn aws_requests_are_signed_with_a_key_for_a_region_and_a_service() {
    let keys = "access_key: AKIDEXAMPLE, secret_key: '${PASSWORD}', session_token: '${TOKEN}'";
    let text = format!("sigv4: {{ {keys}, region: eu-west-1, service: execute-api }}");
    let Credentials::SigV4(sigv4) = credentials(&text) else {
        panic!("no signature")
    };
    assert_eq!(sigv4.access_key.expose(), "AKIDEXAMPLE");
    assert_eq!(sigv4.secret_key.expose(), "hunter2-password");
    let token = sigv4.session_token.as_ref().expect("there is one");
    assert_eq!(token.expose(), "hunter2-token");
    assert_eq!(
        (&*sigv4.region, &*sigv4.service),
        ("eu-west-1", "execute-api")
    );
}

#[test]
fn what_cant_stand_in_a_signature_is_refused() {
    let sigv4 = |access_key: &str, token: &str, region: &str| {
        format!(
            "sigv4:\n  access_key: {access_key}\n  secret_key: hunter2\n  session_token: {token}\n  region: {region}\n  service: s3"
        )
    };
    let unfit = "this has a character that can't stand in a signature's header [FW0105]";
    check(&sigv4("hunter2, x", "t", "r"), &format!("6:21: {unfit}"));
    check(
        &sigv4("a", "hunter2 \u{e4}", "r"),
        &format!("8:24: {unfit}"),
    );
    check(
        &sigv4("a", "t", "eu/west"),
        "9:17: expected a text, found a text that is not shown: it has only letters, digits, `-`, `_` and `.` [FW0105]",
    );
}

#[test]
fn nothing_of_it_is_shown_wherever_it_stands() {
    for text in [
        "oauth2: { client_secret: hunter2 }",
        "sigv4: { secret_key: hunter2, access_key: hunter2 }",
        "credentials: { oauth: { client_secret: hunter2, client_id: hunter2 } }",
        "query: { name: a, value: hunter2 }",
        "client_secret: hunter2",
        "secret_key: hunter2",
        "session_token: hunter2",
        "credentials:\n  sigv4:\n    access_key: hunter2: x",
        "credentials:\n  query:\n    value: hunter2: x",
    ] {
        let shown = errors(&with_target(text));
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
    }
    let debug = format!(
        "{:?}",
        credentials(&format!("oauth2: {{ {CLIENT} }}").replace("me,", "hunter2,"))
    );
    assert!(
        debug.contains("[secret]") && !debug.contains("hunter2"),
        "{debug}"
    );
}
