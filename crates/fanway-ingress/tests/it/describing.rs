//! The document that describes what senders can ask, held against what they are answered.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use fanway_ingress::OPENAPI;
use fanway_ingress::problem::Kind;
use fanway_store::lookup::{DeliveryView, Found};
use fanway_types::{DeliveryState, HeldBy, MessageState};
use serde_json::{Value, json};

use crate::gateway::{Gateway, request};
use crate::status::{id, message};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(OPENAPI).expect("JSON"));

/// A schema, by its name.
fn named(name: &str) -> &'static Value {
    &DOCUMENT["components"]["schemas"][name]
}

/// What a reference leads to.
fn resolved(schema: &'static Value) -> &'static Value {
    let Some(reference) = schema["$ref"].as_str() else {
        return schema;
    };
    let path = reference.strip_prefix('#').expect("a reference within");
    DOCUMENT.pointer(path).expect(reference)
}

/// All operations: path, method and description.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("an item").iter();
        methods
            .filter(|(key, _)| *key != "parameters")
            .map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Whether a value is what a schema says, as far as the document goes. What isn't described isn't
/// there.
#[track_caller]
fn check_fits(schema: &'static Value, value: &Value) {
    let schema = resolved(schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| {
            let is_null = choice["type"] == "null";
            is_null == value.is_null()
        });
        return check_fits(choice.expect("one that fits"), value);
    }
    check_type(&schema["type"], value);
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{value} is none of {words:?}");
    }
    for item in value.as_array().into_iter().flatten() {
        check_fits(&schema["items"], item);
    }
    let Some(object) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        assert!(object.contains_key(name), "{name} is missing: {value}");
    }
    for (name, value) in object {
        let property = schema["properties"].get(name);
        check_fits(property.unwrap_or_else(|| panic!("{name}")), value);
    }
}

#[track_caller]
fn check_type(described: &Value, value: &Value) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = described
        .as_array()
        .map_or_else(|| vec![described.clone()], |several| several.to_vec());
    assert!(kinds.contains(&json!(kind)), "{value} is no {described}");
}

/// An answer's status and its body, which has to be what is described for the operation.
#[track_caller]
fn check_answer(operation_id: &str, answer: &str) -> Value {
    let (head, body) = answer.split_once("\n\n").expect("a body");
    let status = head.split(' ').nth(1).expect("a status");
    let (.., operation) = operations()
        .find(|(.., operation)| operation["operationId"] == operation_id)
        .expect(operation_id);
    let response = &operation["responses"][status];
    assert!(response.is_object(), "{operation_id}: {answer}");
    let lines = head.lines();
    let mut kind = lines.filter_map(|line| line.strip_prefix("content-type: "));
    let content = &response["content"][kind.next_back().expect("a type")];
    let value = serde_json::from_str(body).expect("JSON");
    check_fits(&content["schema"], &value);
    if let Some(code) = value["type"].as_str() {
        let code = code.strip_prefix("/fanway/problems/").expect("a page");
        let described = response["description"].as_str().expect("words");
        assert!(described.contains(&format!("`{code}`")), "{code}");
    }
    value
}

#[track_caller]
fn check_words(name: &str, words: impl IntoIterator<Item = &'static str>) {
    let described: Vec<_> = named(name)["enum"].as_array().expect("words").clone();
    let words: Vec<_> = words.into_iter().map(Value::from).collect();
    assert_eq!(described, words, "{name}");
}

#[test]
fn its_words_are_all_that_there_are() {
    check_words("ProblemCode", Kind::ALL.iter().map(|kind| kind.code()));
    let states = MessageState::ALL.map(MessageState::as_str);
    check_words("MessageState", states);
    check_words("AcceptedState", states.into_iter().chain(["expired"]));
    check_words(
        "DeliveryState",
        DeliveryState::ALL.map(DeliveryState::as_str),
    );
    check_words("HeldBy", HeldBy::ALL.map(HeldBy::as_str));
}

#[test]
fn every_refusal_is_named_where_its_status_is_described() {
    let mut unnamed: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    for (path, method, operation) in operations() {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let described = response["description"].as_str().expect("words");
            for kind in Kind::ALL {
                if described.contains(&format!("`{}`", kind.code())) {
                    unnamed.remove(kind.code());
                    let actual = kind.status().as_u16().to_string();
                    assert_eq!(*status, actual, "{method} {path}: {}", kind.code());
                }
            }
        }
    }
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_refuses_with_a_problem() {
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations() {
        assert!(names.insert(operation["operationId"].as_str().expect("a name")));
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.'), "{method} {path}");
        for (status, response) in operation["responses"].as_object().expect("responses") {
            if !status.starts_with('2') {
                let schema = &response["content"]["application/problem+json"]["schema"];
                assert_eq!(resolved(schema), named("Problem"), "{method} {path}");
            }
        }
    }
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
}

