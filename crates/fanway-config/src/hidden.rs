//! What no excerpt may show: credentials that are written out in the file.

use std::collections::BTreeSet;

use crate::check::Check;
use crate::config::SECTION;
use crate::interpolation::only_references;
use crate::keys::Section;
use crate::yaml::{File, Node, Value};

/// Keys below which credentials stand, or might be thought to, beside those whose values the
/// tables say are secrets.
const KEYS: [&str; 12] = [
    "credentials",
    "basic",
    "header",
    "password",
    "token",
    "secret",
    "secret_id",
    "sign",
    "hmac",
    "oauth2",
    "sigv4",
    "authorization",
];

/// What a private key in PEM has in it (RFC 7468).
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Letters and digits in a row from which on they may be a part of a key.
const LONG: usize = 40;

/// How a secret begins, wherever it stands.
const BEGINNINGS: [&str; 2] = ["whsec_", "whsk_"];

/// The keys below which nothing is shown.
struct Keys(BTreeSet<&'static str>);

impl Keys {
    fn new() -> Self {
        let mut keys = BTreeSet::from(KEYS);
        add_secret(&SECTION, &mut keys);
        Self(keys)
    }

    fn have(&self, key: &str) -> bool {
        self.0.contains(key.to_ascii_lowercase().as_str())
    }
}

/// Adds the names of all keys of a section that have secrets, however deep.
fn add_secret(section: &Section, keys: &mut BTreeSet<&'static str>) {
    for key in section.keys {
        if key.kind.is_secret() {
            keys.insert(key.name);
        }
        if let Some((inner, _)) = key.kind.section() {
            add_secret(inner, keys);
        }
    }
}

/// That of a header, which is no secret.
const NAME: &str = "name";

/// Hides the values below such keys, except where all that they show is a reference.
pub(crate) fn hide_values(check: &Check<'_>, node: &Node) {
    hide_below(check, node, &Keys::new());
}

fn hide_below(check: &Check<'_>, node: &Node, keys: &Keys) {
    match &node.value {
        Value::Scalar(scalar) if scalar.text.contains(PRIVATE_KEY) => check.hide(node.span),
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| hide_below(check, item, keys)),
        Value::Mapping(entries) => {
            for entry in entries {
                if keys.have(&entry.key) {
                    hide_all(check, &entry.node);
                } else {
                    hide_below(check, &entry.node, keys);
                }
            }
        }
    }
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
    let keys = Keys::new();
    let is_secret = |word: &str| {
        keys.have(word)
            || BEGINNINGS
                .iter()
                .any(|beginning| word.starts_with(beginning))
    };
    check.hide_lines(file, |line| {
        let ends = |character: char| !character.is_ascii_alphanumeric() && character != '_';
        // A URL may have a password before its `@`.
        let may_be = |word: &str| is_secret(word) || word.len() >= LONG;
        line.split(ends).any(may_be) || line.contains('@')
    });
}
