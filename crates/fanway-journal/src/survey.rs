//! What of a folder is intact, torn or damaged. It only reads; `open`, `verify` and `repair` judge by it.
//!
//! Here is which files there are and whether they fit together; `walk` follows the batches in them.

mod walk;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::folder::{self, Listing};
use crate::format::{BatchHeader, Closing, SegmentHeader, Unreadable};
use crate::fs::Fs;
use crate::scan::{Segment, read_block};

pub(crate) use self::walk::{Break, Verdict, Walk, WalkError};

/// What stands in the way of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file that is damaged or missing.
    pub file: PathBuf,
    /// The byte of the file where it begins.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {}: {}",
            self.file.display(),
            self.offset,
            self.what
        )
    }
}

/// How much is intact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of those batches, headers included.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, header: &BatchHeader) {
        if !header.is_hole() {
            self.batches += 1;
            self.records += u64::from(header.records);
            self.bytes += header.total();
        }
    }
}

/// The segments of the log in order, and the closing record, before a batch was read.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) listing: Listing,
    /// Segments of the log.
    pub(crate) live: Vec<Segment>,
    /// Segments of earlier runs, left over from a crash during a start.
    pub(crate) obsolete: Vec<Segment>,
    pub(crate) closing: Option<Closing>,
}

/// Why the layout couldn't be read.
#[derive(Debug)]
pub(crate) enum LayoutError {
    Io(PathBuf, io::Error),
    Damage(Damage, Wrong),
    Unsupported(PathBuf, String),
}

/// Which part of a layout is wrong: what repair has to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The header of that generation's segment.
    Header(u64),
    /// There is no segment of that generation.
    Missing(u64),
    /// Intact segments that don't belong together.
    Sequence,
    /// The closing record.
    Closing,
}

impl Layout {
    pub(crate) fn read(fs: &dyn Fs, dir: &Path) -> Result<Self, LayoutError> {
        let listing =
            Listing::read(fs, dir).map_err(|error| LayoutError::Io(dir.to_owned(), error))?;
        let mut segments = Vec::new();
        for &generation in &listing.segments {
            segments.push(Self::segment(fs, dir, generation)?);
        }
        let begins = segments
            .iter()
            .rposition(|segment| segment.header.fresh.is_some())
            .unwrap_or(0);
        let live = segments.split_off(begins);
        Self::check_sequence(dir, &live)?;
        let closing = if listing.closed {
            Some(Self::closing(fs, dir)?)
        } else {
            None
        };
        if let Some(closing) = closing
            && !live
                .iter()
                .any(|segment| segment.header.generation == closing.generation)
        {
            let file = folder::segment(dir, closing.generation);
            let what =
                "the segment is missing that was current when the journal was closed".to_owned();
            return Err(LayoutError::Damage(
                Damage {
                    file,
                    offset: 0,
                    what,
                },
                Wrong::Closing,
            ));
        }
        Ok(Self {
            listing,
            live,
            obsolete: segments,
            closing,
        })
    }

    fn segment(fs: &dyn Fs, dir: &Path, generation: u64) -> Result<Segment, LayoutError> {
        let path = folder::segment(dir, generation);
        match Segment::open(fs, dir, generation) {
            Ok(Ok(segment)) => Ok(segment),
            Ok(Err(Unreadable::Unsupported(what))) => Err(LayoutError::Unsupported(path, what)),
            Ok(Err(Unreadable::Damaged(what))) => {
                let damage = Damage {
                    file: path,
                    offset: 0,
                    what: what.to_owned(),
                };
                Err(LayoutError::Damage(damage, Wrong::Header(generation)))
            }
            Err(error) => Err(LayoutError::Io(path, error)),
        }
    }

    fn check_sequence(dir: &Path, live: &[Segment]) -> Result<(), LayoutError> {
        for pair in live.windows(2) {
            let (one, next) = (&pair[0].header, &pair[1].header);
            let expected = one.generation + 1;
            if next.generation != expected {
                let what = "the segment is missing".to_owned();
                let damage = Damage {
                    file: folder::segment(dir, expected),
                    offset: 0,
                    what,
                };
                return Err(LayoutError::Damage(damage, Wrong::Missing(expected)));
            }
            if next.base != one.limit() {
                let what = format!(
                    "the segment begins at position {}, not {}",
                    next.base,
                    one.limit()
                );
                let damage = Damage {
                    file: pair[1].path.clone(),
                    offset: 0,
                    what,
                };
                return Err(LayoutError::Damage(damage, Wrong::Sequence));
            }
        }
        Ok(())
    }

    fn closing(fs: &dyn Fs, dir: &Path) -> Result<Closing, LayoutError> {
        let path = dir.join(folder::CLOSED);
        let bytes = fs
            .open(&path)
            .and_then(|file| read_block(&*file))
            .map_err(|error| LayoutError::Io(path.clone(), error))?;
        Closing::decode(&bytes).map_err(|unreadable| match unreadable {
            Unreadable::Unsupported(what) => LayoutError::Unsupported(path, what),
            Unreadable::Damaged(what) => LayoutError::Damage(
                Damage {
                    file: path,
                    offset: 0,
                    what: what.to_owned(),
                },
                Wrong::Closing,
            ),
        })
    }

    /// The newest segment's header: where the next run begins behind.
    pub(crate) fn newest(&self) -> Option<&SegmentHeader> {
        self.live.last().map(|segment| &segment.header)
    }
}
