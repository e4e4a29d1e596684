//! What can go wrong before the kernel runs.

use alloc::{string::String, vec::Vec};
use core::fmt;

use depmod_core::entry::EntryError;
use depmod_core::host::IoError;
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
    /// Someone else hands an initrd to the kernel already.
    InitrdProvider,
    /// This many bytes are not to be had.
    Memory(usize),
    /// A text that UCS-2 cannot hold.
    Text(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firmware { doing, status } => write!(f, "cannot {doing}: {status}"),
            Self::File { path, .. } => write!(f, "cannot read {}", String::from_utf8_lossy(path)),
            Self::Entry { path, .. } => write!(f, "bad boot entry {path}"),
            Self::InitrdProvider => f.write_str("another program provides an initrd already"),
            Self::Memory(size) => write!(f, "no memory for {size} bytes"),
            Self::Text(text) => write!(f, "not possible in UCS-2: {text}"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::File { cause, .. } => Some(cause),
            Self::Entry { cause, .. } => Some(cause),
            _ => None,
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
