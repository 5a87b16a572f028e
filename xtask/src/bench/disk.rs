//! The disk that the gateway keeps its data on: what it takes to make 4 KiB durable, and how much
//! has been written to it.
//!
//! What is written is the device's count, not `/proc/PID/io`: Linux charges a process with whole
//! folios, which on ext4 can be a hundred times of what it hands on to the disk.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of a write.
const PAGE: usize = 4096;
/// Bytes of a sector in the device's counts, whatever the device itself has.
const SECTOR: u64 = 512;
/// Writes of a probe.
const WRITES: u64 = 1_000;

/// A file that was filled with zeros, as a journal's segment is.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    /// Where the device's counts are; there are none of a file system without one.
    counts: Option<PathBuf>,
}

impl Disk {
    /// Makes the file.
    pub(crate) fn prepare(folder: &Path) -> anyhow::Result<Self> {
        let mut file = File::create(folder.join("probe"))?;
        for _ in 0..WRITES {
            file.write_all(&[0; PAGE])?;
        }
        file.sync_all()?;
        let device = file.metadata()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let counts = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        Ok(Self {
            file,
            counts: counts.exists().then_some(counts),
        })
    }

    /// Bytes that were written to the device so far, by whomever.
    pub(crate) fn written(&self) -> Option<u64> {
        let counts = fs::read_to_string(self.counts.as_ref()?).ok()?;
        let sectors: u64 = counts.split_whitespace().nth(6)?.parse().ok()?;
        Some(sectors * SECTOR)
    }

    /// Has everything written that the system still holds back, of whomever: it would be written
    /// during the next measurement, and hold up the syncs of that one.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        Ok(rustix::fs::syncfs(&self.file)?)
    }

    /// The 99th percentile of a write and its `fdatasync`.
    pub(crate) fn probe(&self) -> anyhow::Result<Duration> {
        let mut took = Vec::new();
        for page in 0..WRITES {
            let begun = Instant::now();
            self.file.write_all_at(&[1; PAGE], page * PAGE as u64)?;
            self.file.sync_data()?;
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        Ok(took[took.len() * 99 / 100])
    }
}
