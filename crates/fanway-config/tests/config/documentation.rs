//! Documentation and schema say what the tables say.
//!
//! `UPDATE=1 cargo test -p fanway-config` writes the table into the page.

use std::fs;
use std::path::{Path, PathBuf};

use fanway_config::{Code, docs_table, schema};
use serde_json::Value;

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(path)
}

#[test]
fn the_page_has_the_table_of_today() {
    const BEGIN: &str = "<!-- keys: begin (generated: UPDATE=1 cargo test -p fanway-config) -->\n";
    const END: &str = "<!-- keys: end -->";
    let path = docs("configuration.md");
    let page = fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where the table ends");
    let today = format!("{before}{BEGIN}{}{END}{after}", docs_table());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &today).expect("written");
    }
    assert!(
        fs::read_to_string(&path).expect("the page") == today,
        "the table is old: run it with UPDATE=1"
    );
}

#[test]
fn every_code_is_explained() {
    let page = fs::read_to_string(docs("errors/config.md")).expect("the page");
    for code in Code::ALL {
        assert!(
            page.contains(&format!("\n## {}", code.as_str())),
            "{code:?}"
        );
    }
}

/// The dotted names of all keys of a schema, as the table writes them.
fn names(schema: &Value, prefix: &str, found: &mut Vec<String>) {
    for (name, key) in schema["properties"].as_object().into_iter().flatten() {
        assert!(
            key["description"].is_string(),
            "{prefix}{name} has no description"
        );
        found.push(format!("{prefix}{name}"));
        let named = &key["additionalProperties"];
        let long = |of: &Value| {
            of["anyOf"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|one| one["properties"].is_object())
                .cloned()
        };
        names(key, &format!("{prefix}{name}."), found);
        names(named, &format!("{prefix}{name}.<name>."), found);
        names(
            &long(key).unwrap_or_default(),
            &format!("{prefix}{name}."),
            found,
        );
        names(
            &long(&key["items"]).unwrap_or_default(),
            &format!("{prefix}{name}[]."),
            found,
        );
    }
}

#[test]
fn the_schema_has_every_key_of_the_table() {
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let mut found = Vec::new();
    names(&schema, "", &mut found);
    let table = docs_table();
    let rows: Vec<&str> = table
        .lines()
        .skip(2)
        .filter_map(|row| row.split('`').nth(1))
        .collect();
    assert_eq!(found, rows);
    assert!(
        rows.contains(&"routes.<name>.send[].forward")
            && rows.contains(&"targets.<name>.credentials.basic.user")
    );
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
    // What is left out stands in other files, or this is one of those.
    let complete = serde_json::json!([
        { "required": ["targets", "routes"] },
        { "required": ["include"] },
        { "required": ["targets"], "maxProperties": 1 },
        { "required": ["routes"], "maxProperties": 1 },
    ]);
    assert_eq!(schema["anyOf"], complete);
    let target = &schema["properties"]["targets"]["additionalProperties"];
    assert_eq!(target["additionalProperties"], false);
    let health = &target["properties"]["health"];
    assert_eq!(health["required"], serde_json::json!(["path"]));
    assert_eq!(target["properties"]["concurrency"]["default"], 64);
}
