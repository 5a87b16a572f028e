//! A dead letter and its request, as a person reads them.

use serde_json::Value;

use crate::table::{Table, cell, visible};

const FIELDS: [&str; 10] = [
    "id",
    "message",
    "route",
    "step",
    "target",
    "reason",
    "last_status",
    "attempts",
    "died_at",
    "detail",
];

pub(super) fn text(letter: &Value) -> String {
    let table = Table::fields(letter, &FIELDS);
    let request = &letter["request"];
    if request.is_null() {
        return format!("{table}\n\n(the request is not kept)");
    }
    let query = request["query"].as_str().map(|query| format!("?{query}"));
    let mut text = format!(
        "{table}\n\n{} {}{}\n",
        cell(&request["method"]),
        cell(&request["path"]),
        query.as_deref().map(visible).unwrap_or_default()
    );
    for header in request["headers"].as_array().into_iter().flatten() {
        text += &format!("{}: {}\n", cell(&header[0]), cell(&header[1]));
    }
    let body = &request["body"];
    match body["text"].as_str() {
        Some(body) => text + "\n" + &visible(body),
        None => text + "\n(base 64) " + &cell(&body["base64"]),
    }
}
