//! `store.encrypt`: keys of 32 bytes, checked and never shown.

use fanway_config::Encrypt;
use fanway_types::SecretKey;

use crate::scene::{config, error, errors, with_top};

const ONE: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const ANOTHER: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXpBQkNERUY=";

fn text(encrypt: &str) -> String {
    with_top(&format!("store: {{ encrypt: {encrypt} }}"))
}

fn encrypt(text: &str) -> Encrypt {
    config(&self::text(text)).store.encrypt
}

#[track_caller]
fn check(text: &str, seals: Option<&[u8; 32]>, opens: &[&[u8; 32]]) {
    let encrypt = encrypt(text);
    let exposed = encrypt.seals.as_ref().map(SecretKey::expose);
    assert_eq!(exposed, seals, "{text}");
    let exposed = encrypt.opens.iter().map(SecretKey::expose);
    assert_eq!(exposed.collect::<Vec<_>>(), opens, "{text}");
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let text = self::text(text);
    let shown = errors(&text);
    for part in ["hunter2", &ONE[..12]] {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(error(&text).contains(expected), "{}", error(&text));
}

#[test]
fn the_first_key_encrypts_and_the_others_decrypt() {
    let (one, another) = (
        b"01234567890123456789012345678901",
        b"abcdefghijklmnopqrstuvwxyzABCDEF",
    );
    check(ONE, Some(one), &[]);
    check(&format!("[{ANOTHER}, {ONE}]"), Some(another), &[one]);
    check(&format!("[off, {ONE}]"), None, &[one]);
    check("off", None, &[]);
    assert_eq!(config(&with_top("")).store.encrypt, Encrypt::default());
}

#[test]
fn a_key_may_come_from_anywhere_that_secrets_come_from() {
    check("'${KEY}'", Some(b"hunter2-encrypts-hunter2-encrypt"), &[]);
}

#[test]
fn what_is_no_key_is_refused_for_its_reason_and_not_shown() {
    check_refused("hunter2", "a text that is not shown: it is no base64");
    check_refused("aHVudGVyMg==", "it has 7 bytes");
    check_refused("''", "it has 0 bytes");
    let zeros = format!("{}A=", "A".repeat(42));
    check_refused(&zeros, "its bytes are all the same");
    check_refused("[]", "an empty list");
    check_refused(&format!("[{ONE}, {ONE}]"), "the same key is there twice");
    check_refused(&format!("[{ONE}, off]"), "\"off\" stands first");
    check_refused("'${MISSING}'", "MISSING");
}

#[test]
fn a_key_is_never_shown() {
    let debug = format!("{:?}", config(&text(ONE)));
    assert!(debug.contains("[secret]"), "{debug}");
    for shown in [ONE, "012345678901", "48, 49, 50"] {
        assert!(!debug.contains(shown), "{debug}");
    }
}
