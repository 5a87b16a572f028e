//! Fields: a tag, a length, a value.

use super::tag;
use crate::seal;

/// What is wrong with a record that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends within a field.
    #[error("a field is cut off")]
    Cut,
    /// A field's value has no meaning.
    #[error("the value of field {0:#04x} has no meaning")]
    Value(u8),
    /// A field that every record of its kind has isn't there.
    #[error("field {0:#04x} is missing")]
    Missing(u8),
    /// A later release wrote something that has to be understood.
    #[error("field {0:#04x} is required and unknown: a later release wrote this record")]
    UnknownField(u8),
    /// A later release wrote a kind of record that isn't known here.
    #[error("records of kind {0} are unknown: a later release wrote this one")]
    UnknownKind(u8),
    /// What is sealed in it can't be opened.
    #[error(transparent)]
    Sealed(#[from] seal::Error),
}

/// What is written into.
pub(crate) trait Out {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts the bytes, and keeps none.
#[derive(Debug, Default)]
pub(super) struct Count(usize);

impl Out for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Appends an unsigned LEB128 number.
pub(crate) fn put_varint(out: &mut impl Out, value: u64) {
    let mut rest = value;
    while rest > 0x7f {
        out.put(&[(rest & 0x7f) as u8 | 0x80]);
        rest >>= 7;
    }
    out.put(&[(rest & 0x7f) as u8]);
}

/// Takes a number that [`put_varint`] wrote off the front.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Appends a field.
pub(super) fn put_field(out: &mut impl Out, tag: u8, value: &[u8]) {
    put_start(out, tag, value.len());
    out.put(value);
}

/// Appends what stands before the value of a field, which is so long.
pub(super) fn put_start(out: &mut impl Out, tag: u8, length: usize) {
    out.put(&[tag]);
    put_varint(out, length as u64);
}

/// Bytes that are written by `write`.
pub(super) fn counted(write: impl FnOnce(&mut Count)) -> usize {
    let mut count = Count::default();
    write(&mut count);
    count.0
}

/// The fields of a record, one after the other.
pub(crate) struct Fields<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

/// A field, and where its value begins in the record.
pub(crate) struct Field<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    pub(crate) start: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            whole: bytes,
            rest: bytes,
        }
    }

    /// The next field; `None` at the record's end.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, Damage> {
        let Some((tag, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let length = take_varint(&mut self.rest)
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(Damage::Cut)?;
        let start = self.whole.len() - self.rest.len();
        let (value, rest) = self.rest.split_at_checked(length).ok_or(Damage::Cut)?;
        self.rest = rest;
        Ok(Some(Field {
            tag: *tag,
            value,
            start,
        }))
    }
}

/// What to do with a field that this release doesn't know: pass it over, or refuse.
pub(super) fn pass_over(tag: u8) -> Result<(), Damage> {
    if tag & tag::REQUIRED == 0 {
        Ok(())
    } else {
        Err(Damage::UnknownField(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, put_varint, take_varint};

    #[test]
    fn numbers_take_as_few_bytes_as_they_can() {
        for (value, length) in [
            (0, 1),
            (1, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            (u64::from(u32::MAX), 5),
            (u64::MAX, 10),
        ] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), length, "{value}");
            assert_eq!(take_varint(&mut &bytes[..]), Some(value));
            assert_eq!(counted(|out| put_varint(out, value)), length, "{value}");
        }
    }

    #[test]
    fn a_number_without_an_end_is_refused() {
        assert_eq!(take_varint(&mut &[0xff; 11][..]), None);
        assert_eq!(take_varint(&mut &[0x80][..]), None);
    }
}
