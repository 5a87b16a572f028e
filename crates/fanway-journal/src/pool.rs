//! Which segment is what: in use, current, next, spare; and what the preparer has to do next.
//!
//! Only bookkeeping: it is kept under the journal's one lock, and touches no file.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::fs::File;
use crate::params::Params;
use crate::position::Position;
use crate::scan::Segment;
use crate::spare::Spare;
use crate::width::in_file;

/// A segment that is full, or left over from an earlier run.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) file: Arc<dyn File>,
    /// Behind its last batch.
    pub(crate) end: Position,
    /// Whether all that was written is synced.
    pub(crate) synced: bool,
}

/// What the preparer has to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Make a spare the next segment, of this generation and base.
    Activate(Spare, u64, Position),
    /// Make a trimmed segment a spare.
    Recycle(Sealed),
    /// Remove a trimmed segment that isn't needed as a spare.
    Remove(Sealed),
    /// Write another piece of a new spare.
    Fill,
    /// Remove the spare that is being filled: a recycled segment has taken its place.
    StopFilling,
}

/// Which task is due.
enum Due {
    Activate,
    Recycle,
    StopFilling,
    Fill,
}

#[derive(Debug)]
pub(crate) struct Pool {
    segment_size: u64,
    wanted: usize,
    max_total: u64,
    /// Oldest first, without the current one.
    pub(crate) sealed: VecDeque<Sealed>,
    /// The segment that the committer goes on with, once it is activated.
    pub(crate) next: Option<Segment>,
    spares: VecDeque<Spare>,
    /// A spare is on its way to becoming `next`.
    activating: bool,
    /// A spare is being filled.
    filling: bool,
    /// Generation and base of the segment to be activated next.
    upcoming: (u64, Position),
    /// Whether half of the current segment is used.
    pub(crate) half_used: bool,
    /// A group had no room: a new spare isn't put off until trimming may make one.
    pressed: bool,
    /// Bytes of all files, the current segment's included.
    total: u64,
    trimmed: Position,
    /// The last attempt to fill a spare failed, and it isn't time for another.
    pub(crate) starved: Option<Arc<io::Error>>,
}

impl Pool {
    /// A pool behind the current segment, whose file is counted.
    pub(crate) fn new(
        params: &Params,
        current: &Segment,
        spares: VecDeque<Spare>,
        left_over: VecDeque<Sealed>,
    ) -> Self {
        let size = params.segment_size;
        let total = size
            + size * in_file(spares.len())
            + left_over.iter().map(|sealed| sealed.size).sum::<u64>();
        Self {
            segment_size: size,
            wanted: params.spares,
            max_total: params.max_total.unwrap_or(u64::MAX),
            sealed: left_over,
            next: None,
            spares,
            activating: false,
            filling: false,
            upcoming: (current.header.generation + 1, current.header.limit()),
            half_used: false,
            pressed: false,
            total,
            trimmed: current.header.base,
            starved: None,
        }
    }

    /// Prepared segments behind the current one.
    pub(crate) fn ready(&self) -> usize {
        usize::from(self.next.is_some() || self.activating) + self.spares.len()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Up to where nothing is needed any more.
    pub(crate) fn trimmed(&self) -> Position {
        self.trimmed
    }

    /// Segments that end at or below `up_to` may go.
    pub(crate) fn trim(&mut self, up_to: Position) {
        self.trimmed = self.trimmed.max(up_to);
    }

    /// What to do now; the pool takes it for under way. `durable` is the end of the last batch that is kept.
    pub(crate) fn next_task(&mut self, durable: Position) -> Option<Task> {
        Some(match self.due(durable)? {
            Due::Activate => {
                let spare = self.spares.pop_front()?;
                self.activating = true;
                Task::Activate(spare, self.upcoming.0, self.upcoming.1)
            }
            Due::Recycle => {
                let sealed = self.sealed.pop_front()?;
                let wanted = self.ready() < self.wanted && sealed.size == self.segment_size;
                if wanted {
                    Task::Recycle(sealed)
                } else {
                    Task::Remove(sealed)
                }
            }
            Due::StopFilling => Task::StopFilling,
            Due::Fill => {
                if !self.filling {
                    self.filling = true;
                    self.total += self.segment_size;
                }
                Task::Fill
            }
        })
    }

    /// Whether there is something to do.
    pub(crate) fn has_task(&self, durable: Position) -> bool {
        self.due(durable).is_some()
    }

    fn due(&self, durable: Position) -> Option<Due> {
        let full = self.ready() >= self.wanted;
        if self.next.is_none() && !self.activating && !self.spares.is_empty() {
            return Some(Due::Activate);
        }
        if self.may_recycle(durable) {
            return Some(Due::Recycle);
        }
        if self.filling && full {
            return Some(Due::StopFilling);
        }
        (!full && self.starved.is_none() && self.may_fill()).then_some(Due::Fill)
    }

    /// A new spare costs as many bytes of zeros as a segment has of records: while there are segments that
    /// trimming will make spares of, it is begun only when that hasn't happened by half of the current one.
    fn may_fill(&self) -> bool {
        let due = self.sealed.is_empty() || self.ready() == 0 || self.half_used || self.pressed;
        self.may_grow() && (self.filling || due)
    }

    /// Whether the limit leaves another spare.
    fn may_grow(&self) -> bool {
        self.filling || self.total + self.segment_size <= self.max_total
    }

    /// Notes that a group had no room.
    pub(crate) fn press(&mut self) {
        self.pressed = true;
    }

    /// Whether a full segment would be followed by another: nothing is known to be in its way.
    pub(crate) fn can_follow(&self) -> bool {
        self.starved.is_none() && self.may_grow()
    }

    /// The oldest segment may go when nothing in it is needed and a later one holds a batch that a
    /// crash leaves: otherwise nothing would tell where the log begins.
    fn may_recycle(&self, durable: Position) -> bool {
        self.sealed
            .front()
            .is_some_and(|oldest| oldest.end <= self.trimmed && oldest.end < durable)
    }

    pub(crate) fn activated(&mut self, next: Segment) {
        self.activating = false;
        self.upcoming = (next.header.generation + 1, next.header.limit());
        self.next = Some(next);
    }

    pub(crate) fn recycled(&mut self, spare: Spare) {
        self.spares.push_back(spare);
        self.pressed = false;
        self.starved = None;
    }

    pub(crate) fn removed(&mut self, size: u64) {
        self.total -= size;
        self.starved = None;
    }

    pub(crate) fn filled(&mut self, spare: Spare) {
        self.filling = false;
        self.pressed = false;
        self.spares.push_back(spare);
    }

    pub(crate) fn stopped_filling(&mut self) {
        if std::mem::take(&mut self.filling) {
            self.total -= self.segment_size;
        }
    }
}
