//! Reading one segment: the batch at a place, and the next place where one might be.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::folder;
use crate::format::{
    BATCH_MAGIC, BLOCK, BatchHeader, HEADER_READ, SegmentHeader, Unreadable, record_at,
};
use crate::fs::{File, Fs};
use crate::width::{in_file, in_memory};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// A segment whose header has been read.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn File>,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("path", &self.path)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Segment {
    /// Opens the segment of a generation. The inner error says what is wrong with its header.
    pub(crate) fn open(
        fs: &dyn Fs,
        dir: &Path,
        generation: u64,
    ) -> io::Result<Result<Self, Unreadable>> {
        let path = folder::segment(dir, generation);
        let file = fs.open(&path)?;
        let header = match SegmentHeader::decode(&read_block(&*file)?) {
            Ok(header) => header,
            Err(unreadable) => return Ok(Err(unreadable)),
        };
        if header.generation != generation {
            return Ok(Err(Unreadable::Damaged(
                "the segment header names another generation than the file name",
            )));
        }
        if header.size > file.size()? {
            return Ok(Err(Unreadable::Damaged(
                "the file is shorter than its header says",
            )));
        }
        Ok(Ok(Self { path, header, file }))
    }
}

/// The first block of a file, or what there is of it.
pub(crate) fn read_block(file: &dyn File) -> io::Result<Vec<u8>> {
    let mut block = vec![0; in_memory(BLOCK)];
    let read = file.read_at(&mut block, 0)?;
    block.truncate(read);
    Ok(block)
}

/// What is found at a place in a segment.
#[derive(Debug)]
pub(crate) enum Found {
    /// A batch, intact to its last byte.
    Batch(BatchHeader),
    /// An intact header of a batch whose record at that offset of the file is not.
    Broken(BatchHeader, u64),
    /// No batch of this segment.
    Nothing,
    /// A batch that this version can't read.
    Unsupported(String),
}

/// A segment being read, with the bytes around the present place in memory.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    segment: &'a Segment,
    buffer: Vec<u8>,
    start: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// `len` bytes from `offset`, or fewer where the file ends.
    pub(crate) fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let len = in_file(len).min(self.segment.header.size.saturating_sub(offset));
        let held = self.start..self.start + in_file(self.buffer.len());
        if !(held.contains(&offset) && offset + len <= held.end) {
            let wanted = in_memory(len)
                .max(CHUNK)
                .min(in_memory(self.segment.header.size.saturating_sub(offset)));
            self.buffer.clear();
            self.buffer.resize(wanted, 0);
            let read = self.segment.file.read_at(&mut self.buffer, offset)?;
            self.buffer.truncate(read);
            self.start = offset;
        }
        let from = in_memory(offset - self.start);
        Ok(&self.buffer[from..self.buffer.len().min(from + in_memory(len))])
    }

    /// The intact header at `offset`, of a batch that is inside the segment and knows that it is there.
    fn header_at(&mut self, offset: u64) -> io::Result<Option<BatchHeader>> {
        let segment = self.segment;
        let Some(header) =
            BatchHeader::decode(self.bytes(offset, HEADER_READ)?, segment.header.seed())
        else {
            return Ok(None);
        };
        let belongs = header.generation == segment.header.generation
            && header.position == segment.header.position(offset)
            && offset + header.total() <= segment.header.size;
        Ok(belongs.then_some(header))
    }

    /// What is at `offset`.
    pub(crate) fn batch_at(&mut self, offset: u64) -> io::Result<Found> {
        let Some(header) = self.header_at(offset)? else {
            return Ok(Found::Nothing);
        };
        if let Some(what) = header.unsupported() {
            return Ok(Found::Unsupported(what));
        }
        if header.is_hole() {
            return Ok(Found::Batch(header));
        }
        let payload_at = offset + header.len;
        let seed = self.segment.header.seed();
        let payload = self.bytes(payload_at, in_memory(u64::from(header.payload)))?;
        let mut at = 0;
        for _ in 0..header.records {
            match record_at(payload, at, seed, header.number) {
                Some((_, next)) => at = next,
                None => return Ok(Found::Broken(header, payload_at + in_file(at))),
            }
        }
        if at != in_memory(u64::from(header.payload)) {
            return Ok(Found::Broken(header, payload_at + in_file(at)));
        }
        Ok(Found::Batch(header))
    }

    /// The first place from `offset` on where an intact batch header is.
    pub(crate) fn next_header(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let mut offset = offset;
        loop {
            let Some(found) = self.next_magic(offset)? else {
                return Ok(None);
            };
            if self.header_at(found)?.is_some() {
                return Ok(Some(found));
            }
            offset = found + 1;
        }
    }

    fn next_magic(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let mut offset = offset;
        loop {
            // What is in memory is searched to its end before more is read.
            if self.bytes(offset, BATCH_MAGIC.len())?.len() < BATCH_MAGIC.len() {
                return Ok(None);
            }
            let bytes = &self.buffer[in_memory(offset - self.start)..];
            if let Some(at) = find_magic(bytes) {
                return Ok(Some(offset + in_file(at)));
            }
            // The last bytes may be the beginning of one.
            offset += in_file(bytes.len() - (BATCH_MAGIC.len() - 1));
        }
    }
}

/// Where the magic of a batch first stands in `bytes`.
fn find_magic(bytes: &[u8]) -> Option<usize> {
    // `contains` on bytes looks at many at once; most of what is searched is zeros or doesn't have the byte.
    const STRIDE: usize = 64;
    let last = bytes.len().checked_sub(BATCH_MAGIC.len())?;
    let mut at = 0;
    while at <= last {
        let end = (at + STRIDE).min(last + 1);
        if bytes[at..end].contains(&BATCH_MAGIC[0])
            && let Some(found) = (at..end).find(|&start| bytes[start..].starts_with(&BATCH_MAGIC))
        {
            return Some(found);
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_is_found_wherever_it_stands() {
        for len in [8, 9, 63, 64, 65, 72, 200] {
            for at in 0..=len - 8 {
                let mut bytes = vec![BATCH_MAGIC[0]; len];
                bytes[at..at + 8].copy_from_slice(&BATCH_MAGIC);
                assert_eq!(find_magic(&bytes), Some(at), "{at} of {len}");
                bytes[at + 7] = 0;
                assert_eq!(find_magic(&bytes), None, "{at} of {len}");
            }
        }
        assert_eq!(find_magic(b"short"), None);
    }
}
