//! What the core asks of an operating system, and nothing more.
//!
//! The core owns these traits; the Linux command and the firmware program implement them.
//! Paths are `/`-separated bytes. [`MemoryHost`] is the implementation that lives in memory: it
//! serves documentation, tests and fuzzing.

mod any;
mod memory;

pub use any::AnySource;
pub use memory::MemoryHost;

use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

use crate::diagnostic::Diagnostic;

/// Why a host could not do what it was asked. `Display` is the system's own text (`strerror`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoError {
    kind: IoErrorKind,
    text: Cow<'static, str>,
}

/// The causes that the core treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoErrorKind {
    /// Nothing stands at this path.
    NotFound,
    /// A directory where a file was wanted.
    IsDirectory,
    /// Larger than the ceiling given with the request.
    TooLarge,
    /// Anything else.
    Other,
}

impl IoError {
    /// An error with the system's own words for it.
    pub fn new(kind: IoErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into() }
    }

    /// An error of no special kind.
    pub fn other(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(IoErrorKind::Other, text)
    }

    /// `No such file or directory`.
    pub fn not_found() -> Self {
        Self::new(IoErrorKind::NotFound, "No such file or directory")
    }

    /// `Is a directory`.
    pub fn is_directory() -> Self {
        Self::new(IoErrorKind::IsDirectory, "Is a directory")
    }

    /// The ceiling that came with a request was exceeded.
    pub fn too_large() -> Self {
        Self::new(IoErrorKind::TooLarge, "File too large")
    }

    /// The cause, as far as the core cares.
    pub fn kind(&self) -> IoErrorKind {
        self.kind
    }

    /// The system's text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl core::error::Error for IoError {}

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
    pub name: Vec<u8>,
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
        bytes.try_reserve_exact(size).map_err(|_| IoError::other("Cannot allocate memory"))?;
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

/// Takes the core's diagnostics, in order.
pub trait Reporter {
    /// Called once for each diagnostic.
    fn report(&mut self, diagnostic: Diagnostic);
}

/// Collects them.
impl Reporter for Vec<Diagnostic> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.push(diagnostic);
    }
}
