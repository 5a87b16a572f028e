//! What no excerpt may show: credentials that are written out in the file.

use crate::check::Check;
use crate::interpolation::only_references;
use crate::yaml::{File, Node, Value};

/// Keys below which credentials may stand, or might be thought to.
const KEYS: [&str; 21] = [
    "credentials",
    "bearer",
    "basic",
    "header",
    "user",
    "password",
    "token",
    "secret",
    "sign",
    "standard_webhooks",
    "hmac",
    "authorization",
    "oauth2",
    "client_id",
    "client_secret",
    "sigv4",
    "access_key",
    "secret_key",
    "session_token",
    "value",
    "encrypt",
];

/// Words of a line that may have a secret in it: a key for signing, or one for AWS.
const BESIDE_SECRETS: [&str; 4] = ["webhooks", "whsec", "whsk", "access"];

/// What a private key in PEM has in it (RFC 7468).
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Letters and digits in a row from which on they may be a part of a key.
const LONG: usize = 40;

/// That of a header, which is no secret.
const NAME: &str = "name";

/// Hides the values below such keys, except where all that they show is a reference.
pub(crate) fn hide_values(check: &Check<'_>, node: &Node) {
    match &node.value {
        Value::Scalar(scalar) if scalar.text.contains(PRIVATE_KEY) => check.hide(node.span),
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| hide_values(check, item)),
        Value::Mapping(entries) => {
            for entry in entries {
                if is_secret(&entry.key) {
                    hide_all(check, &entry.node);
                } else {
                    hide_values(check, &entry.node);
                }
            }
        }
    }
}

fn is_secret(key: &str) -> bool {
    KEYS.contains(&key.to_ascii_lowercase().as_str())
}

fn hide_all(check: &Check<'_>, node: &Node) {
    match &node.value {
        Value::Scalar(scalar) if only_references(&scalar.text) => {}
        Value::Scalar(_) => check.hide(node.span),
        Value::Sequence(items) => items.iter().for_each(|item| hide_all(check, item)),
        Value::Mapping(entries) => {
            let values = entries.iter().filter(|entry| entry.key != NAME);
            values.for_each(|entry| hide_all(check, &entry.node));
        }
    }
}

/// Hides the lines that look as if they had credentials in them, for a file that is not YAML.
pub(crate) fn hide_lines(check: &Check<'_>, file: File) {
    check.hide_lines(file, |line| {
        let mut words = line.split(|character: char| !character.is_ascii_alphanumeric());
        // A URL may have a password before its `@`.
        let may_be =
            |word: &str| is_secret(word) || BESIDE_SECRETS.contains(&word) || word.len() >= LONG;
        words.any(may_be) || line.contains('@')
    });
}