fn references(value: &'static Value, found: &mut Vec<&'static Value>) {
    if value.get("$ref").is_some() {
        found.push(value);
    }
    let items = value.as_array().into_iter().flatten();
    let members = value.as_object().into_iter().flat_map(|map| map.values());
    items
        .chain(members)
        .for_each(|each| references(each, found));
}

#[test]
fn every_reference_leads_somewhere() {
    let mut found = Vec::new();
    references(&DOCUMENT, &mut found);
    assert!(found.len() > 20, "{}", found.len());
    for reference in found {
        assert!(resolved(reference).is_object(), "{reference}");
    }
}

#[tokio::test]
async fn it_is_served_as_it_is() {
    let gateway = Gateway::start().await;
    let asked = request("GET /fanway/openapi.json", &[], "");
    let answer = gateway.exchange(asked).await;
    let (head, body) = answer.split_once("\n\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\ncontent-type: application/json\n"));
    assert_eq!(body, OPENAPI);
}

#[tokio::test]
async fn its_paths_take_the_methods_that_it_says_and_no_others() {
    let gateway = Gateway::start().await;
    let paths: BTreeSet<_> = operations().map(|(path, ..)| path).collect();
    for path in paths
        .into_iter()
        .filter(|path| path.starts_with("/fanway/"))
    {
        let concrete = path.replace("{id}", &id().to_string());
        let concrete = concrete.replace("{code}", "store_full");
        let asked = request(&format!("PATCH {concrete}"), &[], "");
        let answer = gateway.exchange(asked).await;
        let mut lines = answer.lines();
        let taken = lines.find_map(|line| line.strip_prefix("allow: "));
        let taken: BTreeSet<_> = taken.expect(path).split(", ").collect();
        let described = operations().filter(|(of, ..)| *of == path);
        let described: BTreeSet<_> = described
            .map(|(_, method, _)| method.to_uppercase())
            .collect();
        let taken: BTreeSet<_> = taken
            .into_iter()
            .filter(|method| *method != "HEAD")
            .map(str::to_owned)
            .collect();
        assert_eq!(taken, described, "{path}");
    }
}

#[tokio::test]
async fn a_202_is_what_it_says() {
    let gateway = Gateway::start().await;
    let answer = gateway.exchange(request("POST /orders", &[], "{}")).await;
    let accepted = check_answer("send", &answer);
    assert_eq!(accepted["state"], "pending");
}

#[tokio::test]
async fn a_message_is_what_it_says() {
    let gateway = Gateway::start_with(|params| {
        params.table.held = Arc::new(|_| Some(HeldBy::Breaker));
    })
    .await;
    let ask = request(&format!("GET /fanway/messages/{}", id()), &[], "");
    for state in [MessageState::Pending, MessageState::Failed] {
        let mut view = message(state);
        let fallback = DeliveryView {
            fallback_of: Some("stock".parse().expect("a name")),
            ..view.deliveries[0].clone()
        };
        view.deliveries.push(fallback);
        gateway.store.show(id(), Found::Message(view));
        let shown = check_answer("status", &gateway.exchange(&ask).await);
        assert_eq!(shown["state"], state.as_str());
        assert_eq!(shown["deliveries"][3]["fallback_of"], "stock");
    }
}

#[tokio::test]
async fn refusals_are_what_it_says() {
    let gateway = Gateway::start().await;
    let message = format!("/fanway/messages/{}", id());
    for (operation, start, body) in [
        ("send", "POST /json".to_owned(), "{"),
        ("send", "POST /nothing".to_owned(), ""),
        ("send", "DELETE /orders".to_owned(), ""),
        ("status", format!("GET {message}"), ""),
        ("status", format!("GET {message}?wait=long"), ""),
        ("cancel", format!("DELETE {message}"), ""),
        ("events", format!("GET {message}/events"), ""),
        ("problem", "GET /fanway/problems/none".to_owned(), ""),
    ] {
        let answer = gateway.exchange(request(&start, &[], body)).await;
        let problem = check_answer(operation, &answer);
        assert!(problem["status"].as_u64() >= Some(400), "{start}");
    }
}
