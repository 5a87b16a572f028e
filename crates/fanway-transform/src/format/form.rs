//! Forms as web pages send them: `application/x-www-form-urlencoded`, as the URL standard writes it
//! (section 5.2).

use fanway_types::ByteCount;
use jaq_json::Val;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{Out, Refusal, key, scalar, unfit};

/// What isn't sent as it is; a space is sent as `+`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b' ');

/// Writes an object: a member is a field, an array as many of its name, `null` none.
pub(super) fn write(value: &Val, limit: ByteCount) -> Result<Vec<u8>, Refusal> {
    let Val::Obj(members) = value else {
        return unfit("the result is", value, "an object of fields");
    };
    let mut out = Out::new(limit);
    for (name, value) in members.iter() {
        let name = key(name)?;
        match value {
            Val::Null => {}
            Val::Arr(items) => items
                .iter()
                .try_for_each(|item| field(&mut out, &name, item))?,
            other => field(&mut out, &name, other)?,
        }
    }
    Ok(out.bytes)
}

fn field(out: &mut Out, name: &str, value: &Val) -> Result<(), Refusal> {
    let Some(text) = scalar(value)? else {
        let expected = "a text, a number, `true`, `false` or an array of such";
        return unfit(&format!("`{name}` is or holds"), value, expected);
    };
    if !out.bytes.is_empty() {
        out.put("&")?;
    }
    escaped(out, name)?;
    out.put("=")?;
    escaped(out, &text)
}

fn escaped(out: &mut Out, text: &str) -> Result<(), Refusal> {
    for (place, word) in text.split(' ').enumerate() {
        if place > 0 {
            out.put("+")?;
        }
        percent_encode(word.as_bytes(), ESCAPED).try_for_each(|piece| out.put(piece))?;
    }
    Ok(())
}
