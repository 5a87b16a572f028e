//! The Python client's types: a frozen dataclass for each object, a `Literal` for words.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Kind, Named, Property, Shape, schemas, wrapped};

const HEAD: &str = r#""""What the gateway answers.

Made of its OpenAPI document by `cargo xtask generate`: change that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
"#;

/// The longest line of a docstring, without what stands before it.
const WIDTH: usize = 88;

/// The file.
///
/// # Errors
/// Where the document has a schema that isn't understood.
pub(crate) fn render(document: &Value) -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    let schemas = schemas(document)?;
    let (objects, aliases): (Vec<_>, Vec<_>) = schemas
        .iter()
        .partition(|named| matches!(named.shape, Shape::Object(_)));
    for named in aliases.into_iter().chain(objects) {
        text += &declaration(named);
    }
    Ok(text)
}

fn declaration(named: &Named<'_>) -> String {
    let Named { name, about, shape } = named;
    match shape {
        Shape::Text => format!("\n{name}: TypeAlias = str\n{}", docstring(about, "")),
        Shape::Words(words) => {
            let words = words.iter().fold(String::new(), |mut text, word| {
                writeln!(text, "    \"{word}\",").expect("a text takes all");
                text
            });
            let about = docstring(about, "");
            format!("\n{name}: TypeAlias = Literal[\n{words}]\n{about}")
        }
        Shape::Object(properties) => class(name, about, properties),
    }
}

fn class(name: &str, about: &str, properties: &[Property<'_>]) -> String {
    let about = docstring(about, "    ");
    let fields: String = properties.iter().map(field).collect();
    let arguments: String = properties.iter().map(argument).collect();
    format!(
        r#"

@dataclass(frozen=True, slots=True, kw_only=True)
class {name}:
{about}
{fields}
    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> {name}:
        """Reads it, and passes over what it doesn't know."""
        return cls(
{arguments}        )
"#
    )
}

fn field(property: &Property<'_>) -> String {
    let kind = match property.kind {
        Kind::Text => "str".to_owned(),
        Kind::Integer => "int".to_owned(),
        Kind::Ref(name) => name.to_owned(),
        Kind::List(name) => format!("tuple[{name}, ...]"),
    };
    let is_list = matches!(property.kind, Kind::List(_));
    let or_none = if property.may_be_null || !(property.is_required || is_list) {
        " | None"
    } else {
        ""
    };
    let default = match (property.is_required, is_list) {
        (true, _) => "",
        (false, true) => " = ()",
        (false, false) => " = None",
    };
    let about = docstring(property.about, "    ");
    format!("    {}: {kind}{or_none}{default}\n{about}", property.name)
}

fn argument(property: &Property<'_>) -> String {
    let name = property.name;
    let value = match (&property.kind, property.is_required) {
        (Kind::List(of), true) => {
            format!("tuple({of}.from_json(each) for each in document[\"{name}\"])")
        }
        (Kind::List(of), false) => {
            format!("tuple({of}.from_json(each) for each in document.get(\"{name}\", ()))")
        }
        (_, true) => format!("document[\"{name}\"]"),
        (_, false) => format!("document.get(\"{name}\")"),
    };
    format!("            {name}={value},\n")
}

fn docstring(about: &str, indent: &str) -> String {
    match wrapped(about, WIDTH).as_slice() {
        [line] if line.is_empty() => String::new(),
        [line] => format!("{indent}\"\"\"{line}\"\"\"\n"),
        lines => {
            let lines = lines.join(&format!("\n{indent}"));
            format!("{indent}\"\"\"{lines}\n{indent}\"\"\"\n")
        }
    }
}
