//! Errors of the firmware program.

use alloc::string::{String, ToString as _};
use core::fmt;

use depmod_core::parts::boot::initrd::{ExistingError, InitrdError};
use depmod_core::parts::boot::{ArchiveError, DirectoryError, EntryError, KernelImageError, Problem};
use depmod_core::parts::decompress::DecodeError;
use depmod_core::parts::diagnostic::Chain;
use depmod_core::{IoError, IoErrorKind, Stopped};
use uefi::Status;

/// Result of an operation in firmware.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// A failure with its context. `Display` shows one layer, `source()` is the next; `Debug` shows all of them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The firmware refused a request.
    Firmware {
        /// The request.
        doing: &'static str,
        /// The firmware's answer.
        status: Status,
    },
    /// A file cannot be read.
    File {
        /// Its path.
        path: String,
        /// The cause.
        cause: IoError,
    },
    /// Invalid entry file.
    Entry {
        /// Its path.
        path: String,
        /// The cause.
        cause: EntryError,
    },
    /// Invalid lines in the entry file.
    Problem {
        /// The first of them.
        first: Problem,
        /// The number of the others.
        more: usize,
    },
    /// A kernel's file is none.
    Kernel(KernelImageError),
    /// An existing initrd exceeds [`Limits::boot_file_size`](depmod_core::Limits::boot_file_size).
    LargeInitrd {
        /// Its path.
        path: String,
        /// Its bytes.
        size: u64,
    },
    /// The entry asks for modules and names no module directory.
    NoModules,
    /// Invalid archive.
    Archive {
        /// Its path.
        path: String,
        /// The cause.
        cause: ArchiveError,
    },
    /// An archive cannot be decompressed.
    Decode {
        /// Its path.
        path: String,
        /// The cause.
        cause: DecodeError,
    },
    /// An existing initrd cannot be unpacked.
    ExistingInitrd {
        /// Its path.
        path: String,
        /// The cause.
        cause: ExistingError,
    },
    /// The module directory is missing, ambiguous or broken.
    Directory(DirectoryError),
    /// The initrd with the modules cannot be made.
    ModuleInitrd(InitrdError),
    /// Index files cannot be made. The console has the reason already.
    Stopped(Stopped),
    /// Index files for this archive need an output directory.
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
    /// Invalid kernel options.
    Text(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firmware { doing, status } => write!(f, "cannot {doing}: {status}"),
            Self::File { path, .. } => write!(f, "cannot read {path}"),
            Self::Entry { path, .. } => write!(f, "bad boot entry {path}"),
            Self::Problem { first, more: 0 } => write!(f, "boot entry {first}"),
            Self::Problem { first, more } => write!(f, "boot entry {first}, and {more} more such lines"),
            Self::NoModules => f.write_str("x-depmod-preload without x-depmod-modules"),
            Self::Archive { path, .. } => write!(f, "bad archive {path}"),
            Self::Decode { path, .. } => write!(f, "cannot decompress {path}"),
            Self::ExistingInitrd { path, .. } => write!(f, "cannot look into {path}"),
            Self::Kernel(error) => error.fmt(f),
            Self::LargeInitrd { path, size } => write!(f, "{path} has {size} bytes, too many to look into"),
            Self::Directory(error) => error.fmt(f),
            Self::ModuleInitrd(error) => error.fmt(f),
            Self::Stopped(stopped) => stopped.fmt(f),
            Self::NoOutput(path) => write!(f, "-o must name the output directory for {path}"),
            Self::Write { path, status } => write!(f, "cannot write {path}: {status}"),
            Self::Volume(name) => write!(f, "no volume {name}:"),
            Self::Text(text) => write!(f, "cannot be kernel options: {text}"),
        }
    }
}

/// A derived implementation would take the program 5 KB, for the types of all causes.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Chain(self).fmt(f)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::File { cause, .. } => Some(cause),
            Self::Entry { cause, .. } => Some(cause),
            Self::Archive { cause, .. } => Some(cause),
            Self::Decode { cause, .. } => Some(cause),
            Self::ExistingInitrd { cause, .. } => Some(cause),
            Self::Kernel(error) => error.source(),
            Self::Directory(error) => error.source(),
            Self::ModuleInitrd(error) => error.source(),
            _ => None,
        }
    }
}

impl From<KernelImageError> for Error {
    fn from(error: KernelImageError) -> Self {
        Self::Kernel(error)
    }
}

impl From<DirectoryError> for Error {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<InitrdError> for Error {
    fn from(error: InitrdError) -> Self {
        Self::ModuleInitrd(error)
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl Error {
    /// The program's exit status.
    pub fn status(&self) -> Status {
        match self {
            Self::Firmware { status, .. } | Self::Write { status, .. } => *status,
            Self::File { cause, .. } if cause.kind() == IoErrorKind::NotFound => Status::NOT_FOUND,
            Self::Volume(_) | Self::Directory(DirectoryError::NoModules { .. }) => Status::NOT_FOUND,
            Self::NoOutput(_) | Self::NoModules | Self::Entry { .. } | Self::Problem { .. } => {
                Status::INVALID_PARAMETER
            }
            _ => Status::ABORTED,
        }
    }
}

/// Adds the request to a refusal of the firmware.
pub(crate) trait Doing<T> {
    fn doing(self, request: &'static str) -> Result<T>;
}

impl<T, D: fmt::Debug> Doing<T> for uefi::Result<T, D> {
    fn doing(self, request: &'static str) -> Result<T> {
        self.map_err(|error| Error::Firmware { doing: request, status: error.status() })
    }
}

/// The core's error for a refusal to read.
pub(crate) fn io_error<D: fmt::Debug>(error: &uefi::Error<D>) -> IoError {
    match error.status() {
        Status::NOT_FOUND => IoError::not_found(),
        status if is_fault(status) => IoError::fault(status.to_string()),
        status => IoError::other(status.to_string()),
    }
}

/// Whether the medium or the machine is at fault, not the file. Then the content of the file is unknown, and a run
/// without the file would be poorer than the one before it.
const fn is_fault(status: Status) -> bool {
    matches!(
        status,
        Status::DEVICE_ERROR
            | Status::NO_MEDIA
            | Status::MEDIA_CHANGED
            | Status::VOLUME_CORRUPTED
            | Status::CRC_ERROR
            | Status::TIMEOUT
            | Status::NOT_READY
            | Status::NO_RESPONSE
            | Status::ABORTED
            | Status::OUT_OF_RESOURCES
    )
}
