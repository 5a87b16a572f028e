//! Mending a damaged journal: what is damaged is set aside in files of its own, what is intact is kept, where
//! it is and at its position.
//!
//! One damage is mended at a time, and all is checked again after each, until a start would go well. Nothing is
//! overwritten before its bytes are safe in a side file, so that a repair that is interrupted can be repeated.

use std::io;
use std::path::{Path, PathBuf};

use crate::folder::{self, Listing};
use crate::format::{
    BLOCK, BatchHeader, HEADER_LEN, HOLE, MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE, SegmentHeader,
    Unreadable,
};
use crate::fs::{File, Fs};
use crate::open;
use crate::position::Position;
use crate::scan::{self, Segment};
use crate::spare::{self, Filling};
use crate::survey::{Break, Damage, Layout, LayoutError, Verdict, Walk, WalkError, Wrong};
use crate::verify::{self, Report};
use crate::width::{in_file, in_memory};

/// What a repair has done.
#[derive(Debug)]
pub struct RepairReport {
    /// What was damaged, in the order in which it was mended.
    pub mended: Vec<Mended>,
    /// How the journal is now: a start would go well.
    pub after: Report,
}

/// One damage that was mended.
#[derive(Debug, PartialEq, Eq)]
pub struct Mended {
    /// What was damaged.
    pub damage: Damage,
    /// Where its bytes are now. Nothing was there to be kept when a file was missing.
    pub side_file: Option<PathBuf>,
}

/// Why a journal couldn't be mended. What was set aside so far stays there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It couldn't be checked.
    #[error(transparent)]
    Verify(#[from] verify::Error),
    /// It can't be opened for another reason than damage.
    #[error(transparent)]
    Open(#[from] open::Error),
    /// There is no way known to mend it.
    #[error("no way is known to mend {0}")]
    Hopeless(Damage),
    /// A file couldn't be read or written.
    #[error("{} can't be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
}

/// Mends the journal in `dir`, which must not be running, so that a start goes well. A journal of which a start
/// would only cut a torn batch is left as it is.
///
/// # Errors
/// [`Error::Hopeless`] for damage that isn't the disk's doing, such as segments of two journals in one folder.
pub fn repair(dir: &Path, fs: &dyn Fs) -> Result<RepairReport, Error> {
    fs.list(dir).map_err(|source| verify::Error::Dir {
        dir: dir.to_owned(),
        source,
    })?;
    let _lock = open::lock(fs, dir, "fanway journal repair").map_err(verify::Error::Lock)?;
    let mut repair = Repair {
        dir,
        fs,
        mended: Vec::new(),
    };
    while repair.mend_one()? {}
    Ok(RepairReport {
        mended: repair.mended,
        after: verify::report(dir, fs),
    })
}

struct Repair<'a> {
    dir: &'a Path,
    fs: &'a dyn Fs,
    mended: Vec<Mended>,
}

