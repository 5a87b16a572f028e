//! Forms of several parts: `multipart/form-data` (RFC 7578), names escaped as the HTML standard has it
//! ("multipart/form-data encoding algorithm").

use std::borrow::Cow;
use std::fmt::Write;

use fanway_types::ByteCount;
use jaq_json::{Map, Val};
use sha2::{Digest, Sha256};

use super::{Out, Refusal, bytes, key, scalar, unfit};

/// What the members of a file are called.
const FILENAME: &str = "filename";
const TYPE: &str = "type";
const CONTENT: &str = "content";

/// One part.
struct Part<'v> {
    head: String,
    content: Cow<'v, [u8]>,
}

/// Writes an object: a member is a part, an array as many of its name, `null` none. A part is a text, or
/// an object with `content` and, as may be, a `filename` and a `type`. Gives the media type as
/// well, which names the boundary.
pub(super) fn write(value: &Val, limit: ByteCount) -> Result<(Vec<u8>, String), Refusal> {
    let Val::Obj(members) = value else {
        return unfit("the result is", value, "an object of parts");
    };
    let mut parts = Vec::new();
    for (name, value) in members.iter() {
        let name = key(name)?;
        match value {
            Val::Null => {}
            Val::Arr(items) => {
                for item in items.iter() {
                    parts.push(part(&name, item)?);
                }
            }
            other => parts.push(part(&name, other)?),
        }
    }
    if parts.is_empty() {
        return Err(Refusal::Unfit("the result has no part".into()));
    }
    let boundary = boundary(&parts);
    let mut out = Out::new(limit);
    for part in &parts {
        out.put(format!("--{boundary}\r\n{}\r\n", part.head))?;
        out.put(&part.content)?;
        out.put("\r\n")?;
    }
    out.put(format!("--{boundary}--\r\n"))?;
    Ok((
        out.bytes,
        format!("multipart/form-data; boundary={boundary}"),
    ))
}

fn part<'v>(name: &str, value: &'v Val) -> Result<Part<'v>, Refusal> {
    let mut head = format!("content-disposition: form-data; name=\"{}\"", escaped(name));
    let Val::Obj(members) = value else {
        head.push_str("\r\n");
        let Some(content) = content(value)? else {
            let expected = "a text, a number, `true`, `false` or an object with `content`";
            return unfit(&format!("`{name}` is or holds"), value, expected);
        };
        return Ok(Part { head, content });
    };
    known_only(name, members)?;
    if let Some(filename) = member(name, members, FILENAME)? {
        write!(head, "; filename=\"{}\"", escaped(&filename)).expect("a text takes all");
    }
    head.push_str("\r\n");
    if let Some(media_type) = member(name, members, TYPE)? {
        let is_good = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if media_type.is_empty() || !media_type.bytes().all(is_good) {
            return Err(Refusal::Unfit(format!(
                "the `{TYPE}` of `{name}` is no media type"
            )));
        }
        write!(head, "content-type: {media_type}\r\n").expect("a text takes all");
    }
    let value = found(members, CONTENT);
    let Some(content) = value.map(content).transpose()?.flatten() else {
        return Err(Refusal::Unfit(format!(
            "`{name}` has no `{CONTENT}` that is a text, a number, `true` or `false`"
        )));
    };
    Ok(Part { head, content })
}

/// A slip in a member's name would send a file without its name or type.
fn known_only(name: &str, members: &Map) -> Result<(), Refusal> {
    let known = [FILENAME, TYPE, CONTENT];
    for member in members.keys() {
        let member = key(member)?;
        if !known.contains(&&*member) {
            return Err(Refusal::Unfit(format!(
                "`{name}` has a member `{member}`, expected `{FILENAME}`, `{TYPE}` and `{CONTENT}`"
            )));
        }
    }
    Ok(())
}

fn member<'v>(name: &str, members: &'v Map, member: &str) -> Result<Option<Cow<'v, str>>, Refusal> {
    match found(members, member) {
        None | Some(Val::Null) => Ok(None),
        Some(value @ Val::TStr(_)) => scalar(value),
        Some(other) => unfit(&format!("the `{member}` of `{name}` is"), other, "a text"),
    }
}

fn found<'v>(members: &'v Map, name: &str) -> Option<&'v Val> {
    members.get(&Val::from(name.to_owned()))
}

fn content(value: &Val) -> Result<Option<Cow<'_, [u8]>>, Refusal> {
    if let Some(bytes) = bytes(value) {
        return Ok(Some(bytes.into()));
    }
    let text = scalar(value)?;
    Ok(text.map(|text| text.into_owned().into_bytes().into()))
}

/// A name within quotes.
fn escaped(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A line that no part can hold, since it is made from all of them: who would want one to hold it would
/// have to find a text that holds its own SHA-256.
fn boundary(parts: &[Part<'_>]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        for piece in [part.head.as_bytes(), &part.content] {
            hash.update((piece.len() as u64).to_be_bytes());
            hash.update(piece);
        }
    }
    let mut boundary = "fanway-".to_owned();
    for byte in hash.finalize().iter().take(16) {
        write!(boundary, "{byte:02x}").expect("a text takes all");
    }
    boundary
}
