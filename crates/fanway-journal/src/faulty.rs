//! A filesystem in memory that loses, tears, fills up and fails on demand: for tests.
//!
//! It knows, for every file and every name, what would survive a power loss. [`FaultyFs::crash`] makes of it the
//! filesystem that the machine would come back with, as often and in as many ways as a test likes. Every
//! operation that changes something is a *step*, and counted: a test runs something once to learn its steps,
//! then again and again with the crash or the failure at each of them.
//!
//! What it takes for granted: folders themselves are never lost, and locks last no longer than the process.

mod crash;
mod disk;
mod file;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use self::disk::Disk;
use self::file::FaultyFile;
use crate::fs::{File, Fs, Lock, LockError};

pub use self::crash::{Crash, Keep};

/// A filesystem in memory. Clones are the same one.
#[derive(Clone)]
pub struct FaultyFs {
    shared: Arc<Shared>,
}

/// A kind of operation that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A file is made.
    Create,
    /// A file is written. When it fails, the first half was written.
    Write,
    /// A file is synced. When it fails, what wasn't synced reads fine and will never reach the disk, as on Linux.
    Sync,
    /// A file gets another name.
    Rename,
    /// A file is removed.
    Remove,
    /// A folder is synced.
    SyncDir,
}

/// When a full disk is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// The write fails.
    OnWrite,
    /// The write is taken, the sync fails.
    OnSync,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone)]
struct State {
    disk: Disk,
    steps: u64,
    freeze_after: Option<u64>,
    faults: Vec<Fault>,
    holds: Vec<Holding>,
    next_hold: u64,
}

#[derive(Clone)]
struct Fault {
    when: When,
    kind: ErrorKind,
}

#[derive(Clone)]
enum When {
    /// The step of that number.
    Step(u64),
    /// So many matching operations from now, 1 for the next.
    Nth { op: Op, part: String, left: u64 },
}

#[derive(Clone)]
struct Holding {
    id: u64,
    op: Op,
    part: String,
    reached: bool,
}

