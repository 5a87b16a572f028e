//! Where in the journal something is.

use std::fmt;

/// A logical byte position in the journal. It grows for ever, over restarts and trimming too.
///
/// A record's position is the one *just behind* it: whoever has taken over everything up to a record's
/// position has taken over that record. Positions grow strictly with the order of records, but not without
/// gaps: headers, and what is left unused at a segment's end, count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Where a new journal begins.
    pub const ZERO: Self = Self(0);
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
