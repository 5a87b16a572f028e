//! `sign`: secrets of Standard Webhooks, checked and never shown.

use fanway_config::Sign;

use crate::scene::{config, error, errors, with_target};

/// The secret of the specification's own example.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn sign(text: &str) -> Option<Sign> {
    let text = with_target(&format!("sign: {{ standard_webhooks: {text} }}"));
    config(&text).targets["stock"].sign.clone()
}

#[track_caller]
fn check(text: &str, expected: &[usize]) {
    let sign = sign(text).expect("it is signed");
    let lengths = sign.standard_webhooks.iter().map(|key| key.expose().len());
    assert_eq!(lengths.collect::<Vec<_>>(), expected, "{text}");
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let text = with_target(&format!("sign: {{ standard_webhooks: {text} }}"));
    let shown = errors(&text);
    assert!(!shown.contains("hunter2"), "{shown}");
    let expected = format!(
        "fanway.yaml:4:32: expected `whsec_` and the base64 of 24 to 64 bytes; or a list of that, found {expected} [FW0105]"
    );
    assert_eq!(error(&text), expected);
}

/// A secret of so many bytes, all zero; 3 of them at a time.
fn zeros(bytes: usize) -> String {
    format!("whsec_{}", "A".repeat(bytes / 3 * 4))
}

#[test]
fn a_secret_is_the_bytes_that_its_base64_stands_for() {
    let sign = sign(SECRET).expect("it is signed");
    let bytes = sign.standard_webhooks[0].expose();
    assert_eq!(
        (bytes.len(), &bytes[..4]),
        (24, &[0x31, 0xf2, 0x90, 0xf6][..])
    );
}

#[test]
fn one_secret_or_several_have_24_to_64_bytes() {
    check(SECRET, &[24]);
    check(&format!("[{SECRET}, {}]", zeros(63)), &[24, 63]);
    check(&format!("{}AA==", zeros(63)), &[64]);
    check(&format!("{}AA", zeros(63)), &[64]);
    check("'${SIGNING}'", &[31]);
}

#[test]
fn other_secrets_are_refused_for_their_reason() {
    let hidden = "a text that is not shown:";
    check_refused(
        "hunter2",
        &format!("{hidden} it doesn't begin with `whsec_`"),
    );
    check_refused(
        "whsk_hunter2",
        &format!("{hidden} it doesn't begin with `whsec_`"),
    );
    check_refused(
        "whsec_hunter2-hunter2-hunter2-hunter2",
        &format!("{hidden} what follows `whsec_` is no base64"),
    );
    check_refused("whsec_hunter2+", &format!("{hidden} it has 6 bytes"));
    check_refused(&zeros(21), &format!("{hidden} it has 21 bytes"));
    check_refused(&zeros(66), &format!("{hidden} it has 66 bytes"));
    check_refused("[]", "an empty list");
}

#[test]
fn a_secret_of_a_list_is_refused_at_its_place() {
    let text = with_target(&format!(
        "sign:\n  standard_webhooks:\n    - {SECRET}\n    - hunter2"
    ));
    assert_eq!(
        error(&text),
        "fanway.yaml:7:11: expected `whsec_` and the base64 of 24 to 64 bytes, found a text that is not shown: it doesn't begin with `whsec_` [FW0105]"
    );
    assert!(!errors(&text).contains("hunter2"), "{}", errors(&text));
}

#[test]
fn signing_says_by_what() {
    assert_eq!(
        error(&with_target("sign: {}")),
        "fanway.yaml:4:11: missing key \"standard_webhooks\" [FW0104]"
    );
    assert_eq!(
        error(&with_target(&format!("sign: {SECRET}"))),
        "fanway.yaml:4:11: expected a mapping, found a text that is not shown [FW0105]"
    );
    assert_eq!(config(&with_target("")).targets["stock"].sign, None);
}

#[test]
fn a_secret_is_never_shown() {
    let text = with_target(&format!(
        "sign: {{ standard_webhooks: ['${{SIGNING}}', {SECRET}] }}"
    ));
    let debug = format!("{:?}", config(&text));
    assert!(debug.contains("[secret]"), "{debug}");
    for shown in ["aHVudGVy", "MfKQ9r8G", "104, 117, 110"] {
        assert!(!debug.contains(shown), "{debug}");
    }
    // Elsewhere than where it belongs, and in what isn't YAML.
    for text in [
        with_target("standard_webhooks: whsec_hunter2"),
        with_target("sgin: { standard_webhooks: [whsec_hunter2] }"),
        with_target("sign:\n  standard_webhooks:\n    - whsec_hunter2: x: y"),
        with_target("sign:\n  standard_webhooks: hunter2: x"),
    ] {
        let shown = errors(&text);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn headers_of_a_signature_are_nobodys_credentials() {
    assert_eq!(
        error(&with_target(
            "credentials: { header: { name: Webhook-Signature, value: a } }"
        )),
        "fanway.yaml:4:36: expected the name of a header, found \"Webhook-Signature\": Fanway or HTTP itself sets that one [FW0105]"
    );
}