impl FaultyFs {
    /// An empty filesystem without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Disk::default())
    }

    fn with(disk: Disk) -> Self {
        let state = State {
            disk,
            steps: 0,
            freeze_after: None,
            faults: Vec::new(),
            holds: Vec::new(),
            next_hold: 0,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
        }
    }

    /// How many operations have changed something, failed ones included.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Lets everything fail once so many steps are done: nothing changes any more, nothing can be read.
    pub fn freeze_after(&self, steps: u64) {
        self.state().freeze_after = Some(steps);
    }

    /// Lets the step of this number fail; the first is 1.
    pub fn fail_step(&self, step: u64, kind: ErrorKind) {
        self.state().faults.push(Fault {
            when: When::Step(step),
            kind,
        });
    }

    /// Lets the `nth` operation from now fail (1 is the next) among those of that kind on paths that contain `part`.
    pub fn fail(&self, op: Op, part: &str, nth: u64, kind: ErrorKind) {
        let when = When::Nth {
            op,
            part: part.to_owned(),
            left: nth,
        };
        self.state().faults.push(Fault { when, kind });
    }

    /// Holds up operations of that kind on paths that contain `part`, until what is returned is dropped.
    #[must_use]
    pub fn hold(&self, op: Op, part: &str) -> Hold {
        let mut state = self.state();
        let id = state.next_hold;
        state.next_hold += 1;
        state.holds.push(Holding {
            id,
            op,
            part: part.to_owned(),
            reached: false,
        });
        Hold {
            fs: self.clone(),
            id,
        }
    }

    /// Limits the bytes of all files together; `None` lifts the limit. What is there stays.
    pub fn set_capacity(&self, bytes: Option<u64>, noticed: Noticed) {
        self.state().disk.capacity = bytes.map(|bytes| (bytes, noticed));
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().disk.used()
    }

    /// The filesystem as it is after a crash. This one fails from now on, but can crash again in another way.
    #[must_use]
    pub fn crash(&self, how: &Crash) -> Self {
        let mut state = self.state();
        state.freeze_after = Some(0);
        Self::with(state.disk.after(how))
    }

    /// How many sectors of so many bytes [`Crash::Sectors`] could keep or lose.
    #[must_use]
    pub fn unsynced_sectors(&self, size: usize) -> usize {
        self.state().disk.unsynced_sectors(size).len()
    }

    /// Bytes of the last write, unless that was synced: [`Crash::TornWrite`] tears it.
    #[must_use]
    pub fn last_write(&self) -> Option<usize> {
        self.state().disk.last_write()
    }

    /// All files, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().disk.paths()
    }

    /// What a file reads as; `None` where there is none.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.state().disk.contents(path)
    }

    /// Changes a file behind everybody's back, on the disk too; one that isn't there is made. No step.
    pub fn put(&self, path: &Path, contents: Vec<u8>) {
        self.state().disk.put(path, contents);
    }

    /// Removes a file behind everybody's back. No step. Returns whether it was there.
    pub fn delete(&self, path: &Path) -> bool {
        self.state().disk.delete(path)
    }

    /// Flips a bit of a file, counted from its first byte's lowest. No step.
    ///
    /// # Panics
    /// When the file isn't there or isn't that long.
    pub fn flip_bit(&self, path: &Path, bit: usize) {
        let mut contents = self
            .contents(path)
            .expect("the file whose bit is flipped exists");
        contents[bit / 8] ^= 1 << (bit % 8);
        self.put(path, contents);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a step; what it does follows under the same lock. Says also whether it is to fail.
    fn step(&self, op: Op, path: &Path) -> io::Result<(MutexGuard<'_, State>, io::Result<()>)> {
        let mut state = self.wait_for_holds(op, path);
        state.check_frozen()?;
        state.steps += 1;
        let result = state
            .fault(op, path)
            .map_or(Ok(()), |kind| Err(io::Error::from(kind)));
        Ok((state, result))
    }

    fn wait_for_holds(&self, op: Op, path: &Path) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let path = path.to_string_lossy();
        while let Some(hold) = state
            .holds
            .iter_mut()
            .find(|hold| hold.op == op && path.contains(&hold.part))
        {
            hold.reached = true;
            self.shared.changed.notify_all();
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    fn reading(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        state.check_frozen()?;
        Ok(state)
    }

    fn file(&self, inode: u64, path: &Path) -> Arc<dyn File> {
        Arc::new(FaultyFile {
            fs: self.clone(),
            inode,
            path: path.to_owned(),
        })
    }
}

impl State {
    fn check_frozen(&self) -> io::Result<()> {
        match self.freeze_after {
            Some(steps) if self.steps >= steps => Err(io::Error::other("the filesystem is frozen")),
            _ => Ok(()),
        }
    }

    fn fault(&mut self, op: Op, path: &Path) -> Option<ErrorKind> {
        let (steps, path) = (self.steps, path.to_string_lossy());
        let hit = self
            .faults
            .iter_mut()
            .position(|fault| match &mut fault.when {
                When::Step(step) => *step == steps,
                When::Nth {
                    op: wanted,
                    part,
                    left,
                } => {
                    let matches = *wanted == op && path.contains(part.as_str());
                    *left -= u64::from(matches);
                    matches && *left == 0
                }
            })?;
        Some(self.faults.remove(hit).kind)
    }
}

impl Default for FaultyFs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FaultyFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyFs")
            .field("steps", &self.steps())
            .finish_non_exhaustive()
    }
}

impl Fs for FaultyFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.reading()?.disk.create_dir(dir);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.reading()?.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let (mut state, result) = self.step(Op::Create, path)?;
        result?;
        let inode = state.disk.create(path)?;
        Ok(self.file(inode, path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inode = self.reading()?.disk.find(path)?;
        Ok(self.file(inode, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, result) = self.step(Op::Rename, from)?;
        result?;
        state.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut state, result) = self.step(Op::Remove, path)?;
        result?;
        state.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, result) = self.step(Op::SyncDir, dir)?;
        result?;
        state.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn Lock>, LockError> {
        let mut state = self.reading()?;
        if let Some(holder) = state.disk.locks.get(path) {
            return Err(LockError::Held {
                holder: holder.clone(),
            });
        }
        state.disk.locks.insert(path.to_owned(), holder.to_owned());
        Ok(Box::new(FaultyLock {
            fs: self.clone(),
            path: path.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct FaultyLock {
    fs: FaultyFs,
    path: PathBuf,
}

impl Lock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.fs.state().disk.locks.remove(&self.path);
    }
}

/// Holds up operations until it is dropped.
#[derive(Debug)]
pub struct Hold {
    fs: FaultyFs,
    id: u64,
}

impl Hold {
    /// Waits until an operation is held up.
    pub fn wait_until_reached(&self) {
        let mut state = self.fs.state();
        while !state
            .holds
            .iter()
            .any(|hold| hold.id == self.id && hold.reached)
        {
            state = self
                .fs
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.fs.state().holds.retain(|hold| hold.id != self.id);
        self.fs.shared.changed.notify_all();
    }
}
