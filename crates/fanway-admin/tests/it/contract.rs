//! Holds what is asked and answered against the document that describes it.
//!
//! As much of JSON Schema as the document uses; whatever else it uses is refused here, so that
//! nothing passes unseen. Objects may have described properties only.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::served::Answer;

/// The document. It never changes.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&fanway_admin::openapi()).expect("JSON"));

/// What any request can be refused with, whatever it asks.
const GENERAL: [&str; 7] = [
    "path_unknown",
    "method_not_allowed",
    "host_foreign",
    "origin_foreign",
    "request_malformed",
    "store_full",
    "store_closed",
];

/// Checks one exchange.
#[track_caller]
pub(crate) fn check(method: &str, path: &str, asked: &str, answer: &Answer) {
    let status = answer.status.as_u16().to_string();
    let Some(operation) = operation(method, path) else {
        let is_refused = [404, 405, 421].contains(&answer.status.as_u16());
        assert!(is_refused, "{method} {path} isn't described");
        return;
    };
    let responses = &operation["responses"];
    let response = responses.get(&status).unwrap_or(&responses["default"]);
    let kind = answer.header("content-type").unwrap_or_default();
    match response.get("content") {
        None => assert_eq!(answer.text, "", "{method} {path}: {status} has no body"),
        Some(content) if kind == "application/json" || kind.ends_with("problem+json") => {
            let schema = &content[kind]["schema"];
            let value = serde_json::from_str(&answer.text).expect("JSON");
            conform(schema, &value, &format!("{method} {path} {status}"));
        }
        Some(content) => assert!(
            content
                .as_object()
                .expect("a map")
                .keys()
                .any(|known| kind.starts_with(known))
        ),
    }
    if kind.ends_with("problem+json") {
        check_code(responses.get(&status), &answer.text);
    }
    if answer.status.is_success() && !asked.is_empty() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let value = serde_json::from_str(asked).expect("JSON");
        conform(schema, &value, &format!("{method} {path}"));
    }
}

/// A refusal's code is named where its status is described.
#[track_caller]
fn check_code(response: Option<&Value>, problem: &str) {
    let problem: Value = serde_json::from_str(problem).expect("JSON");
    let code = problem["type"].as_str().expect("a type");
    let code = code.strip_prefix("/problems/").expect("a page");
    let named = response.and_then(|response| response["description"].as_str());
    let is_named = named.is_some_and(|named| named.contains(&format!("`{code}`")));
    assert!(
        is_named || GENERAL.contains(&code),
        "{code} isn't described"
    );
}

/// Checks an event.
#[track_caller]
pub(crate) fn check_event(name: &str, data: &Value) {
    let schema = if name == "missed" {
        "Missed"
    } else {
        "EventData"
    };
    conform(&DOCUMENT["components"]["schemas"][schema], data, name);
}

/// The operation that is described for a path.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let is_of = |template: &str| {
        let (mut wanted, mut given) = (template.split('/'), path.split('/'));
        let same = wanted.by_ref().zip(given.by_ref());
        let same = same.filter(|(wanted, given)| wanted.starts_with('{') || wanted == given);
        let segments = path.split('/').count();
        same.count() == segments && template.split('/').count() == segments
    };
    let item = paths.iter().find(|(template, _)| is_of(template));
    item?.1.get(method)
}

#[track_caller]
fn conform(schema: &Value, value: &Value, place: &str) {
    if let Err(why) = fits(schema, value) {
        panic!("{place}: {why}\n{value:#}");
    }
    if let Err(why) = is_closed(schema, value) {
        panic!("{place}: {why}\n{value:#}");
    }
}

/// The schema that a reference leads to.
pub(crate) fn resolved(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        None => schema,
        Some(reference) => {
            let path = reference.strip_prefix('#').expect("a reference within");
            resolved(
                DOCUMENT
                    .pointer(path)
                    .unwrap_or_else(|| panic!("{reference} leads nowhere")),
            )
        }
    }
}

