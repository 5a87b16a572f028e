//! The types of the clients, made of the schemas of the door's OpenAPI document.
//!
//! Knows as much of JSON Schema as that document uses, and refuses what else it may come to use.
//! What is made of a schema depends on nothing but the schema, so that the same document makes the
//! same file, byte for byte.

mod python;
mod typescript;

use anyhow::{Context, bail};
use serde_json::Value;

pub(crate) use python::render as python;
pub(crate) use typescript::render as typescript;

/// What a schema with a name describes.
struct Named<'d> {
    name: &'d str,
    about: &'d str,
    shape: Shape<'d>,
}

enum Shape<'d> {
    /// A text.
    Text,
    /// One of these words.
    Words(Vec<&'d str>),
    /// An object, its properties in the order in which they are to be shown.
    Object(Vec<Property<'d>>),
}

struct Property<'d> {
    name: &'d str,
    about: &'d str,
    kind: Kind<'d>,
    is_required: bool,
    may_be_null: bool,
}

enum Kind<'d> {
    Text,
    Integer,
    /// What has this name.
    Ref(&'d str),
    /// A list of what has this name.
    List(&'d str),
}

/// All schemas of a document, by name.
fn schemas(document: &Value) -> anyhow::Result<Vec<Named<'_>>> {
    let schemas = document["components"]["schemas"].as_object();
    let schemas = schemas.context("the document has no schemas")?.iter();
    let named = schemas.map(|(name, schema)| {
        let shape = shape(schema).with_context(|| name.clone())?;
        let about = about(schema);
        Ok(Named { name, about, shape })
    });
    let mut named: Vec<_> = named.collect::<anyhow::Result<_>>()?;
    named.sort_by_key(|named| named.name);
    Ok(named)
}

fn about(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn shape(schema: &Value) -> anyhow::Result<Shape<'_>> {
    Ok(match (schema["type"].as_str(), schema["enum"].as_array()) {
        (Some("string"), None) => Shape::Text,
        (Some("string"), Some(words)) => {
            Shape::Words(words.iter().filter_map(Value::as_str).collect())
        }
        (Some("object"), None) => Shape::Object(properties(schema)?),
        _ => bail!("neither words, nor a text, nor an object: {schema}"),
    })
}

/// Those that are always there in the order in which they are said to be, then the others.
fn properties(schema: &Value) -> anyhow::Result<Vec<Property<'_>>> {
    let required = schema["required"].as_array();
    let place = |name: &str| required?.iter().position(|required| required == name);
    let described = schema["properties"].as_object();
    let mut properties = Vec::new();
    for (name, schema) in described.context("it has no properties")? {
        let property = property(name, schema, place(name).is_some());
        properties.push(property.with_context(|| name.clone())?);
    }
    properties.sort_by_key(|property| (place(property.name).unwrap_or(usize::MAX), property.name));
    Ok(properties)
}

fn property<'d>(
    name: &'d str,
    schema: &'d Value,
    is_required: bool,
) -> anyhow::Result<Property<'d>> {
    let (kind, may_be_null) = kind(schema)?;
    Ok(Property {
        name,
        about: about(schema),
        kind,
        is_required,
        may_be_null,
    })
}

/// What a property is, and whether it may be `null`.
fn kind(schema: &Value) -> anyhow::Result<(Kind<'_>, bool)> {
    if let Some(name) = referred(schema) {
        return Ok((Kind::Ref(name), false));
    }
    if let Some([one, null]) = schema["oneOf"].as_array().map(Vec::as_slice)
        && null["type"] == "null"
    {
        return Ok((Kind::Ref(referred(one).context("no reference")?), true));
    }
    let (word, may_be_null) = match &schema["type"] {
        Value::String(word) => (word.as_str(), false),
        Value::Array(words) => (words[0].as_str().unwrap_or_default(), words[1] == "null"),
        _ => bail!("no type: {schema}"),
    };
    let kind = match word {
        "string" => Kind::Text,
        "integer" => Kind::Integer,
        "array" => Kind::List(referred(&schema["items"]).context("a list of what has no name")?),
        _ => bail!("an unknown type: {schema}"),
    };
    Ok((kind, may_be_null))
}

/// The name of the schema that is referred to, if one is.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()?
        .strip_prefix("#/components/schemas/")
}

/// A text in lines of at most `width` characters, where its words allow that.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a last line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{python, typescript, wrapped};

    fn document() -> Value {
        json!({"components": {"schemas": {
            "State": {"type": "string", "enum": ["on", "off"], "description": "How it is."},
            "Id": {"type": "string"},
            "Thing": {
                "type": "object",
                "required": ["state", "id"],
                "properties": {
                    "extra": {"type": "string"},
                    "id": {"$ref": "#/components/schemas/Id", "description": "Which it is."},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    "state": {"oneOf": [{"$ref": "#/components/schemas/State"}, {"type": "null"}]},
                    "weight": {"type": ["integer", "null"]},
                },
            },
        }}})
    }

    #[test]
    fn an_interface_has_what_its_schema_has() {
        let text = typescript(&document()).expect("it is understood");
        for part in [
            "export type Id = string;\n",
            "/** How it is. */\nexport type State =\n  | \"on\"\n  | \"off\";\n",
            "export interface Thing {\n  readonly state: State | null;\n  /** Which it is. */\n  \
             readonly id: Id;\n  readonly extra?: string;\n  readonly parts?: readonly Thing[];\n  \
             readonly weight?: number | null;\n}\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_class_has_what_its_schema_has_and_reads_it() {
        let text = python(&document()).expect("it is understood");
        for part in [
            "Id: TypeAlias = str\n",
            "State: TypeAlias = Literal[\n    \"on\",\n    \"off\",\n]\n\"\"\"How it is.\"\"\"\n",
            "    state: State | None\n    id: Id\n    \"\"\"Which it is.\"\"\"\n    \
             extra: str | None = None\n",
            "            state=document[\"state\"],\n",
            "            extra=document.get(\"extra\"),\n",
            "            parts=tuple(Thing.from_json(each) for each in document.get(\"parts\", ())),\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut document = document();
        document["components"]["schemas"]["Thing"]["properties"]["weight"] =
            json!({"type": "number"});
        let error = typescript(&document).expect_err("a number");
        assert!(format!("{error:#}").contains("weight"), "{error:#}");
        assert!(python(&json!({})).is_err());
    }

    #[test]
    fn words_are_wrapped_where_they_do_not_fit() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("longer a", 4), ["longer", "a"]);
    }
}
