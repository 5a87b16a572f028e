//! The names of the files in a journal's folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::Fs;

/// The file that is locked while the journal is open.
pub(crate) const LOCK: &str = "lock";

/// The closing record.
pub(crate) const CLOSED: &str = "closed";

/// The closing record on its way.
pub(crate) const CLOSED_NEW: &str = "closed-new";

const SEGMENT: &str = "segment-";
const SEGMENT_END: &str = ".log";
const SPARE: &str = "spare-";
const FILLING: &str = "filling-";

/// What of a journal is in its folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Generations of the segments, in order.
    pub(crate) segments: Vec<u64>,
    /// Numbers of the spares, in order.
    pub(crate) spares: Vec<u64>,
    /// Names of files that were being made when the process ended.
    pub(crate) unfinished: Vec<String>,
    /// Whether there is a closing record.
    pub(crate) closed: bool,
}

impl Listing {
    pub(crate) fn read(fs: &dyn Fs, dir: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for name in fs.list(dir)? {
            if let Some(generation) = name
                .strip_suffix(SEGMENT_END)
                .and_then(|stem| number(stem, SEGMENT))
            {
                listing.segments.push(generation);
            } else if let Some(number) = number(&name, SPARE) {
                listing.spares.push(number);
            } else if name == CLOSED_NEW || number(&name, FILLING).is_some() {
                listing.unfinished.push(name);
            } else if name == CLOSED {
                listing.closed = true;
            }
        }
        listing.segments.sort_unstable();
        listing.spares.sort_unstable();
        Ok(listing)
    }
}

/// The path of a segment.
pub(crate) fn segment(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{SEGMENT}{generation:016x}{SEGMENT_END}"))
}

/// The path of a spare.
pub(crate) fn spare(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{SPARE}{number:016x}"))
}

/// The path of a spare on its way.
pub(crate) fn filling(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{FILLING}{number:016x}"))
}

/// The number in a name such as `spare-00000000000000ff`, written exactly as it would be today: a copy that
/// somebody made by hand is not taken for the file.
fn number(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    // There must be a number behind each.
    (number < u64::MAX && format!("{number:016x}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_lookalikes_are_not() {
        let name = segment(Path::new(""), 0x2a);
        assert_eq!(name, Path::new("segment-000000000000002a.log"));
        assert_eq!(number("segment-000000000000002a", SEGMENT), Some(0x2a));
        for lookalike in [
            "segment-2a",
            "segment-000000000000002A",
            "segment-+00000000000002a",
            "segment-ffffffffffffffff",
            "segment-",
        ] {
            assert_eq!(number(lookalike, SEGMENT), None, "{lookalike}");
        }
    }
}
