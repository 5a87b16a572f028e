//! Where a body ends (RFC 9112 sections 6 and 7).

use httparse::Status;

/// The longest line with a chunk's size, and all of a body's trailers together, in bytes.
const LINES_LIMIT: usize = 16 << 10;

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// All that comes until the connection ends.
    UntilClose,
}

/// What comes next of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// A line with the size of a chunk.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The end of its line.
    DataEnd,
    /// Trailers, so many bytes of which have come, and an empty line.
    Trailers(usize),
}

/// The bytes are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its chunks are malformed")]
pub struct Malformed;

impl Body {
    /// One of which nothing is to come.
    pub const OVER: Self = Self::Length(0);

    /// One in chunks, from its beginning.
    #[must_use]
    pub fn chunked() -> Self {
        Self::Chunked(Chunks::Size)
    }

    /// Whether all of it has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self == Self::OVER
    }

    /// The next part that `bytes` begin with: how many of them it takes, and the data among them.
    /// 0 where there are too few.
    ///
    /// # Errors
    /// Where a chunk isn't as long as it says, or its size is none, or lines are longer than 16 KiB.
    pub fn next<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, &'b [u8]), Malformed> {
        match self {
            Self::UntilClose => Ok((bytes.len(), bytes)),
            Self::Length(left) => Ok(take(bytes, left)),
            Self::Chunked(Chunks::Data(left)) => {
                let taken = take(bytes, left);
                if *left == 0 {
                    *self = Self::Chunked(Chunks::DataEnd);
                }
                Ok(taken)
            }
            Self::Chunked(chunks) => {
                let used = chunks.next_line(bytes)?;
                if *chunks == Chunks::END {
                    *self = Self::OVER;
                }
                Ok((used, &[]))
            }
        }
    }
}

impl Chunks {
    /// Behind the empty line.
    const END: Self = Self::Data(0);

    /// Reads the line that comes next; returns how many bytes it takes.
    fn next_line(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let used;
        (used, *self) = match *self {
            Self::Size => match httparse::parse_chunk_size(bytes) {
                Ok(Status::Complete((used, 0))) => (used, Self::Trailers(0)),
                Ok(Status::Complete((used, size))) => (used, Self::Data(size)),
                Ok(Status::Partial) if bytes.len() < LINES_LIMIT => (0, Self::Size),
                Ok(Status::Partial) | Err(_) => return Err(Malformed),
            },
            Self::DataEnd => match bytes {
                [b'\r', b'\n', ..] => (2, Self::Size),
                [] | [b'\r'] => (0, Self::DataEnd),
                _ => return Err(Malformed),
            },
            Self::Trailers(before) => match line(bytes) {
                Some(b"\r\n") => (2, Self::END),
                Some(line) if before + line.len() < LINES_LIMIT => {
                    (line.len(), Self::Trailers(before + line.len()))
                }
                None if before + bytes.len() < LINES_LIMIT => (0, *self),
                Some(_) | None => return Err(Malformed),
            },
            Self::Data(_) => unreachable!("data is no line"),
        };
        Ok(used)
    }
}

/// The first line, with its end.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some(&bytes[..=end])
}

/// Takes what there is of the `left` bytes that are to come.
fn take<'b>(bytes: &'b [u8], left: &mut u64) -> (usize, &'b [u8]) {
    let there = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left -= there as u64;
    (there, &bytes[..there])
}

#[cfg(test)]
mod tests;
