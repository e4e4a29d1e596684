//! What can go wrong before the kernel runs.

use alloc::{string::String, vec::Vec};
use core::fmt;

use depmod_core::base::BaseError;
use depmod_core::cpio::ArchiveError;
use depmod_core::decompress::DecodeError;
use depmod_core::entry::{EntryError, Problem};
use depmod_core::host::{IoError, IoErrorKind};
use depmod_core::preload::PreloadError;
use depmod_core::tree::TreeError;
use uefi::Status;

/// Result of an operation in firmware.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// A failure, with what was being done. `Display` is one layer, `source()` the next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The firmware refused.
    Firmware {
        /// What was asked of it.
        doing: &'static str,
        /// Its answer.
        status: Status,
    },
    /// A file cannot be read.
    File {
        /// Its path as bytes.
        path: Vec<u8>,
        /// Why.
        cause: IoError,
    },
    /// The entry file is none.
    Entry {
        /// Its path.
        path: String,
        /// Why.
        cause: EntryError,
    },
    /// Lines of the entry that are not understood.
    Problem {
        /// The first of them.
        first: Problem,
        /// How many more there are.
        more: usize,
    },
    /// The entry asks for modules and names none.
    NoModules,
    /// An archive is none.
    Archive {
        /// Its path.
        path: String,
        /// Why.
        cause: ArchiveError,
    },
    /// An archive cannot be decompressed.
    Decode {
        /// Its path.
        path: String,
        /// Why.
        cause: DecodeError,
    },
    /// A base initrd cannot be looked into.
    Base {
        /// Its path.
        path: String,
        /// Why.
        cause: BaseError,
    },
    /// The modules give no initrd.
    Preload(PreloadError),
    /// Index files cannot be made; why has been said.
    Stopped,
    /// Index files of this archive have no place to go.
    NoOutput(String),
    /// A file cannot be written.
    Write {
        /// Its path.
        path: String,
        /// The firmware's answer.
        status: Status,
    },
    /// No volume has this name.
    Volume(String),
    /// Someone else hands an initrd to the kernel already.
    InitrdProvider,
    /// A text that cannot be handed over.
    Text(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firmware { doing, status } => write!(f, "cannot {doing}: {status}"),
            Self::File { path, .. } => write!(f, "cannot read {}", String::from_utf8_lossy(path)),
            Self::Entry { path, .. } => write!(f, "bad boot entry {path}"),
            Self::Problem { first, more: 0 } => write!(f, "boot entry {first}"),
            Self::Problem { first, more } => write!(f, "boot entry {first}, and {more} more such lines"),
            Self::NoModules => f.write_str("x-depmod-preload without x-depmod-modules"),
            Self::Archive { path, .. } => write!(f, "bad archive {path}"),
            Self::Decode { path, .. } => write!(f, "cannot decompress {path}"),
            Self::Base { path, .. } => write!(f, "cannot look into {path}"),
            Self::Preload(error) => error.fmt(f),
            Self::Stopped => f.write_str("no index files made"),
            Self::NoOutput(path) => write!(f, "say with -o where index files for {path} shall go"),
            Self::Write { path, status } => write!(f, "cannot write {path}: {status}"),
            Self::Volume(name) => write!(f, "no volume {name}:"),
            Self::InitrdProvider => f.write_str("another program provides an initrd already"),
            Self::Text(text) => write!(f, "cannot be kernel options: {text}"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::File { cause, .. } => Some(cause),
            Self::Entry { cause, .. } => Some(cause),
            Self::Archive { cause, .. } => Some(cause),
            Self::Decode { cause, .. } => Some(cause),
            Self::Base { cause, .. } => Some(cause),
            Self::Preload(error) => error.source(),
            _ => None,
        }
    }
}

impl From<PreloadError> for Error {
    fn from(error: PreloadError) -> Self {
        Self::Preload(error)
    }
}

impl From<TreeError> for Error {
    fn from(error: TreeError) -> Self {
        Self::Preload(error.into())
    }
}

impl Error {
    /// What to answer to whoever started the program.
    pub fn status(&self) -> Status {
        match self {
            Self::Firmware { status, .. } | Self::Write { status, .. } => *status,
            Self::File { cause, .. } if cause.kind() == IoErrorKind::NotFound => Status::NOT_FOUND,
            Self::Volume(_) | Self::Preload(PreloadError::Tree(TreeError::NoModules { .. })) => {
                Status::NOT_FOUND
            }
            Self::NoOutput(_) | Self::NoModules | Self::Entry { .. } | Self::Problem { .. } => {
                Status::INVALID_PARAMETER
            }
            Self::InitrdProvider => Status::ALREADY_STARTED,
            _ => Status::ABORTED,
        }
    }
}

/// Says what was being done when the firmware refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T>;
}

impl<T, D: fmt::Debug> Doing<T> for uefi::Result<T, D> {
    fn doing(self, what: &'static str) -> Result<T> {
        self.map_err(|error| Error::Firmware { doing: what, status: error.status() })
    }
}

/// An error and its causes on one line.
pub struct Chain<'e>(pub &'e dyn core::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}
