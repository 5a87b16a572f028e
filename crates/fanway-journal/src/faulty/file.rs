//! An open file of the faulty filesystem.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{FaultyFs, Op};
use crate::fs::File;
use crate::width::{in_file, in_memory};

/// An open file.
pub(super) struct FaultyFile {
    pub(super) fs: FaultyFs,
    pub(super) inode: u64,
    /// The name it was opened by.
    pub(super) path: PathBuf,
}

impl fmt::Debug for FaultyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl FaultyFile {
    /// The file's present name.
    fn name(&self) -> PathBuf {
        self.fs
            .state()
            .disk
            .name_of(self.inode)
            .unwrap_or_else(|| self.path.clone())
    }
}

impl File for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        let state = self.fs.reading()?;
        Ok(in_file(state.disk.bytes(self.inode).len()))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.fs.reading()?;
        let bytes = state.disk.bytes(self.inode);
        let from = in_memory(offset).min(bytes.len());
        let read = buffer.len().min(bytes.len() - from);
        buffer[..read].copy_from_slice(&bytes[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let (mut state, result) = self.fs.step(Op::Write, &self.name())?;
        if result.is_err() {
            state
                .disk
                .write(self.inode, offset, &data[..data.len() / 2])?;
        }
        result?;
        state.disk.write(self.inode, offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, result) = self.fs.step(Op::Sync, &self.name())?;
        if result.is_err() {
            state.disk.forget_unsynced(self.inode);
        }
        result?;
        state.disk.sync(self.inode)
    }
}
