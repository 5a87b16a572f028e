//! Checking a journal that isn't running, without changing it.

use std::io;
use std::path::{Path, PathBuf};

use crate::folder;
use crate::fs::Fs;
use crate::open::{self, Amount, Damage, Stop};
use crate::position::Position;
use crate::survey::{Layout, LayoutError, Verdict, Walk};

/// What a journal's folder holds.
#[derive(Debug)]
pub struct Report {
    /// How the last run ended.
    pub stop: Stop,
    /// From where on the log is complete, if anything tells.
    pub start: Option<Position>,
    /// Behind the last record that a start would recover.
    pub end: Position,
    /// How much a start would recover.
    pub kept: Amount,
    /// The segments of the log, oldest first, with what is intact in each, behind a damage too.
    pub segments: Vec<Segment>,
    /// Segments of earlier runs that the next start removes unread.
    pub obsolete: Vec<PathBuf>,
    /// Prepared segments.
    pub spares: usize,
    /// Every place where something is damaged or torn, in the log's order.
    pub damage: Vec<Damage>,
    /// What a start would do.
    pub verdict: Outcome,
}

/// A segment of the log.
#[derive(Debug)]
pub struct Segment {
    /// The file.
    pub file: PathBuf,
    /// Its number.
    pub generation: u64,
    /// The position of its first byte behind the header.
    pub base: Position,
    /// What is intact in it.
    pub intact: Amount,
}

/// What a start would do with a journal.
#[derive(Debug)]
pub enum Outcome {
    /// Start: everything is intact.
    Intact,
    /// Start, without the last, unacknowledged batch, of which so many bytes are recognisable.
    Cut(u64),
    /// Refuse, for this reason.
    Refused(open::Error),
}

/// Why a journal couldn't be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such folder, or it can't be read.
    #[error("{} can't be read", dir.display())]
    Dir {
        /// The folder.
        dir: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// It is running, or its lock can't be had.
    #[error(transparent)]
    Lock(open::Error),
}

/// Checks the journal in `dir`, as a start would and further. It takes the journal's lock meanwhile.
///
/// # Errors
/// Only when it couldn't be checked; what is wrong with the journal is in the report.
pub fn verify(dir: &Path, fs: &dyn Fs) -> Result<Report, Error> {
    // So that a wrong path isn't reported as an empty journal.
    fs.list(dir).map_err(|source| Error::Dir {
        dir: dir.to_owned(),
        source,
    })?;
    let _lock = open::lock(fs, dir, "fanway journal verify").map_err(Error::Lock)?;
    Ok(report(dir, fs))
}

/// Checks a journal that is locked already.
pub(crate) fn report(dir: &Path, fs: &dyn Fs) -> Report {
    let layout = match Layout::read(fs, dir) {
        Ok(layout) => layout,
        Err(error) => return unreadable(error),
    };
    let stop = open::stop(&layout);
    let segments = layout.live.iter().map(|segment| Segment {
        file: segment.path.clone(),
        generation: segment.header.generation,
        base: segment.header.base,
        intact: Amount::default(),
    });
    let mut report = Report {
        stop,
        start: None,
        end: Position::ZERO,
        kept: Amount::default(),
        segments: segments.collect(),
        obsolete: layout
            .obsolete
            .iter()
            .map(|segment| segment.path.clone())
            .collect(),
        spares: layout.listing.spares.len(),
        damage: Vec::new(),
        verdict: Outcome::Intact,
    };
    let walk = match Walk::along(&layout) {
        Ok(walk) => walk,
        Err(error) => {
            report.verdict = Outcome::Refused(error.into());
            return report;
        }
    };
    report.start = walk.start;
    report.end = walk.end;
    report.kept = walk.kept;
    for (segment, intact) in report.segments.iter_mut().zip(&walk.segments) {
        segment.intact = *intact;
    }
    report
        .damage
        .extend(walk.breaks.iter().map(|found| found.damage.clone()));
    report.verdict = match walk.verdict(&layout, dir) {
        Verdict::Intact => Outcome::Intact,
        Verdict::Cut(bytes) => Outcome::Cut(bytes),
        Verdict::Refused(damage) => {
            if walk.breaks.is_empty() {
                report.damage.push(damage.clone());
            }
            Outcome::Refused(open::Error::Damaged(damage))
        }
    };
    report
}

/// The report when not even the segments' headers fit together.
fn unreadable(error: LayoutError) -> Report {
    let damage = match &error {
        LayoutError::Damage(damage, _) => vec![damage.clone()],
        LayoutError::Io(..) | LayoutError::Unsupported(..) => Vec::new(),
    };
    let clean = damage
        .iter()
        .any(|damage| damage.file.ends_with(folder::CLOSED));
    Report {
        stop: if clean { Stop::Clean } else { Stop::Unclean },
        start: None,
        end: Position::ZERO,
        kept: Amount::default(),
        segments: Vec::new(),
        obsolete: Vec::new(),
        spares: 0,
        damage,
        verdict: Outcome::Refused(error.into()),
    }
}
