//! W3C trace context, as it comes in and goes out.

use std::fmt;

use crate::{Headers, MessageId};

/// A trace and the span in it that a message came from (W3C Trace Context, level 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext<'a> {
    trace_id: u128,
    flags: u8,
    state: Option<&'a str>,
}

impl<'a> TraceContext<'a> {
    /// What `traceparent` and `tracestate` say; `None` where there is no well-formed `traceparent`.
    #[must_use]
    pub fn from_headers(headers: &'a Headers) -> Option<Self> {
        let parent = headers.get_str("traceparent")?;
        let mut fields = parent.split('-');
        let (version, trace_id) = (fields.next()?, hex(fields.next()?, 32)?);
        let (parent_id, flags) = (hex(fields.next()?, 16)?, hex(fields.next()?, 2)?);
        // Version 00 has four fields; a later one may have more, ff is forbidden.
        let well_formed = match version {
            "00" => fields.next().is_none(),
            "ff" => false,
            later => hex(later, 2).is_some(),
        };
        if !well_formed || trace_id == 0 || parent_id == 0 {
            return None;
        }
        let state = headers
            .get_str("tracestate")
            .filter(|state| !state.is_empty());
        Some(Self {
            trace_id,
            flags: u8::try_from(flags).ok()?,
            state,
        })
    }

    /// A trace of its own for a message that came without one: its id is the message's.
    #[must_use]
    pub fn from_message(id: MessageId) -> Self {
        Self {
            trace_id: u128::from_be_bytes(id.to_bytes()),
            flags: 0,
            state: None,
        }
    }

    /// The `traceparent` of an attempt, whose span is `span`. An all-zero span is forbidden, and
    /// is written as 1.
    #[must_use]
    pub fn traceparent(&self, span: u64) -> Traceparent {
        let mut text = *b"00-________________________________-________________-__";
        write_hex(&mut text[3..35], &self.trace_id.to_be_bytes());
        write_hex(&mut text[36..52], &span.max(1).to_be_bytes());
        write_hex(&mut text[53..], &[self.flags]);
        Traceparent(text)
    }

    /// The `tracestate` to pass on unchanged.
    #[must_use]
    pub fn tracestate(&self) -> Option<&'a str> {
        self.state
    }
}

/// A `traceparent` of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent([u8; 55]);

impl Traceparent {
    /// Its text, which is ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).expect("digits and hyphens"))
    }
}

/// Writes `bytes` in lower case, two characters for each.
fn write_hex(text: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = PAIRS[usize::from(*byte)];
    }
}

/// Each byte in two characters.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

fn hex(text: &str, length: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == length && text.bytes().all(is_hex))
        .then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::TraceContext;
    use crate::{Headers, MessageId};

    #[track_caller]
    fn check(parent: &str, expected: bool) {
        let headers: Headers = [("traceparent", parent.as_bytes())].into_iter().collect();
        assert_eq!(
            TraceContext::from_headers(&headers).is_some(),
            expected,
            "{parent}"
        );
    }

    #[test]
    fn only_well_formed_parents_count() {
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            true,
        );
        check(
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
            true,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
            false,
        );
        check(
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            false,
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            false,
        );
        check("", false);
    }

    #[test]
    fn attempts_stay_in_the_trace_with_spans_of_their_own() {
        let parent = &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"[..];
        let headers: Headers = [("traceparent", parent), ("tracestate", b"a=b")]
            .into_iter()
            .collect();
        let trace = TraceContext::from_headers(&headers).expect("well-formed");
        assert_eq!(
            trace.traceparent(255).to_string(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ff-01"
        );
        assert_eq!(trace.tracestate(), Some("a=b"));
        let own = TraceContext::from_message(MessageId::from_bytes([1; 16]));
        assert_eq!(
            own.traceparent(0).to_string(),
            format!("00-{}-0000000000000001-00", "01".repeat(16))
        );
    }
}
