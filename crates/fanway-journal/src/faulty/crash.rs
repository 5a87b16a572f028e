//! What a crash leaves.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::{Disk, Inode, Write, put_at};

/// How a crash goes: what becomes of all that wasn't synced. What was synced stays.
#[derive(Clone, Debug)]
pub enum Crash {
    /// Power loss: nothing unsynced is on the disk, neither bytes nor names.
    LoseUnsynced,
    /// Power loss just after the system had written everything by itself.
    KeepAll,
    /// Power loss while the system was writing: some sectors of so many bytes (512, or 4096 for pages) are on the
    /// disk, others aren't. A sector that was written more than once may be in any of its states.
    Sectors {
        /// Bytes of a sector.
        size: usize,
        /// Which of them are kept.
        keep: Keep,
    },
    /// Power loss within the last write: its first so many bytes are on the disk, and all before it.
    TornWrite(usize),
    /// The process is killed, the machine goes on: nothing is lost, what isn't synced still isn't.
    Killed,
}

/// Which unsynced sectors are kept.
#[derive(Clone, Debug)]
pub enum Keep {
    /// Each sector and each change of a name, or not, by this seed.
    Seed(u64),
    /// Those of these numbers, in the order of files and offsets, and all changes of names.
    Only(Vec<usize>),
}

impl Disk {
    pub(super) fn after(&self, how: &Crash) -> Self {
        let mut after = self.clone();
        after.locks.clear();
        if matches!(how, Crash::Killed) {
            return after;
        }
        let mut seed = Seed(match how {
            Crash::Sectors {
                keep: Keep::Seed(seed),
                ..
            } => *seed,
            _ => 0,
        });
        let mut names = self.synced_names.clone();
        for change in &self.changes {
            let kept = match how {
                Crash::LoseUnsynced => false,
                Crash::Sectors {
                    keep: Keep::Seed(_),
                    ..
                } => seed.next(2) == 1,
                _ => true,
            };
            if kept {
                change.apply(&mut names);
            }
        }
        let contents = self.contents_after(how, &mut seed);
        after.inodes = contents
            .into_iter()
            .filter(|(inode, _)| names.values().any(|named| named == inode))
            .map(|(inode, bytes)| {
                (
                    inode,
                    Inode {
                        synced: bytes.clone(),
                        bytes,
                        writes: Vec::new(),
                    },
                )
            })
            .collect();
        after.names.clone_from(&names);
        after.synced_names = names;
        after.changes.clear();
        after.last_written = None;
        after
    }

    fn contents_after(&self, how: &Crash, seed: &mut Seed) -> BTreeMap<u64, Vec<u8>> {
        let mut contents: BTreeMap<u64, Vec<u8>> = self
            .inodes
            .iter()
            .map(|(inode, file)| (*inode, file.synced.clone()))
            .collect();
        match how {
            Crash::LoseUnsynced | Crash::Killed => {}
            Crash::KeepAll => self.keep_writes(&mut contents, usize::MAX),
            Crash::TornWrite(at) => self.keep_writes(&mut contents, *at),
            Crash::Sectors { size, keep } => {
                for (number, sector) in self.unsynced_sectors(*size).into_iter().enumerate() {
                    let (inode, at) = sector;
                    let pieces: Vec<_> = self.inodes[&inode]
                        .writes
                        .iter()
                        .filter_map(|write| piece(write, at, *size))
                        .collect();
                    let kept = match keep {
                        Keep::Seed(_) => seed.next(pieces.len() + 1),
                        Keep::Only(numbers) if numbers.contains(&number) => pieces.len(),
                        Keep::Only(_) => 0,
                    };
                    let bytes = contents.entry(inode).or_default();
                    for (offset, data) in pieces.into_iter().take(kept) {
                        put_at(bytes, offset, data);
                    }
                }
            }
        }
        contents
    }

    /// Keeps all writes, the last one of all up to `torn_at`.
    fn keep_writes(&self, contents: &mut BTreeMap<u64, Vec<u8>>, torn_at: usize) {
        for (inode, file) in &self.inodes {
            let bytes = contents.entry(*inode).or_default();
            for (number, write) in file.writes.iter().enumerate() {
                let last = self.last_written == Some(*inode) && number + 1 == file.writes.len();
                let len = if last {
                    torn_at.min(write.data.len())
                } else {
                    write.data.len()
                };
                put_at(bytes, write.offset, &write.data[..len]);
            }
        }
    }

    /// Every sector that an unsynced write touches: file and number.
    pub(super) fn unsynced_sectors(&self, size: usize) -> BTreeSet<(u64, usize)> {
        let mut sectors = BTreeSet::new();
        for (inode, file) in &self.inodes {
            for write in &file.writes {
                let end = write.offset + write.data.len();
                sectors.extend(
                    (write.offset / size..end.div_ceil(size)).map(|sector| (*inode, sector)),
                );
            }
        }
        sectors
    }

    pub(super) fn last_write(&self) -> Option<usize> {
        let file = self.inodes.get(&self.last_written?)?;
        file.writes.last().map(|write| write.data.len())
    }
}

/// The part of a write that falls into a sector.
fn piece(write: &Write, sector: usize, size: usize) -> Option<(usize, &[u8])> {
    let from = write.offset.max(sector * size);
    let until = (write.offset + write.data.len()).min((sector + 1) * size);
    (from < until).then(|| (from, &write.data[from - write.offset..until - write.offset]))
}

/// Numbers that look random and are the same every time (splitmix64).
struct Seed(u64);

impl Seed {
    /// A number below `bound`.
    fn next(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        crate::width::in_memory(mixed % crate::width::in_file(bound))
    }
}
