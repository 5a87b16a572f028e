//! A spare's life in files: filled, activated, and made of a trimmed segment.
//!
//! Every change of name is synced before anything depends on it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::folder;
use crate::format::SegmentHeader;
use crate::fs::{File, Fs};
use crate::scan::Segment;
use crate::width::{in_file, in_memory};

/// Bytes of zeros written at once.
const PIECE: u64 = 1 << 20;

/// Bytes after which zeros are synced: the disk gets them in portions that don't hold up the committer for long.
const SYNC_EVERY: u64 = 4 << 20;

/// A file that is written to the last byte and waits to become a segment.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
}

/// A spare on its way.
#[derive(Debug)]
pub(crate) struct Filling {
    number: u64,
    path: PathBuf,
    file: Arc<dyn File>,
    size: u64,
    written: u64,
}

impl Filling {
    pub(crate) fn begin(fs: &dyn Fs, dir: &Path, number: u64, size: u64) -> io::Result<Self> {
        let path = folder::filling(dir, number);
        let file = fs.create(&path)?;
        Ok(Self {
            number,
            path,
            file,
            size,
            written: 0,
        })
    }

    /// Writes another piece. Returns whether it was the last.
    pub(crate) fn step(&mut self) -> io::Result<bool> {
        let piece = PIECE.min(self.size - self.written);
        self.file
            .write_at(&vec![0; in_memory(piece)], self.written)?;
        self.written += piece;
        let full = self.written == self.size;
        if full || self.written.is_multiple_of(SYNC_EVERY) {
            self.file.sync_data()?;
        }
        Ok(full)
    }

    /// Makes it a spare. Before this, nobody takes it for one.
    pub(crate) fn finish(&self, fs: &dyn Fs, dir: &Path) -> io::Result<Spare> {
        let path = folder::spare(dir, self.number);
        fs.rename(&self.path, &path)?;
        fs.sync_dir(dir)?;
        Ok(Spare {
            path,
            file: Arc::clone(&self.file),
        })
    }

    /// Removes what there is of it, under whichever name. What can't be removed is at the next start.
    pub(crate) fn abandon(&self, fs: &dyn Fs, dir: &Path) {
        let removed = fs
            .remove(&self.path)
            .or_else(|_| fs.remove(&folder::spare(dir, self.number)));
        if removed.is_ok() {
            // Only so that the disk gets its room back; the name is worth nothing either way.
            let _ = fs.sync_dir(dir);
        }
    }
}

/// Makes a spare the segment that `header` describes.
pub(crate) fn activate(
    fs: &dyn Fs,
    dir: &Path,
    spare: Spare,
    header: SegmentHeader,
) -> io::Result<Segment> {
    let path = folder::segment(dir, header.generation);
    spare.file.write_at(&header.encode(), 0)?;
    spare.file.sync_data()?;
    fs.rename(&spare.path, &path)?;
    fs.sync_dir(dir)?;
    Ok(Segment {
        path,
        header,
        file: spare.file,
    })
}

/// Makes a segment that nobody needs a spare. Its old bytes stay: they can't be taken for new ones.
pub(crate) fn recycle(
    fs: &dyn Fs,
    dir: &Path,
    segment: &Path,
    file: Arc<dyn File>,
    number: u64,
) -> io::Result<Spare> {
    let path = folder::spare(dir, number);
    fs.rename(segment, &path)?;
    fs.sync_dir(dir)?;
    Ok(Spare { path, file })
}

/// Opens the spare of that number, if it can become a segment of this size and generation.
///
/// A spare whose bytes carry this or a later generation would not be safe: it is of another journal, or of this
/// one before its segments were taken away.
pub(crate) fn reuse(
    fs: &dyn Fs,
    dir: &Path,
    number: u64,
    size: u64,
    generation: u64,
) -> io::Result<Option<Spare>> {
    let path = folder::spare(dir, number);
    let file = fs.open(&path)?;
    let block = crate::scan::read_block(&*file)?;
    let old = SegmentHeader::decode_any(&block).ok();
    let usable = file.size()? == size
        && in_file(block.len()) == crate::format::BLOCK
        && old.is_none_or(|old| old.generation < generation);
    Ok(usable.then_some(Spare { path, file }))
}
