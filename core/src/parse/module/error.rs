//! Errors that cost a module all or some of its facts.

use core::fmt;

use crate::{decompress::DecodeError, parse::elf::ElfError, source::IoError};

/// The reason for a module without facts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The host cannot open or read the file.
    Io(IoError),
    /// Fewer than six bytes: too short to detect the format.
    TooShort {
        /// Size of the file in bytes.
        size: u64,
    },
    /// The compressed data is invalid.
    Decode(DecodeError),
    /// The file is not a usable ELF file.
    Elf(ElfError),
    /// The file or its needed sections exceed a limit.
    TooLarge {
        /// Required bytes.
        size: u64,
        /// Allowed bytes.
        limit: u64,
    },
}

impl LoadError {
    /// kmod's text for the cause, after `failed to load symbols from …: `.
    #[must_use]
    pub fn cause(&self) -> IoError {
        match self {
            Self::Io(error) => error.clone(),
            Self::Elf(ElfError::NotElf) => IoError::exec_format(),
            Self::TooLarge { .. } => IoError::too_large(),
            Self::TooShort { .. } | Self::Decode(_) | Self::Elf(_) => IoError::invalid(),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the module cannot be read"),
            Self::TooShort { size } => write!(f, "{size} bytes are too short for a module"),
            Self::Decode(_) => f.write_str("the module cannot be decompressed"),
            Self::Elf(_) => f.write_str("the module is not a usable ELF file"),
            Self::TooLarge { size, limit } => write!(f, "{size} bytes exceed the limit of {limit}"),
        }
    }
}

impl core::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::Elf(error) => Some(error),
            Self::TooShort { .. } | Self::TooLarge { .. } => None,
        }
    }
}

impl From<IoError> for LoadError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl From<ElfError> for LoadError {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

impl From<DecodeError> for LoadError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}
