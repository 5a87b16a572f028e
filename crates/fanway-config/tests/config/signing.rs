//! `sign`: secrets of Standard Webhooks, checked and never shown.

use fanway_config::{Hmac, HmacAlgorithm, HmacEncoding, Sign, SigningScheme};
use fanway_types::{Secret, SigningField, SigningTemplate};

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
        "fanway.yaml:4:32: expected `whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and that of an Ed25519 key; or a list of that, found {expected} [FW0105]"
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
fn an_asymmetric_key_is_a_seed_with_or_without_its_public_key() {
    // The first test of RFC 8032, section 7.1.
    let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let pair =
        "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    let sign = sign(&format!("[whsk_{seed}, {SECRET}, whsk_{pair}]")).expect("it is signed");
    let keys = sign.standard_webhooks.iter();
    let keys: Vec<_> = keys.map(|key| (key.scheme(), key.expose().len())).collect();
    let expected = [
        (SigningScheme::V1a, 32),
        (SigningScheme::V1, 24),
        (SigningScheme::V1a, 64),
    ];
    assert_eq!(keys, expected);
}

fn hmac(text: &str) -> Hmac {
    let text = with_target(&format!("sign: {{ hmac: {text} }}"));
    let sign = config(&text).targets["stock"].sign.clone();
    let sign = sign.expect("it is signed");
    assert_eq!(sign.standard_webhooks, []);
    sign.hmac.expect("by an HMAC")
}

#[test]
fn an_hmac_has_defaults_but_for_its_secret() {
    let hmac = hmac("{ secret: '${TOKEN}' }");
    let secrets: Vec<_> = hmac.secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["hunter2-token"]);
    assert_eq!(hmac.algorithm, HmacAlgorithm::Sha256);
    assert_eq!(hmac.encoding, HmacEncoding::Hex);
    assert_eq!(hmac.header, "x-signature");
    assert_eq!(Ok(hmac.value), SigningTemplate::value("{signature}"));
    assert_eq!(Ok(hmac.content), SigningTemplate::content("{body}"));
    assert_eq!(hmac.timestamp_header, None);
}

#[test]
fn an_hmac_is_as_the_target_has_it() {
    let hmac = hmac(
        "{ secret: [a, b], algorithm: sha1, encoding: base64, header: X-Sig, timestamp_header: x-time, \
         value: 't={timestamp}[,v1={signature}]', content: '{timestamp}.{body}' }",
    );
    assert_eq!(hmac.secrets.len(), 2);
    assert_eq!(hmac.algorithm, HmacAlgorithm::Sha1);
    assert_eq!(hmac.encoding, HmacEncoding::Base64);
    assert_eq!(hmac.header, "x-sig");
    assert_eq!(hmac.timestamp_header.expect("there is one"), "x-time");
    assert_eq!(hmac.value.repeated(), Some(2..4));
    assert!(hmac.content.has(SigningField::Timestamp));
}

#[track_caller]
fn check_hmac_refused(more: &str, expected: &str) {
    let text = with_target(&format!("sign:\n  hmac:\n    secret: hunter2\n    {more}"));
    assert!(!errors(&text).contains("hunter2"), "{}", errors(&text));
    assert_eq!(error(&text), format!("fanway.yaml:7:{expected}"));
}

#[test]
fn an_hmac_that_cant_be_is_refused_for_its_reason() {
    check_hmac_refused(
        "value: 'sha256={sig}'",
        "16: expected a header's value, such as sha256={signature}, found a text that is not shown: there is no placeholder {sig}; there are {signature}, {timestamp}, {id} [FW0105]",
    );
    check_hmac_refused(
        "content: abc",
        "18: expected what is signed, such as {timestamp}.{body}, found a text that is not shown: it has no placeholder: what is signed would be the same for all requests [FW0105]",
    );
    check_hmac_refused(
        "algorithm: md5",
        "20: expected sha256, sha512 or sha1, found a text that is not shown [FW0105]",
    );
    check_hmac_refused(
        "timestamp_header: X-Signature",
        "27: that is the signature's header [FW0108]",
    );
    check_hmac_refused(
        "header: host",
        "17: expected the name of a header, found a text that is not shown: Fanway or HTTP itself sets that one [FW0105]",
    );
    assert_eq!(
        error(&with_target("sign: { hmac: { header: x-sig } }")),
        "fanway.yaml:4:19: missing key \"secret\" [FW0104]"
    );
}

#[test]
fn other_secrets_are_refused_for_their_reason() {
    let hidden = "a text that is not shown:";
    check_refused(
        "hunter2",
        &format!("{hidden} it begins with neither `whsec_` nor `whsk_`"),
    );
    check_refused(
        "whsk_hunter2",
        &format!("{hidden} what follows `whsk_` is no base64"),
    );
    check_refused(
        "whsk_hunter2+",
        &format!("{hidden} it has neither 32 nor 64 bytes"),
    );
    check_refused(
        &zeros(63).replace("whsec_", "whsk_"),
        &format!("{hidden} it has neither 32 nor 64 bytes"),
    );
    check_refused(
        &format!("{}AA==", zeros(63)).replace("whsec_", "whsk_"),
        &format!("{hidden} its public key doesn't belong to its seed"),
    );
    check_refused(
        "whpk_hunter2",
        &format!("{hidden} that is a public key: it signs nothing"),
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
        "fanway.yaml:7:11: expected `whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and that of an Ed25519 key, found a text that is not shown: it begins with neither `whsec_` nor `whsk_` [FW0105]"
    );
    assert!(!errors(&text).contains("hunter2"), "{}", errors(&text));
}

#[test]
fn signing_says_by_what() {
    assert_eq!(
        error(&with_target("sign: {}")),
        "fanway.yaml:4:11: expected standard_webhooks, hmac, or both, found neither [FW0108]"
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
        with_target("sign: { hmac: { secret: hunter2, x: 1 } }"),
        with_target("hmac: { secret: hunter2 }"),
        with_target("sign:\n  standard_webhooks:\n    - whsk_hunter2: x: y"),
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