impl Repair<'_> {
    /// Mends the first damage. Returns whether there was one.
    fn mend_one(&mut self) -> Result<bool, Error> {
        let layout = match Layout::read(self.fs, self.dir) {
            Ok(layout) => layout,
            Err(LayoutError::Damage(damage, wrong)) => {
                let side_file = match wrong {
                    Wrong::Header(generation) => self.header(&damage, generation)?,
                    Wrong::Missing(generation) => {
                        self.replace(&damage, generation)?;
                        None
                    }
                    Wrong::Closing => Some(self.closing()?),
                    Wrong::Sequence => return Err(Error::Hopeless(damage)),
                };
                return self.done(damage, side_file);
            }
            Err(error) => return Err(open::Error::from(error).into()),
        };
        let walk = Walk::along(&layout).map_err(|error: WalkError| open::Error::from(error))?;
        let Verdict::Refused(damage) = walk.verdict(&layout, self.dir) else {
            return Ok(false);
        };
        let side_file = match walk.breaks.first() {
            Some(first) => self.hole(&layout, &walk, first)?,
            None => self.closing()?,
        };
        self.done(damage, Some(side_file))
    }

    fn done(&mut self, damage: Damage, side_file: Option<PathBuf>) -> Result<bool, Error> {
        let mended = Mended { damage, side_file };
        if self
            .mended
            .iter()
            .any(|earlier| earlier.damage == mended.damage)
        {
            // The same again: what was done didn't help.
            return Err(Error::Hopeless(mended.damage));
        }
        self.mended.push(mended);
        Ok(true)
    }

    /// A segment header that isn't as it must be.
    fn header(&self, damage: &Damage, generation: u64) -> Result<Option<PathBuf>, Error> {
        let path = &damage.file;
        let file = self.fs.open(path).map_err(io_error(path))?;
        let block = scan::read_block(&*file).map_err(io_error(path))?;
        match SegmentHeader::decode_any(&block) {
            Ok(header) if header.generation == generation => {
                let side_file = self.set_aside(&format!("{generation:016x}-0"), &block)?;
                file.write_at(&header.encode(), 0)
                    .and_then(|()| extend(&*file, header.size))
                    .and_then(|()| file.sync_data())
                    .map_err(io_error(path))?;
                Ok(Some(side_file))
            }
            Ok(_) => Err(Error::Hopeless(damage.clone())),
            Err(Unreadable::Unsupported(what)) => Err(open::Error::Unsupported {
                file: path.clone(),
                what,
            }
            .into()),
            Err(Unreadable::Damaged(_)) => {
                // Without its salt nothing in the segment can be told from noise.
                let side_file = self.side_path(&format!("{generation:016x}-0"))?;
                self.move_file(path, &side_file)?;
                self.replace(damage, generation)?;
                Ok(Some(side_file))
            }
        }
    }

    /// Puts a segment that is one hole where there is none, so that the log goes on behind it. A log of that one
    /// segment only is left empty: the next start takes its position from the caller.
    fn replace(&self, damage: &Damage, generation: u64) -> Result<(), Error> {
        let before = generation
            .checked_sub(1)
            .and_then(|before| self.neighbour(before).transpose())
            .transpose()?;
        let behind = self.neighbour(generation + 1)?;
        let (base, size) = match (&before, &behind) {
            (None, None) => return Ok(()),
            (Some(before), None) => (before.limit().0, before.size),
            (None, Some(behind)) => (behind.base.0.saturating_sub(behind.capacity()), behind.size),
            (Some(before), Some(behind)) => (
                before.limit().0,
                behind
                    .base
                    .0
                    .saturating_sub(before.limit().0)
                    .saturating_add(BLOCK),
            ),
        };
        let possible =
            size.is_multiple_of(BLOCK) && (MIN_SEGMENT_SIZE..=MAX_SEGMENT_SIZE).contains(&size);
        if !possible {
            return Err(Error::Hopeless(damage.clone()));
        }
        let header = SegmentHeader::new(generation, Position(base), size, None);
        // Nothing tells how far the caller had come in front of a log's first segment: it may ask for anything.
        let previous = before.map_or(Position::ZERO, |before| before.limit());
        let hole = hole_header(&header, BLOCK, size, previous);
        self.write_segment(header, &hole)
            .map_err(io_error(&damage.file))
    }

    /// The header of another segment, if that is there and readable.
    fn neighbour(&self, generation: u64) -> Result<Option<SegmentHeader>, Error> {
        let path = folder::segment(self.dir, generation);
        let file = match self.fs.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&path)(error)),
        };
        Ok(SegmentHeader::decode_any(&scan::read_block(&*file).map_err(io_error(&path))?).ok())
    }

    fn write_segment(&self, header: SegmentHeader, hole: &BatchHeader) -> io::Result<()> {
        // Whatever a crash leaves of this, the next start removes or uses.
        let spares = Listing::read(self.fs, self.dir)?.spares;
        let number = spares.last().map_or(0, |last| last + 1);
        let mut filling = Filling::begin(self.fs, self.dir, number, header.size)?;
        while !filling.step()? {}
        let spare = filling.finish(self.fs, self.dir)?;
        spare.file.write_at(&hole.encode(header.seed()), BLOCK)?;
        spare::activate(self.fs, self.dir, spare, header).map(drop)
    }

    /// Puts a hole over a break, with the bytes that are there set aside.
    fn hole(&self, layout: &Layout, walk: &Walk, found: &Break) -> Result<PathBuf, Error> {
        let segment: &Segment = &layout.live[found.segment];
        let recognised = (found.recognised > 0).then(|| found.offset + found.recognised);
        let until = found.until.or(recognised).unwrap_or(segment.header.size);
        if until < found.offset + in_file(HEADER_LEN) {
            return Err(Error::Hopeless(found.damage.clone()));
        }
        let mut bytes = vec![0; in_memory(until - found.offset)];
        let read = segment
            .file
            .read_at(&mut bytes, found.offset)
            .map_err(io_error(&segment.path))?;
        let name = format!("{:016x}-{}", segment.header.generation, found.offset);
        let side_file = self.set_aside(&name, &bytes[..read])?;

        let hole = hole_header(&segment.header, found.offset, until, walk.end);
        segment
            .file
            .write_at(&hole.encode(segment.header.seed()), found.offset)
            .and_then(|()| segment.file.sync_data())
            .map_err(io_error(&segment.path))?;
        Ok(side_file)
    }

    /// Takes the closing record away: the journal is as after a crash then.
    fn closing(&self) -> Result<PathBuf, Error> {
        let side_file = self.side_path("closed")?;
        self.move_file(&self.dir.join(folder::CLOSED), &side_file)?;
        Ok(side_file)
    }

    fn set_aside(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        let path = self.side_path(name)?;
        let written = self.fs.create(&path).and_then(|file| {
            file.write_at(bytes, 0)?;
            file.sync_data()?;
            self.fs.sync_dir(self.dir)
        });
        written.map_err(io_error(&path))?;
        Ok(path)
    }

    /// A name for a side file that isn't taken: an earlier repair's is never written over.
    fn side_path(&self, name: &str) -> Result<PathBuf, Error> {
        let taken = self.fs.list(self.dir).map_err(io_error(self.dir))?;
        let mut candidate = format!("damaged-{name}.bin");
        let mut count = 1_u32;
        while taken.contains(&candidate) {
            count += 1;
            candidate = format!("damaged-{name}-{count}.bin");
        }
        Ok(self.dir.join(candidate))
    }

    fn move_file(&self, from: &Path, to: &Path) -> Result<(), Error> {
        self.fs
            .rename(from, to)
            .and_then(|()| self.fs.sync_dir(self.dir))
            .map_err(io_error(from))
    }
}

/// A hole from one offset to another.
fn hole_header(segment: &SegmentHeader, from: u64, until: u64, previous: Position) -> BatchHeader {
    let payload = until - from - in_file(HEADER_LEN);
    BatchHeader {
        len: in_file(HEADER_LEN),
        required: HOLE,
        generation: segment.generation,
        number: 0,
        position: segment.position(from),
        previous,
        synced: previous,
        payload: u32::try_from(payload).expect("a segment is at most 1 GiB"),
        records: 0,
    }
}

/// Gives a file that was cut short its length back.
fn extend(file: &dyn File, size: u64) -> io::Result<()> {
    let present = file.size()?;
    if present < size {
        file.write_at(&vec![0; in_memory(size - present)], present)?;
    }
    Ok(())
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io {
        path: path.clone(),
        source,
    }
}
