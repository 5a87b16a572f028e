//! An answer as it goes out (RFC 9112 sections 4, 6 and 7).

use fanway_http1::write_field;
use http::header::CONNECTION;
use http::response::Parts;
use http::{StatusCode, Version};

/// How an answer's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(usize),
    /// Chunks.
    Chunked,
    /// All until the connection's end, as HTTP/1.0 has it; or no body at all.
    Unsaid,
}

/// What an answer says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Another request may follow.
    GoesOn,
    /// It is the last one.
    Closes,
}

/// The framing of an answer with a body of `length`, or of an unknown one.
pub(super) fn framing(status: StatusCode, version: Version, length: Option<usize>) -> Framing {
    let has_none = status.is_informational() || status == StatusCode::NO_CONTENT;
    match length {
        _ if has_none => Framing::Unsaid,
        Some(length) => Framing::Length(length),
        None if version == Version::HTTP_11 => Framing::Chunked,
        None => Framing::Unsaid,
    }
}

/// Writes the head of an answer to a request of `version`.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    head: &Parts,
    (framing, then, version): (Framing, Then, Version),
    date: &[u8],
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    let reason = head.status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &head.headers {
        write_field(out, name.as_ref(), value.as_bytes());
    }
    match then {
        _ if head.headers.contains_key(CONNECTION) => {}
        Then::Closes => write_field(out, b"connection", b"close"),
        Then::GoesOn if version == Version::HTTP_10 => {
            write_field(out, b"connection", b"keep-alive");
        }
        Then::GoesOn => {}
    }
    match framing {
        Framing::Length(length) => {
            write_field(
                out,
                b"content-length",
                itoa::Buffer::new().format(length).as_bytes(),
            );
        }
        Framing::Chunked => write_field(out, b"transfer-encoding", b"chunked"),
        Framing::Unsaid => {}
    }
    write_field(out, b"date", date);
    out.extend_from_slice(b"\r\n");
}

/// Writes a piece of a body; an empty one says nothing.
pub(super) fn write_piece(out: &mut Vec<u8>, framing: Framing, piece: &[u8]) {
    if framing != Framing::Chunked {
        out.extend_from_slice(piece);
    } else if !piece.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes what stands behind the last piece of a body.
pub(super) fn write_end(out: &mut Vec<u8>, framing: Framing) {
    if framing == Framing::Chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}
