//! What the core asks of an operating system, and nothing more.
//!
//! The core owns these traits; the Linux command and the firmware program implement them.
//! Paths are `/`-separated bytes. [`MemorySource`] is the implementation that lives in memory: it
//! serves documentation, tests and fuzzing.

mod any;
mod error;
mod faulty;
mod memory;

pub use any::AnySource;
pub use error::{IoError, IoErrorKind};
pub use faulty::FaultySource;
pub use memory::{MemoryFile, MemorySource};

use alloc::vec::Vec;

use bstr::BString;

/// What a directory says about one of its entries, before any link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, something else, or unknown: [`Source::stat`] decides.
    Unresolved,
}

/// One entry of a directory. `.` and `..` are never listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// File name, without any `/`.
    pub name: BString,
    /// What the directory itself tells about it.
    pub kind: EntryKind,
}

/// What stands at a path after links were followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File type.
    pub kind: FileKind,
    /// Identity of a file or directory: device and inode, or whatever tells two of them apart.
    pub id: (u64, u64),
    /// Size in bytes.
    pub size: u64,
    /// Whether root owns it; true where nobody owns files.
    pub root_owned: bool,
}

/// File types as the walk tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else, with its `S_IFMT` bits (`0o010000` is a FIFO).
    Other(u32),
}

/// Bytes at offsets: an open file, a decoded buffer, a member of an archive.
pub trait ReadAt {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Fills `into` from `offset` on.
    ///
    /// # Errors
    /// When not all of it could be read; a short read is an error.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError>;
}

impl ReadAt for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..into.len()))
            .ok_or_else(|| IoError::other("Read beyond the end"))?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

/// Where modules and side files come from. Listing, not walking, is the host's verb: recursion,
/// exclusions, order and priority are the core's.
pub trait Source {
    /// An open file.
    type File: ReadAt;

    /// The entries of a directory, in any order.
    ///
    /// # Errors
    /// When the directory cannot be opened or read.
    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError>;

    /// What stands at `path`, links followed.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be told.
    fn stat(&self, path: &[u8]) -> Result<Stat, IoError>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it cannot be opened. A directory may open and fail at the first read.
    fn open(&self, path: &[u8]) -> Result<Self::File, IoError>;

    /// Reads a whole side file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it cannot be opened or read, or is larger than `limit`.
    fn read(&self, path: &[u8], limit: u64) -> Result<Vec<u8>, IoError> {
        let mut file = self.open(path)?;
        let size = file.size();
        if size > limit {
            return Err(IoError::too_large());
        }
        let mut bytes = Vec::new();
        let size = usize::try_from(size).map_err(|_| IoError::too_large())?;
        bytes.try_reserve_exact(size).map_err(|_| IoError::no_memory())?;
        bytes.resize(size, 0);
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a whole file that the user has named. Unlike one that a run finds by itself, a pipe is
    /// waited for.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn read_named(&self, path: &[u8], limit: u64) -> Result<Vec<u8>, IoError> {
        self.read(path, limit)
    }
}
