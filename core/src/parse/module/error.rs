//! Why a module says nothing, or less than it should.

use core::fmt;

use crate::{decompress::DecodeError, parse::elf::ElfError, source::IoError};

/// Why a file gives no facts at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The host cannot open or read it.
    Io(IoError),
    /// Fewer than six bytes: too short to tell its format.
    TooShort {
        /// How many bytes there are.
        size: u64,
    },
    /// Its compression is broken.
    Decode(DecodeError),
    /// It is no usable ELF file.
    Elf(ElfError),
    /// It is larger than the ceiling, as stored or in the sections needed.
    TooLarge {
        /// Bytes wanted.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

impl LoadError {
    /// The cause as kmod prints it after `failed to load symbols from …: `.
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
            Self::Elf(_) => f.write_str("the module is no usable ELF file"),
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

/// One broken entry that makes kmod, and us, treat the whole module as needing nothing
/// ([`reference::known_bugs`](crate::reference::known_bugs) B7, B8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NeedsLost {
    /// An undefined symbol's name lies outside of `.strtab`.
    SymbolName = 1,
    /// A name in `__versions` that no undefined symbol uses does not end.
    VersionName = 2,
}

impl NeedsLost {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::SymbolName),
            2 => Some(Self::VersionName),
            _ => None,
        }
    }

    /// The cause for people.
    #[must_use]
    pub fn cause(self) -> &'static str {
        match self {
            Self::SymbolName => "the name of an undefined symbol lies outside of .strtab",
            Self::VersionName => "a name in __versions does not end",
        }
    }
}
