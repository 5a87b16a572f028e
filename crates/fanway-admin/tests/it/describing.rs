//! The document that describes the API.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::contract::{DOCUMENT, all_under, named_codes, resolved};
use crate::served::Served;

/// Where the document is kept, for people and for programs that are made of it.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/openapi.json");

#[test]
fn the_document_is_the_one_that_is_kept() {
    let document = fanway_admin::openapi();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(KEPT, &document).expect("it can be written");
    }
    let kept = std::fs::read_to_string(Path::new(KEPT)).unwrap_or_default();
    assert!(
        kept == document,
        "UPDATE=1 cargo test -p fanway-admin writes it anew"
    );
}

#[tokio::test]
async fn it_is_served_as_it_is() {
    let served = Served::start().await;
    let answer = served.get("/openapi.json").await;
    assert_eq!(answer.text, fanway_admin::openapi());
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn it_is_openapi_3_1() {
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    assert!(DOCUMENT["info"]["title"].is_string() && DOCUMENT["info"]["version"].is_string());
    for reference in all_under("$ref") {
        let reference = serde_json::json!({"$ref": reference});
        assert!(resolved(&reference).is_object(), "{reference}");
    }
}

/// All operations, by path and method.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("an item").iter();
        item.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[test]
fn every_operation_has_a_name_of_its_own_and_a_summary() {
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations() {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name), "{name} is there twice");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.'), "{method} {path}: {summary}");
        assert!(operation["tags"][0].is_string(), "{method} {path}");
    }
}

#[test]
fn every_parameter_is_described_and_those_of_the_path_are_there() {
    for (path, method, operation) in operations() {
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let mut in_path = BTreeSet::new();
        for parameter in parameters {
            let name = parameter["name"].as_str().expect("a name");
            let described = parameter["description"].as_str().unwrap_or_default();
            assert!(!described.is_empty(), "{method} {path}: {name}");
            assert!(parameter["schema"].is_object(), "{method} {path}: {name}");
            if parameter["in"] == "path" {
                assert_eq!(parameter["required"], true, "{method} {path}: {name}");
                in_path.insert(name);
            }
        }
        let braced = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(braced.collect::<BTreeSet<_>>(), in_path, "{method} {path}");
    }
}

#[test]
fn every_answer_is_described_and_every_refusal_is_a_problem() {
    for (path, method, operation) in operations() {
        let responses = operation["responses"].as_object().expect("responses");
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{method} {path}"
        );
        assert!(responses.contains_key("default"), "{method} {path}");
        for (status, response) in responses {
            let described = response["description"].as_str().unwrap_or_default();
            assert!(!described.is_empty(), "{method} {path}: {status}");
            let is_refusal = !status.starts_with('2') && path != "/readyz";
            if is_refusal || status == "default" {
                let schema = &response["content"]["application/problem+json"]["schema"];
                assert_eq!(
                    schema["$ref"], "#/components/schemas/Problem",
                    "{method} {path}: {status}"
                );
            }
        }
    }
}

#[test]
fn every_change_can_name_its_actor() {
    for (path, method, operation) in operations() {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut names = parameters.map(|parameter| &parameter["name"]);
        let is_change = method != "get";
        assert_eq!(
            names.any(|name| name == "Fanway-Actor"),
            is_change,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn every_code_that_is_named_has_a_page() {
    let served = Served::start().await;
    let codes = named_codes();
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        let page = served.get(&format!("/problems/{code}")).await;
        assert_eq!(page.status, 200, "{code}");
    }
}
