//! Fields: a tag, a length, a value.

use super::tag;

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
}

/// Appends an unsigned LEB128 number.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest > 0x7f {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push((rest & 0x7f) as u8);
}

/// Bytes that [`put_varint`] appends.
pub(super) fn varint_size(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
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
pub(super) fn put_field(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Bytes that [`put_field`] appends.
pub(super) fn field_size(length: usize) -> usize {
    1 + varint_size(length as u64) + length
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
    use super::{put_varint, take_varint, varint_size};

    #[test]
    fn numbers_take_as_few_bytes_as_they_can() {
        for value in [
            0,
            1,
            127,
            128,
            16_383,
            16_384,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_size(value), "{value}");
            assert_eq!(take_varint(&mut &bytes[..]), Some(value));
        }
    }

    #[test]
    fn a_number_without_an_end_is_refused() {
        assert_eq!(take_varint(&mut &[0xff; 11][..]), None);
        assert_eq!(take_varint(&mut &[0x80][..]), None);
    }
}
