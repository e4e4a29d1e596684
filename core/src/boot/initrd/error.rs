//! Errors of building initrds, and in existing ones.

use core::fmt;

use crate::boot::{ArchiveError, DirectoryError, PackError};
use crate::decompress::DecodeError;
use crate::index::IndexError;

/// The reason for a missing initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitrdError {
    /// The module directory is unusable.
    Directory(DirectoryError),
    /// A search in an index failed.
    Index(IndexError),
    /// The archive cannot be built.
    Pack(PackError),
}

impl fmt::Display for InitrdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => error.fmt(f),
            Self::Index(_) => f.write_str("cannot plan with the index files"),
            Self::Pack(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for InitrdError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Directory(error) => error.source(),
            Self::Index(error) => Some(error),
            Self::Pack(error) => error.source(),
        }
    }
}

impl From<DirectoryError> for InitrdError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<IndexError> for InitrdError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl From<PackError> for InitrdError {
    fn from(error: PackError) -> Self {
        Self::Pack(error)
    }
}

/// The reason for an unreadable initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingError {
    /// A compression format that Linux supports and this crate does not.
    Unsupported(&'static str),
    /// The data at this offset is neither an archive nor in a format that Linux can decompress.
    Unknown(usize),
    /// Compressed data is corrupt or too large.
    Decode(DecodeError),
    /// The same, in a format not used for modules.
    Stream {
        /// Name of the format.
        format: &'static str,
        /// The cause.
        cause: &'static str,
    },
    /// An archive is corrupt.
    Cpio(ArchiveError),
}

impl fmt::Display for ExistingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(format) => write!(f, "{format} is not supported"),
            Self::Unknown(offset) => write!(f, "no archive at offset {offset:#x}"),
            Self::Decode(error) => error.fmt(f),
            Self::Stream { format, cause } => write!(f, "{format}: {cause}"),
            Self::Cpio(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ExistingError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Cpio(error) => error.source(),
            _ => None,
        }
    }
}
