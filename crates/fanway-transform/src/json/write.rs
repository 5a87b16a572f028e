//! Compact JSON of what an expression gave.
//!
//! jaq can hold values that JSON can't: infinities, NaN, byte strings, text that isn't UTF-8, keys
//! that aren't strings. Its own writer writes them anyway; this one refuses, since a target would.

use std::io::Write;

use fanway_types::ByteCount;
use jaq_json::{Num, Val};

/// Why a value isn't written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its text is longer than the limit.
    TooLarge,
    /// It holds something that JSON has no form for.
    NotJson(&'static str),
}

/// The text of `value`, at most `limit` bytes. Recurses as deep as the value is nested, which
/// `Value` bounds.
pub(crate) fn to_json(value: &Val, limit: ByteCount) -> Result<Vec<u8>, Refusal> {
    let mut writer = Writer {
        text: Vec::new(),
        limit: limit.as_usize(),
    };
    writer.value(value)?;
    Ok(writer.text)
}

/// The text of a number that JSON has a form for.
pub(crate) fn number(number: &Num) -> Result<String, Refusal> {
    let text = number.to_string();
    // Literals in programs may have forms such as `007.5`.
    if super::scan::scan(text.as_bytes(), 0).is_ok() {
        return Ok(text);
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(float.to_string()),
        _ => Err(Refusal::NotJson("a number that isn't finite")),
    }
}

struct Writer {
    text: Vec<u8>,
    limit: usize,
}

impl Writer {
    fn value(&mut self, value: &Val) -> Result<(), Refusal> {
        match value {
            Val::Null => self.put(b"null"),
            Val::Bool(true) => self.put(b"true"),
            Val::Bool(false) => self.put(b"false"),
            Val::Num(number_) => self.put(number(number_)?.as_bytes()),
            Val::TStr(text) => self.string(text),
            Val::BStr(_) => Err(Refusal::NotJson("a byte string")),
            Val::Arr(items) => self.items(b"[]", items.iter(), Self::value),
            Val::Obj(members) => self.items(b"{}", members.iter(), |writer, (key, value)| {
                let Val::TStr(key) = key else {
                    return Err(Refusal::NotJson("a key that isn't a string"));
                };
                writer.string(key)?;
                writer.put(b":")?;
                writer.value(value)
            }),
        }
    }

    fn items<T>(
        &mut self,
        brackets: &[u8; 2],
        items: impl Iterator<Item = T>,
        put: impl Fn(&mut Self, T) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.put(&brackets[..1])?;
        for (place, item) in items.enumerate() {
            if place > 0 {
                self.put(b",")?;
            }
            put(self, item)?;
        }
        self.put(&brackets[1..])
    }

    fn string(&mut self, text: &[u8]) -> Result<(), Refusal> {
        let text = str::from_utf8(text).map_err(|_| Refusal::NotJson("text that isn't UTF-8"))?;
        self.put(b"\"")?;
        let needs_escape = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
        for piece in text.as_bytes().split_inclusive(needs_escape) {
            match piece.split_last() {
                Some((last, before)) if needs_escape(last) => {
                    self.put(before)?;
                    self.escape(*last)?;
                }
                _ => self.put(piece)?,
            }
        }
        self.put(b"\"")
    }

    fn escape(&mut self, byte: u8) -> Result<(), Refusal> {
        match byte {
            b'"' => self.put(br#"\""#),
            b'\\' => self.put(br"\\"),
            b'\n' => self.put(br"\n"),
            b'\r' => self.put(br"\r"),
            b'\t' => self.put(br"\t"),
            _ => {
                write!(self.text, "\\u{byte:04x}").expect("a vector takes all that is written");
                self.put(b"")
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.text.len().saturating_add(bytes.len()) > self.limit {
            return Err(Refusal::TooLarge);
        }
        self.text.extend_from_slice(bytes);
        Ok(())
    }
}
