//! The walk along the log, batch by batch.
//!
//! Where a batch doesn't follow, it looks for intact headers behind that place: they tell whether the place
//! had been acknowledged (damage) or not (a tear), and where to go on counting what is intact behind it.

use std::io;
use std::path::{Path, PathBuf};

use super::{Amount, Damage, Layout};
use crate::folder;
use crate::format::{BLOCK, BatchHeader};
use crate::position::Position;
use crate::scan::{Found, Reader, Segment};

/// A place where no batch follows although something is behind it.
#[derive(Clone, Debug)]
pub(crate) struct Break {
    /// Which of the live segments.
    pub(crate) segment: usize,
    /// Where in its file.
    pub(crate) offset: u64,
    /// Where in its file the next intact header is, or what is damaged must end.
    pub(crate) until: Option<u64>,
    /// Bytes that the batch there takes, where its header is intact.
    pub(crate) recognised: u64,
    pub(crate) damage: Damage,
}

/// What the walk along the log found.
#[derive(Debug)]
pub(crate) struct Walk {
    /// From where on the log is complete; unknown when its first segment holds no batch to tell.
    pub(crate) start: Option<Position>,
    /// Behind the last batch before the first break.
    pub(crate) end: Position,
    /// Intact before the first break.
    pub(crate) kept: Amount,
    /// Intact in each live segment, behind breaks too.
    pub(crate) segments: Vec<Amount>,
    /// In the log's order.
    pub(crate) breaks: Vec<Break>,
    /// The highest position that a header at or behind the first break names as synced.
    synced_behind: Position,
    /// Bytes of intact batches behind the first break.
    behind: u64,
}

/// What is to be made of a walk.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Everything is there.
    Intact,
    /// What is behind the end was never acknowledged: so many bytes of it are recognisable.
    Cut(u64),
    /// Something acknowledged is damaged: at the first break, if there is one, or else the closing record.
    Refused(Damage),
}

/// Why the walk couldn't be finished.
#[derive(Debug)]
pub(crate) enum WalkError {
    Io(PathBuf, io::Error),
    Unsupported(PathBuf, String),
}

impl Walk {
    pub(crate) fn along(layout: &Layout) -> Result<Self, WalkError> {
        let mut walker = Walker::new(layout);
        for (index, segment) in layout.live.iter().enumerate() {
            // Behind the segment that was current at a clean stop there are only ones activated ahead.
            if layout
                .closing
                .is_none_or(|closing| segment.header.generation <= closing.generation)
            {
                walker.follow(index, segment)?;
            }
        }
        Ok(walker.finish())
    }

    pub(crate) fn verdict(&self, layout: &Layout, dir: &Path) -> Verdict {
        match (self.breaks.first(), layout.closing) {
            (Some(first), Some(_)) => Verdict::Refused(first.damage.clone()),
            (Some(first), None) if self.synced_behind > self.end => {
                Verdict::Refused(first.damage.clone())
            }
            (Some(first), None) => Verdict::Cut(first.recognised + self.behind),
            (None, Some(closing)) if closing.end != self.end => {
                let what = format!(
                    "the closing record names position {} as the end, which is at {}",
                    closing.end, self.end
                );
                Verdict::Refused(Damage {
                    file: dir.join(folder::CLOSED),
                    offset: 0,
                    what,
                })
            }
            (None, _) => Verdict::Intact,
        }
    }
}

/// What the next batch must be.
#[derive(Clone, Copy, Debug)]
enum Chain {
    /// Any: nothing is known of what was before.
    Any,
    /// The one of this number, which names this position as the end of the one before.
    Next(u64, Position),
}

impl Chain {
    fn accepts(self, header: &BatchHeader) -> bool {
        match self {
            Self::Any => true,
            Self::Next(number, previous) => {
                header.is_hole() || (header.number == number && header.previous == previous)
            }
        }
    }
}

struct Walker<'a> {
    layout: &'a Layout,
    walk: Walk,
    chain: Chain,
    /// Behind the last intact batch: segment and offset.
    place: (usize, u64),
}

