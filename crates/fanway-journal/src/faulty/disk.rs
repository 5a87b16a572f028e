//! What is in files and folders, and what of it a power loss would leave.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Noticed;
use crate::width::{in_file, in_memory};

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    /// As the process sees them.
    pub(super) names: BTreeMap<PathBuf, u64>,
    /// As a power loss leaves them.
    pub(super) synced_names: BTreeMap<PathBuf, u64>,
    /// What is between the two, in order.
    pub(super) changes: Vec<Change>,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) locks: BTreeMap<PathBuf, String>,
    pub(super) capacity: Option<(u64, Noticed)>,
    pub(super) last_written: Option<u64>,
    next_inode: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// As it reads.
    pub(super) bytes: Vec<u8>,
    /// As a power loss leaves it, if it leaves nothing unsynced.
    pub(super) synced: Vec<u8>,
    /// Writes since the last sync, in order.
    pub(super) writes: Vec<Write>,
}

#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) offset: usize,
    pub(super) data: Vec<u8>,
}

/// A change of names that no folder's sync has made last yet.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Remove(PathBuf),
}

impl Change {
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Create(path, _) | Self::Remove(path) | Self::Rename(_, path, _) => path.parent(),
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Create(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// Puts `data` at `offset` of `bytes`, with zeros before it where there was nothing.
pub(super) fn put_at(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl Disk {
    pub(super) fn create_dir(&mut self, dir: &Path) {
        self.dirs.extend(dir.ancestors().map(Path::to_owned));
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.check_dir(dir)?;
        let inside = self.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
            .collect())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        self.check_dir(path.parent().unwrap_or(path))?;
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        self.change(Change::Create(path.to_owned(), inode));
        Ok(inode)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        self.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check_dir(dir)?;
        let (synced, rest) = self
            .changes
            .drain(..)
            .partition(|change| change.dir() == Some(dir));
        self.changes = rest;
        let synced: Vec<Change> = synced;
        for change in synced {
            change.apply(&mut self.synced_names);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, inode: u64, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = in_memory(offset);
        let used = self.used();
        let file = self.inodes.entry(inode).or_default();
        let growth = in_file((offset + data.len()).saturating_sub(file.bytes.len()));
        if let Some((capacity, Noticed::OnWrite)) = self.capacity
            && growth > 0
            && used + growth > capacity
        {
            return Err(ErrorKind::StorageFull.into());
        }
        put_at(&mut file.bytes, offset, data);
        file.writes.push(Write {
            offset,
            data: data.to_vec(),
        });
        self.last_written = Some(inode);
        Ok(())
    }

    pub(super) fn sync(&mut self, inode: u64) -> io::Result<()> {
        let used = self.used();
        let file = self.inodes.entry(inode).or_default();
        if let Some((capacity, Noticed::OnSync)) = self.capacity
            && used > capacity
            && file.bytes.len() > file.synced.len()
        {
            file.writes.clear();
            return Err(ErrorKind::StorageFull.into());
        }
        for write in file.writes.drain(..) {
            put_at(&mut file.synced, write.offset, &write.data);
        }
        Ok(())
    }

    /// After a failed sync the kernel takes the pages for clean: they read fine and are never written.
    pub(super) fn forget_unsynced(&mut self, inode: u64) {
        self.inodes.entry(inode).or_default().writes.clear();
    }

    pub(super) fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|file| in_file(file.bytes.len()))
            .sum()
    }

    pub(super) fn bytes(&self, inode: u64) -> &[u8] {
        self.inodes.get(&inode).map_or(&[], |file| &file.bytes)
    }

    pub(super) fn name_of(&self, inode: u64) -> Option<PathBuf> {
        self.names
            .iter()
            .find(|(_, found)| **found == inode)
            .map(|(path, _)| path.clone())
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.names
            .get(path)
            .map(|inode| self.bytes(*inode).to_vec())
    }

    pub(super) fn put(&mut self, path: &Path, contents: Vec<u8>) {
        let inode = self.names.get(path).copied().unwrap_or_else(|| {
            self.next_inode += 1;
            self.next_inode - 1
        });
        self.names.insert(path.to_owned(), inode);
        self.synced_names.insert(path.to_owned(), inode);
        self.inodes.insert(
            inode,
            Inode {
                bytes: contents.clone(),
                synced: contents,
                writes: Vec::new(),
            },
        );
    }

    pub(super) fn delete(&mut self, path: &Path) -> bool {
        self.synced_names.remove(path);
        self.names.remove(path).is_some()
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn check_dir(&self, dir: &Path) -> io::Result<()> {
        if self.dirs.contains(dir) {
            Ok(())
        } else {
            Err(ErrorKind::NotFound.into())
        }
    }
}
