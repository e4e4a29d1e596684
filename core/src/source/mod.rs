//! The core's interface to an operating system.
//!
//! The core owns these traits; the Linux command and the firmware program implement them. Paths are
//! `/`-separated bytes. [`MemorySource`] is an implementation in memory for documentation, tests and fuzzing.

mod any;
mod dated;
mod error;
mod faulty;
mod lines;
mod memory;

pub use any::AnySource;
pub use dated::{DatedSource, FileTime};
pub(crate) use error::NO_SPACE;
pub use error::{IoError, IoErrorKind};
pub use faulty::FaultySource;
pub(crate) use lines::{Lines, PATH_LINE};
pub use memory::{MemoryFile, MemorySource};

use alloc::vec::Vec;

use bstr::BString;

use crate::zeros;

/// The type of a directory entry, without following links.
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
    /// Its type, as the directory records it.
    pub kind: EntryKind,
}

/// Sorts directory entries by name.
pub(crate) fn sort_entries(entries: &mut [DirEntry]) {
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
}

/// The attributes of a file, with links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File type.
    pub kind: FileKind,
    /// Identity of a file or directory: device and inode, or another unique pair.
    pub id: (u64, u64),
    /// Size in bytes.
    pub size: u64,
    /// Whether root owns it; true on systems without file ownership.
    pub root_owned: bool,
}

/// File types, as far as the walk distinguishes them.
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
    /// When `into` cannot be filled; a short read is an error.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError>;

    /// Fills several pieces, each from its offset on, in ascending order and without overlap. A file that is
    /// read from its begin every time has them all from one reading.
    ///
    /// # Errors
    /// As for [`Self::read_at`].
    fn read_all(&mut self, pieces: &mut [(u64, &mut [u8])]) -> Result<(), IoError> {
        pieces.iter_mut().try_for_each(|(offset, into)| self.read_at(*offset, into))
    }
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

/// Access to modules and side files. The host lists single directories; the core handles recursion,
/// exclusions, order and priority.
///
/// A whole source, of one directory without modules:
///
/// ```
/// use depmod_core::{DirEntry, FileKind, Found, IoError, Options, Source, Stat, run};
///
/// struct Empty;
///
/// impl Source for Empty {
///     type File = &'static [u8];
///
///     fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
///         if dir == b"/d" { Ok(Vec::new()) } else { Err(IoError::not_found()) }
///     }
///     fn stat(&self, _: &[u8]) -> Result<Stat, IoError> {
///         Ok(Stat { kind: FileKind::Directory, id: (0, 1), size: 0, root_owned: true })
///     }
///     fn open(&self, _: &[u8]) -> Result<&'static [u8], IoError> {
///         Err(IoError::not_found())
///     }
/// }
///
/// let files = run(&Options::new("/d", "6.1"), &Empty, &mut ())?;
/// assert_eq!(files.lookup()?.find("virtio-bus")?, Found::Nothing);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub trait Source {
    /// An open file.
    type File: ReadAt;

    /// The entries of a directory, in any order.
    ///
    /// # Errors
    /// When the directory cannot be opened or read.
    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError>;

    /// The attributes of the file at `path`, with links followed.
    ///
    /// # Errors
    /// When there is no file, or its attributes cannot be read.
    fn stat(&self, path: &[u8]) -> Result<Stat, IoError>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it cannot be opened. Opening a directory may succeed and fail at the first read.
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
        zeros::grow_to(&mut bytes, size);
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a whole file named by the user. Unlike [`Self::read`], it waits for the writer of a pipe.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn read_named(&self, path: &[u8], limit: u64) -> Result<Vec<u8>, IoError> {
        self.read(path, limit)
    }
}
