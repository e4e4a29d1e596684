//! Why an existing initrd cannot be looked into.

use core::fmt;

use crate::boot::ArchiveError;
use crate::decompress::DecodeError;

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingError {
    /// It is compressed in a way that Linux knows and this crate does not.
    Unsupported(&'static str),
    /// Neither an archive nor something that Linux could decompress begins at this offset.
    Unknown(usize),
    /// Something compressed is broken or too large.
    Decode(DecodeError),
    /// The same, of a format that modules do not come in.
    Stream {
        /// Its name.
        format: &'static str,
        /// What is wrong.
        cause: &'static str,
    },
    /// An archive is broken.
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