impl<'a> Walker<'a> {
    fn new(layout: &'a Layout) -> Self {
        let first = layout.live.first().map(|segment| &segment.header);
        let fresh = first.and_then(|header| header.fresh);
        let base = first.map_or(Position::ZERO, |header| header.base);
        let walk = Walk {
            start: fresh,
            end: fresh.unwrap_or(base),
            kept: Amount::default(),
            segments: vec![Amount::default(); layout.live.len()],
            breaks: Vec::new(),
            synced_behind: Position::ZERO,
            behind: 0,
        };
        let chain = fresh.map_or(Chain::Any, |position| Chain::Next(1, position));
        Self {
            layout,
            walk,
            chain,
            place: (0, BLOCK),
        }
    }

    /// Follows the batches of one segment, over breaks too.
    fn follow(&mut self, index: usize, segment: &Segment) -> Result<(), WalkError> {
        let failed = |error| WalkError::Io(segment.path.clone(), error);
        let mut reader = Reader::new(segment);
        let mut offset = BLOCK;
        loop {
            // At a clean stop's end there is nothing to be searched behind.
            if self.layout.closing.is_some_and(|closing| {
                closing.generation == segment.header.generation
                    && closing.end == segment.header.position(offset)
            }) {
                return Ok(());
            }
            match reader.batch_at(offset).map_err(failed)? {
                Found::Unsupported(what) => {
                    return Err(WalkError::Unsupported(segment.path.clone(), what));
                }
                Found::Batch(header) => {
                    if !self.chain.accepts(&header) {
                        self.break_at(
                            self.place,
                            self.place.1,
                            "batches are missing that must be here",
                        );
                    }
                    offset += header.total();
                    self.take((index, offset), &header);
                }
                Found::Broken(header, place) => {
                    self.break_at((index, offset), place, "a record is damaged");
                    self.note_synced(&header);
                    if let Some(last) = self.walk.breaks.last_mut() {
                        last.recognised = header.total();
                    }
                    let Some(next) = reader.next_header(offset + 1).map_err(failed)? else {
                        return Ok(());
                    };
                    self.resume_at(next);
                    offset = next;
                }
                Found::Nothing => {
                    let Some(next) = reader.next_header(offset + 1).map_err(failed)? else {
                        return Ok(());
                    };
                    self.break_at(
                        (index, offset),
                        offset,
                        "no intact batch is here, but behind it",
                    );
                    self.resume_at(next);
                    offset = next;
                }
            }
        }
    }

    fn take(&mut self, behind: (usize, u64), header: &BatchHeader) {
        self.walk.segments[behind.0].add(header);
        self.place = behind;
        self.chain = if header.is_hole() {
            Chain::Any
        } else {
            Chain::Next(header.number + 1, header.end())
        };
        if self.walk.breaks.is_empty() {
            self.walk.start.get_or_insert(header.previous);
            self.walk.end = header.end();
            self.walk.kept.add(header);
        } else {
            self.note_synced(header);
            self.walk.behind += header.total();
        }
    }

    fn break_at(&mut self, (segment, offset): (usize, u64), place: u64, what: &str) {
        let file = self.layout.live[segment].path.clone();
        let damage = Damage {
            file,
            offset: place,
            what: what.to_owned(),
        };
        self.walk.breaks.push(Break {
            segment,
            offset,
            until: None,
            recognised: 0,
            damage,
        });
        self.chain = Chain::Any;
    }

    fn resume_at(&mut self, offset: u64) {
        if let Some(last) = self.walk.breaks.last_mut() {
            last.until = Some(offset);
        }
    }

    fn note_synced(&mut self, header: &BatchHeader) {
        self.walk.synced_behind = self.walk.synced_behind.max(header.synced);
    }

    /// When a clean stop's end wasn't reached, what is missing is the log's last part.
    fn finish(mut self) -> Walk {
        if let Some(closing) = self.layout.closing
            && self.walk.breaks.is_empty()
            && self.walk.end != closing.end
            && let Some(segment) = self
                .layout
                .live
                .iter()
                .position(|live| live.header.generation == closing.generation)
        {
            let header = &self.layout.live[segment].header;
            let from = if self.place.0 == segment {
                self.place.1
            } else {
                BLOCK
            };
            if closing.end > header.position(from) && closing.end <= header.limit() {
                let until = header.offset(closing.end);
                self.break_at(
                    (segment, from),
                    from,
                    "no intact batch is here, but the journal was closed behind it",
                );
                self.resume_at(until);
            }
        }
        self.walk
    }
}
