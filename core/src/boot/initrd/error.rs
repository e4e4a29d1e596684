//! Errors in existing initrds.

use core::fmt;

use crate::boot::ArchiveError;
use crate::decompress::DecodeError;

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
