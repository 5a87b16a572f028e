//! The TypeScript client's types: an interface for each object, a union for words.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Kind, Named, Property, Shape, schemas, wrapped};

const HEAD: &str = "\
// What the gateway answers. Made of its OpenAPI document by `cargo xtask generate`: change that.
";

/// The longest line of a comment, without what stands before it.
const WIDTH: usize = 92;

/// The file.
///
/// # Errors
/// Where the document has a schema that isn't understood.
pub(crate) fn render(document: &Value) -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    for named in schemas(document)? {
        text.push('\n');
        text += &declaration(&named);
    }
    Ok(text)
}

fn declaration(named: &Named<'_>) -> String {
    let Named { name, about, shape } = named;
    let about = comment(about, "");
    match shape {
        Shape::Text => format!("{about}export type {name} = string;\n"),
        Shape::Words(words) => {
            let words = words.iter().fold(String::new(), |mut text, word| {
                write!(text, "\n  | \"{word}\"").expect("a text takes all");
                text
            });
            format!("{about}export type {name} ={words};\n")
        }
        Shape::Object(properties) => {
            let properties: String = properties.iter().map(member).collect();
            format!("{about}export interface {name} {{\n{properties}}}\n")
        }
    }
}

fn member(property: &Property<'_>) -> String {
    let about = comment(property.about, "  ");
    let name = property.name;
    let mark = if property.is_required { "" } else { "?" };
    let null = if property.may_be_null { " | null" } else { "" };
    let kind = match property.kind {
        Kind::Text => "string".to_owned(),
        Kind::Integer => "number".to_owned(),
        Kind::Ref(name) => name.to_owned(),
        Kind::List(name) => format!("readonly {name}[]"),
    };
    format!("{about}  readonly {name}{mark}: {kind}{null};\n")
}

fn comment(about: &str, indent: &str) -> String {
    match wrapped(about, WIDTH).as_slice() {
        [line] if line.is_empty() => String::new(),
        [line] => format!("{indent}/** {line} */\n"),
        lines => {
            let lines = lines.join(&format!("\n{indent} * "));
            format!("{indent}/**\n{indent} * {lines}\n{indent} */\n")
        }
    }
}
