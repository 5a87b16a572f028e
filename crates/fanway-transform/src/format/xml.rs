//! XML 1.0 (fifth edition): an object's one member is the root element.
//!
//! A member is an element of its name, an array as many of it, `null` an empty one. An element is a
//! text, a number, `true` or `false`, or an object: there `@name` is an attribute, `#text` its text,
//! and each other member an element within it, in their order.

use fanway_types::ByteCount;
use jaq_json::Val;

use super::{Out, Refusal, key, scalar, unfit};

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const TEXT: &str = "#text";
const SCALAR: &str = "a text, a number, `true`, `false` or null";

/// Writes an object with one member, the root.
pub(super) fn write(value: &Val, limit: ByteCount) -> Result<Vec<u8>, Refusal> {
    let expected = "an object with one member, the root element";
    let Val::Obj(members) = value else {
        return unfit("the result is", value, expected);
    };
    let mut members = members.iter();
    let (Some((name, root)), None) = (members.next(), members.next()) else {
        return unfit("the result is", value, expected);
    };
    let name = key(name)?;
    if matches!(root, Val::Arr(_)) {
        return unfit(
            &format!("`{name}` is"),
            root,
            "a root element, of which there is one",
        );
    }
    let mut out = Out::new(limit);
    out.put(DECLARATION)?;
    element(&mut out, &name, root)?;
    Ok(out.bytes)
}

/// Writes an element. Recurses as deep as the value is nested, which `Value` bounds.
fn element(out: &mut Out, name: &str, value: &Val) -> Result<(), Refusal> {
    check_name(name)?;
    out.put("<")?;
    out.put(name)?;
    let text = match value {
        Val::Obj(_) => return elements(out, name, value),
        Val::Null => return out.put("/>"),
        other => scalar(other)?,
    };
    let Some(text) = text else {
        return unfit(&format!("`{name}` holds"), value, "elements");
    };
    out.put(">")?;
    escaped(out, &text, false)?;
    close(out, name)
}

/// Writes what follows the name in the start tag of an element that is an object, and its end.
fn elements(out: &mut Out, name: &str, value: &Val) -> Result<(), Refusal> {
    let Val::Obj(members) = value else {
        return unfit(&format!("`{name}` is"), value, "an object");
    };
    let mut is_empty = true;
    for (member, value) in members.iter() {
        let member = key(member)?;
        match member.strip_prefix('@') {
            Some(attribute) => self::attribute(out, name, attribute, value)?,
            None => is_empty = false,
        }
    }
    if is_empty {
        return out.put("/>");
    }
    out.put(">")?;
    for (member, value) in members.iter() {
        let member = key(member)?;
        match value {
            _ if member.starts_with('@') => {}
            value if member == TEXT => text(out, name, value)?,
            Val::Arr(items) => items
                .iter()
                .try_for_each(|item| element(out, &member, item))?,
            other => element(out, &member, other)?,
        }
    }
    close(out, name)
}

/// `null` leaves it out.
fn attribute(out: &mut Out, element: &str, name: &str, value: &Val) -> Result<(), Refusal> {
    check_name(name)?;
    if matches!(value, Val::Null) {
        return Ok(());
    }
    let Some(text) = scalar(value)? else {
        return unfit(&format!("`@{name}` of `{element}` is"), value, SCALAR);
    };
    out.put(format!(" {name}=\""))?;
    escaped(out, &text, true)?;
    out.put("\"")
}

fn text(out: &mut Out, element: &str, value: &Val) -> Result<(), Refusal> {
    if matches!(value, Val::Null) {
        return Ok(());
    }
    let Some(text) = scalar(value)? else {
        return unfit(&format!("`{TEXT}` of `{element}` is"), value, SCALAR);
    };
    escaped(out, &text, false)
}

fn close(out: &mut Out, name: &str) -> Result<(), Refusal> {
    out.put("</")?;
    out.put(name)?;
    out.put(">")
}

/// Escapes what has a meaning in XML, and what a reader would otherwise change: line ends (2.11), and
/// white space in attributes (3.3.3).
fn escaped(out: &mut Out, text: &str, in_attribute: bool) -> Result<(), Refusal> {
    let mut unescaped = text;
    while let Some(place) = unescaped.find(|char| needs_escape(char, in_attribute)) {
        out.put(&unescaped[..place])?;
        let mut rest = unescaped[place..].chars();
        let char = rest.next().expect("something was found there");
        out.put(match char {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '"' => "&quot;",
            '\r' => "&#13;",
            '\n' => "&#10;",
            '\t' => "&#9;",
            _ => {
                let code = u32::from(char);
                return Err(Refusal::Unfit(format!(
                    "the result holds U+{code:04X}, which XML has no form for"
                )));
            }
        })?;
        unescaped = rest.as_str();
    }
    out.put(unescaped)
}

fn needs_escape(char: char, in_attribute: bool) -> bool {
    match char {
        '<' | '>' | '&' | '\r' => true,
        '"' | '\n' | '\t' => in_attribute,
        _ => !is_char(char),
    }
}

/// `Char` of XML 1.0, section 2.2.
fn is_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// `Name` of XML 1.0, section 2.3; of colons one, which parts a prefix from a name (Namespaces in XML,
/// section 4).
fn check_name(name: &str) -> Result<(), Refusal> {
    let is_part = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(begins_name) && chars.all(continues_name)
    };
    let is_name = match name.split_once(':') {
        Some((prefix, local)) => is_part(prefix) && is_part(local),
        None => is_part(name),
    };
    if is_name {
        return Ok(());
    }
    Err(Refusal::Unfit(format!(
        "`{}` is no name for an element or attribute of XML",
        name.escape_debug()
    )))
}

/// `NameStartChar` without the colon.
fn begins_name(char: char) -> bool {
    matches!(char,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// `NameChar` without the colon.
fn continues_name(char: char) -> bool {
    begins_name(char)
        || matches!(char,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
