//! Reading what was recovered, in order.

use std::io;

use crate::format::{BLOCK, record_at};
use crate::position::Position;
use crate::scan::{Found, Reader, Segment};
use crate::width::in_memory;

/// Records that should be there are not: the journal begins behind the position that was asked for.
///
/// Segments have been removed by hand, or what the caller has taken over was set back (an old copy of it put
/// in place, for example).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal begins at position {start}: the records from {from} on are not in it")]
pub struct Missing {
    /// What was asked for.
    pub from: Position,
    /// Where the journal begins.
    pub start: Position,
}

/// The recovered records behind a position, in the journal's order: each with the position just behind it.
///
/// It ends after the first error: that the file can't be read, or reads differently than a moment before.
#[derive(Debug)]
pub struct Records<'a> {
    segments: std::slice::Iter<'a, Segment>,
    current: Option<Reading<'a>>,
    from: Position,
    end: Position,
}

#[derive(Debug)]
struct Reading<'a> {
    segment: &'a Segment,
    reader: Reader<'a>,
    offset: u64,
    batch: Option<Batch>,
}

/// A batch whose records are being handed out.
#[derive(Debug)]
struct Batch {
    number: u64,
    payload_at: u64,
    payload: u64,
    at: usize,
}

impl<'a> Records<'a> {
    /// The records between `from` and `end`. Up to `end` everything must have been found intact.
    pub(crate) fn new(segments: &'a [Segment], from: Position, end: Position) -> Self {
        // A segment that is wholly below needn't be read.
        let first = segments.partition_point(|segment| segment.header.limit() <= from);
        let mut segments = segments[first..].iter();
        let current = if from < end {
            segments.next().map(Reading::new)
        } else {
            None
        };
        Self {
            segments,
            current,
            from,
            end,
        }
    }

    fn advance(&mut self) -> io::Result<Option<(Position, Vec<u8>)>> {
        while let Some(reading) = &mut self.current {
            match reading.advance()? {
                Some((position, record)) => {
                    if position >= self.end {
                        self.current = None;
                    }
                    if position > self.from {
                        return Ok(Some((position, record)));
                    }
                }
                None => self.current = self.segments.next().map(Reading::new),
            }
        }
        Ok(None)
    }
}

impl Iterator for Records<'_> {
    type Item = io::Result<(Position, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.current = None;
        }
        next.transpose()
    }
}

impl<'a> Reading<'a> {
    fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            reader: Reader::new(segment),
            offset: BLOCK,
            batch: None,
        }
    }

    /// The segment's next record, or `None` behind its last.
    fn advance(&mut self) -> io::Result<Option<(Position, Vec<u8>)>> {
        loop {
            if let Some(batch) = &mut self.batch
                && batch.at < in_memory(batch.payload)
            {
                let seed = self.segment.header.seed();
                let payload = self
                    .reader
                    .bytes(batch.payload_at, in_memory(batch.payload))?;
                let (record, next) =
                    record_at(payload, batch.at, seed, batch.number).ok_or_else(|| {
                        io::Error::new(
                            io::ErrorKind::InvalidData,
                            "the record was intact when the journal was opened",
                        )
                    })?;
                let position = self
                    .segment
                    .header
                    .position(batch.payload_at + crate::width::in_file(next));
                batch.at = next;
                return Ok(Some((position, record.to_vec())));
            }
            let Found::Batch(header) = self.reader.batch_at(self.offset)? else {
                return Ok(None);
            };
            let payload_at = self.offset + header.len;
            self.offset += header.total();
            self.batch = (!header.is_hole()).then(|| Batch {
                number: header.number,
                payload_at,
                payload: u64::from(header.payload),
                at: 0,
            });
        }
    }
}