/// Whether a value is what a schema says.
fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    if schema.get("$ref").is_some() {
        return fits(resolved(schema), value);
    }
    let each = schema.as_object().ok_or("no schema")?;
    for (keyword, expected) in each {
        let holds = match keyword.as_str() {
            "type" => is_type(expected, value),
            "enum" => expected
                .as_array()
                .is_some_and(|words| words.contains(value)),
            "required" => has_required(expected, value)?,
            "properties" => properties(expected, value)?,
            "items" => items(expected, value)?,
            "prefixItems" => prefix(expected, value)?,
            "oneOf" => {
                list(expected)
                    .filter(|schema| fits(schema, value).is_ok())
                    .count()
                    == 1
            }
            "allOf" => list(expected)
                .try_for_each(|schema| fits(schema, value))
                .map(|()| true)?,
            "minimum" => value
                .as_f64()
                .is_none_or(|value| value >= expected.as_f64().expect("a number")),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.len() as u64 >= expected.as_u64().expect("a number")),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.len() as u64 <= expected.as_u64().expect("a number")),
            "format"
            | "pattern"
            | "description"
            | "example"
            | "examples"
            | "default"
            | "additionalProperties"
            | "title" => true,
            other => return Err(format!("the check doesn't know `{other}`")),
        };
        if !holds {
            return Err(format!("{value} isn't as `{keyword}` says: {expected}"));
        }
    }
    Ok(())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn is_type(expected: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    };
    match expected {
        Value::String(name) => is(name),
        names => list(names).any(|name| is(name.as_str().expect("a name"))),
    }
}

fn has_required(expected: &Value, value: &Value) -> Result<bool, String> {
    let Some(object) = value.as_object() else {
        return Ok(true);
    };
    let missing = list(expected).find(|name| !object.contains_key(name.as_str().expect("a name")));
    missing.map_or(Ok(true), |name| Err(format!("{name} is missing")))
}

fn properties(expected: &Value, value: &Value) -> Result<bool, String> {
    let empty = Map::new();
    let object = value.as_object().unwrap_or(&empty);
    for (name, schema) in expected.as_object().expect("properties") {
        if let Some(value) = object.get(name) {
            fits(schema, value).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(true)
}

fn items(expected: &Value, value: &Value) -> Result<bool, String> {
    let Some(values) = value.as_array() else {
        return Ok(true);
    };
    if expected == &Value::Bool(false) {
        return Ok(true);
    }
    values.iter().try_for_each(|value| fits(expected, value))?;
    Ok(true)
}

fn prefix(expected: &Value, value: &Value) -> Result<bool, String> {
    let values = value.as_array().ok_or("not a list")?;
    let pairs = list(expected).zip(values);
    pairs
        .map(|(schema, value)| fits(schema, value))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(list(expected).count() == values.len())
}

/// Whether objects have described properties only, where any are described.
fn is_closed(schema: &Value, value: &Value) -> Result<(), String> {
    let parts = ["properties", "oneOf", "allOf", "items"];
    if !parts
        .iter()
        .any(|part| resolved(schema).get(part).is_some())
    {
        return Ok(());
    }
    match value {
        Value::Array(values) => {
            let items = &resolved(schema)["items"];
            let items = Some(items).filter(|items| items.is_object());
            items.map_or(Ok(()), |items| {
                values.iter().try_for_each(|value| is_closed(items, value))
            })
        }
        Value::Object(object) => {
            let described = described(schema, value);
            for (name, value) in object {
                let schemas: Vec<_> = described
                    .iter()
                    .filter(|(known, _)| *known == name)
                    .collect();
                if schemas.is_empty() {
                    return Err(format!("`{name}` isn't described"));
                }
                schemas
                    .iter()
                    .try_for_each(|(_, schema)| is_closed(schema, value))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The properties that a schema describes of a value.
fn described<'a>(schema: &'a Value, value: &Value) -> Vec<(&'a String, &'a Value)> {
    let schema = resolved(schema);
    let own = schema["properties"].as_object().into_iter().flatten();
    let parts = |keyword: &str| schema[keyword].as_array().into_iter().flatten();
    let fitting = parts("oneOf").filter(|part| fits(part, value).is_ok());
    let nested = parts("allOf")
        .chain(fitting)
        .flat_map(|part| described(part, value));
    own.chain(nested).collect()
}

/// All values within the document that are under this key.
pub(crate) fn all_under(key: &str) -> Vec<&'static Value> {
    fn gather<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get(key));
                object.values().for_each(|value| gather(value, key, found));
            }
            Value::Array(values) => values.iter().for_each(|value| gather(value, key, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    gather(&DOCUMENT, key, &mut found);
    found
}

/// The codes that descriptions of answers name.
pub(crate) fn named_codes() -> BTreeSet<&'static str> {
    let responses = all_under("responses")
        .into_iter()
        .filter_map(Value::as_object);
    let refusals = responses
        .flatten()
        .filter(|(status, _)| status.starts_with(['4', '5']));
    let described = refusals.filter_map(|(_, response)| response["description"].as_str());
    let words = described.flat_map(|text| text.split('`').skip(1).step_by(2));
    words.filter(|word| word.contains('_')).collect()
}
