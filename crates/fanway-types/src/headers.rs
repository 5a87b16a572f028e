//! The headers of a stored request, in one block of bytes.
//!
//! A message's headers are written once and then read, copied and stored as a whole far more
//! often than one is looked up; so they are kept in the form in which the store writes them:
//! for each header the name's length (u16, little endian), the value's length (u16), the name
//! in lower case, the value.

use bytes::Bytes;

/// An immutable list of headers, names in lower case, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    block: Bytes,
}

impl Headers {
    /// Reads a block that [`as_block`](Self::as_block) gave; `None` where it is damaged.
    #[must_use]
    pub fn from_block(block: Bytes) -> Option<Self> {
        let mut rest = &block[..];
        while !rest.is_empty() {
            let name;
            ((name, _), rest) = split_header(rest)?;
            str::from_utf8(name).ok()?;
        }
        Some(Self { block })
    }

    /// The headers as one block of bytes.
    #[must_use]
    pub fn as_block(&self) -> &Bytes {
        &self.block
    }

    /// Each header's name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields()
            .map_while(|(name, value)| Some((str::from_utf8(name).ok()?, value)))
    }

    /// Each header's name and value, the name as bytes: for where it is only compared or copied.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.block[..];
        std::iter::from_fn(move || {
            let (header, after) = split_header(rest)?;
            rest = after;
            Some(header)
        })
    }

    /// The first value under `name`, which is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(candidate, _)| *candidate == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// The first value under `name`, where it is text.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| str::from_utf8(value).ok())
    }
}

/// A header's name and value.
type Header<'a> = (&'a [u8], &'a [u8]);

fn split_header(block: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (lengths, rest) = block.split_first_chunk::<4>()?;
    let name_length = usize::from(u16::from_le_bytes([lengths[0], lengths[1]]));
    let value_length = usize::from(u16::from_le_bytes([lengths[2], lengths[3]]));
    let (name, rest) = rest.split_at_checked(name_length)?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    Some(((name, value), rest))
}

/// Builds [`Headers`].
#[derive(Debug, Default)]
pub struct HeadersBuilder {
    block: Vec<u8>,
}

impl HeadersBuilder {
    /// A builder with room for so many bytes: four for each header, and its name and value.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            block: Vec::with_capacity(bytes),
        }
    }

    /// Adds a header; `name` is in lower case. Returns false, and adds nothing, where the name or
    /// the value is longer than 65,535 bytes.
    #[must_use]
    pub fn push(&mut self, name: &str, value: &[u8]) -> bool {
        self.push_joined(name, [value])
    }

    /// What [`push`](Self::push) does with a value that comes in parts.
    #[must_use]
    pub fn push_joined<const N: usize>(&mut self, name: &str, parts: [&[u8]; N]) -> bool {
        let value_length = parts.iter().map(|part| part.len()).sum::<usize>();
        let (Ok(name_length), Ok(value_length)) =
            (u16::try_from(name.len()), u16::try_from(value_length))
        else {
            return false;
        };
        let ([n, m], [v, w]) = (name_length.to_le_bytes(), value_length.to_le_bytes());
        let lengths = [n, m, v, w];
        let all = 4 + usize::from(name_length) + usize::from(value_length);
        self.block.reserve(all);
        self.block.extend_from_slice(&lengths);
        self.block.extend_from_slice(name.as_bytes());
        for part in parts {
            self.block.extend_from_slice(part);
        }
        true
    }

    /// Adds those of other headers whose names are wanted.
    pub fn push_all(&mut self, headers: &Headers, is_wanted: impl Fn(&[u8]) -> bool) {
        let mut rest = &headers.block[..];
        while let Some(((name, _), after)) = split_header(rest) {
            if is_wanted(name) {
                let header = &rest[..rest.len() - after.len()];
                self.block.extend_from_slice(header);
            }
            rest = after;
        }
    }

    /// The headers as they stand.
    #[must_use]
    pub fn build(self) -> Headers {
        Headers {
            block: self.block.into(),
        }
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for Headers {
    /// Leaves out a header whose name or value is longer than 65,535 bytes.
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(headers: I) -> Self {
        let mut builder = HeadersBuilder::default();
        for (name, value) in headers {
            let _fits = builder.push(name, value);
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Headers, HeadersBuilder};

    fn sample() -> Headers {
        [
            ("content-type", &b"text/plain"[..]),
            ("x-empty", b""),
            ("x-raw", b"\xff"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn headers_keep_order_and_values() {
        let names: Vec<_> = sample().iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["content-type", "x-empty", "x-raw"]);
        assert_eq!(sample().get("x-raw"), Some(&b"\xff"[..]));
        assert_eq!(sample().get_str("x-raw"), None);
        assert_eq!(sample().get_str("content-type"), Some("text/plain"));
        assert_eq!(sample().get("x-missing"), None);
    }

    #[test]
    fn a_value_may_come_in_parts() {
        let mut builder = HeadersBuilder::default();
        assert!(builder.push_joined("x-joined", [b"one", b"", b" two"]));
        assert!(!builder.push_joined("x-long", [&[b'x'; 65_535][..], b"y"]));
        let expected = [("x-joined", &b"one two"[..])].into_iter().collect();
        assert_eq!(builder.build(), expected);
    }

    #[test]
    fn of_other_headers_those_are_added_that_are_wanted() {
        let mut builder = HeadersBuilder::default();
        assert!(builder.push("x-first", b"1"));
        builder.push_all(&sample(), |name| name != b"x-empty");
        let expected = [
            ("x-first", &b"1"[..]),
            ("content-type", b"text/plain"),
            ("x-raw", b"\xff"),
        ];
        assert_eq!(builder.build(), expected.into_iter().collect());
    }

    #[test]
    fn a_block_is_read_back_or_refused() {
        let block = sample().as_block().clone();
        assert_eq!(Headers::from_block(block.clone()), Some(sample()));
        for cut in 1..block.len() {
            let whole_headers = [26, 37].contains(&cut);
            assert_eq!(
                Headers::from_block(block.slice(..cut)).is_some(),
                whole_headers,
                "cut at {cut}"
            );
        }
        assert_eq!(Headers::from_block(Bytes::new()), Some(Headers::default()));
    }
}
