//! The JSON Schema of a config (draft 2020-12), for editors.
//!
//! It says what the tables of keys say. What takes more than one key to see (names that fit,
//! expressions that compile) only `fanway check` can tell.

use serde_json::{Map, Value, json};

use crate::config::SECTION;
use crate::keys::{Default, Key, Kind, Section};

/// A value with a reference in it may stand wherever a scalar may.
const REFERENCE: &str = r"\$\{";

/// The JSON Schema of a config, indented.
#[must_use]
pub fn schema() -> String {
    let mut schema = Map::new();
    schema.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    schema.insert("title".to_owned(), json!("fanway.yaml"));
    schema.extend(section(&SECTION));
    schema.insert("anyOf".to_owned(), complete());
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has only text keys");
    text.push('\n');
    text
}

/// What has to be there: targets and routes, unless the file leaves them to others, or is one of
/// those and has nothing else.
fn complete() -> Value {
    json!([
        { "required": ["targets", "routes"] },
        { "required": ["include"] },
        { "required": ["targets"], "maxProperties": 1 },
        { "required": ["routes"], "maxProperties": 1 },
    ])
}

fn section(section: &Section) -> Map<String, Value> {
    let properties: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required = section
        .keys
        .iter()
        .filter(|key| matches!(key.default, Default::Required));
    let required: Vec<&str> = required.map(|key| key.name).collect();
    let mut object = Map::new();
    object.insert("description".to_owned(), json!(section.about));
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
    object
}

fn property(key: &Key) -> Value {
    let mut property = kind(&key.kind);
    property.insert("description".to_owned(), json!(key.about));
    if let Default::Is(text) = key.default {
        property.insert("default".to_owned(), default(text, &key.kind));
    }
    Value::Object(property)
}

/// The default as YAML would have it.
fn default(text: &str, kind: &Kind) -> Value {
    match kind {
        Kind::Flag | Kind::Count { .. } | Kind::Number { .. } => {
            serde_json::from_str(text).expect("defaults of numbers and flags are JSON")
        }
        Kind::CountOr { .. } => text
            .parse::<u32>()
            .map_or_else(|_| json!(text), |number| json!(number)),
        Kind::Either(short, _) => self::default(text, short),
        _ => json!(text),
    }
}

/// A status as a number, or statuses as a text; `words` are what else may stand there.
fn statuses(words: &str) -> Value {
    let pattern = format!("^[1-9]xx$|^[1-9][0-9]{{2}}(-[1-9][0-9]{{2}})?${words}|{REFERENCE}");
    json!({
        "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 999 },
            { "type": "string", "pattern": pattern },
        ],
    })
}

/// A text of this form, or a reference.
fn matching(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("{pattern}|{REFERENCE}") })
}

fn kind(kind: &Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Address
        | Kind::Url
        | Kind::Origin
        | Kind::PageOrigin
        | Kind::Path
        | Kind::Network
        | Kind::Match
        | Kind::Program
        | Kind::Template => json!({ "type": "string" }),
        Kind::Text
        | Kind::Secret
        | Kind::File
        | Kind::Source
        | Kind::Pem
        | Kind::HostName
        | Kind::PathTemplate
        | Kind::UrlPath
        | Kind::Header
        | Kind::SignedContent
        | Kind::SignatureValue => json!({ "type": "string", "minLength": 1 }),
        Kind::Name => matching("^[a-z][a-z0-9_]{0,63}$"),
        Kind::Method => matching(r"^[!#$%&'*+.^_`|~0-9A-Z-]+$"),
        Kind::ProxyUrl => matching("^(http|socks5h?)://[^/@]+:[0-9]+/?$"),
        Kind::EncryptionKey => matching("^[A-Za-z0-9+/]{43}=$|^off$"),
        Kind::SigningKey => matching("^(whsec|whsk)_[A-Za-z0-9+/]+=*$"),
        Kind::Duration(_) | Kind::DurationWithin { .. } => json!({
            "type": "string",
            "pattern": format!("^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$|{REFERENCE}"),
        }),
        Kind::Size { .. } => matching("^[0-9]+ *([GMK]iB|[GMk]?B)$"),
        Kind::Flag => or_reference(&json!({ "type": "boolean" })),
        Kind::Count { least, most } => {
            or_reference(&json!({ "type": "integer", "minimum": least, "maximum": most }))
        }
        Kind::CountOr { least, most, word } => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": format!("^{word}$|{REFERENCE}") },
        ] }),
        Kind::Rate => matching("^[0-9]+ */ *[smh]$"),
        Kind::Number { least, most } => {
            or_reference(&json!({ "type": "number", "minimum": least, "maximum": most }))
        }
        Kind::Choice(words) => or_reference(
            &json!({ "enum": words.iter().flat_map(|word| spellings(word)).collect::<Vec<_>>() }),
        ),
        Kind::Statuses => statuses(""),
        Kind::Worth => statuses("|^(transient|knative|standard-webhooks|unanswered)$"),
        Kind::Templates => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
        Kind::List(each) => json!({ "type": "array", "items": self::kind(each) }),
        Kind::OneOrMore(each) => json!({
            "anyOf": [self::kind(each), { "type": "array", "items": self::kind(each), "minItems": 1 }],
        }),
        Kind::Either(short, long) => json!({ "anyOf": [self::kind(short), section(long)] }),
        Kind::Section(of) => Value::Object(section(of)),
        Kind::Named(each) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z][a-z0-9_]{0,63}$" },
            "additionalProperties": section(each),
            "minProperties": 1,
        }),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// A word, and the number that YAML takes it for where it looks like one.
fn spellings(word: &str) -> Vec<Value> {
    let whole = word.parse::<u32>().ok().map(|number| json!(number));
    let number = whole.or_else(|| word.parse::<f64>().ok().map(|number| json!(number)));
    std::iter::once(json!(word)).chain(number).collect()
}

fn or_reference(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": REFERENCE }] })
}
