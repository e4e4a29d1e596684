//! Why a module directory gives nothing.

use alloc::string::String;
use core::fmt;

use bstr::BString;

use crate::diagnostic::Stopped;
use crate::source::IoError;

/// A failure that concerns the module directory as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Nothing looks like the module directory of this version, or of any.
    NoModules {
        /// Where it was looked for.
        below: BString,
        /// The version, where it is known.
        version: Option<String>,
    },
    /// Several versions, and nothing says which.
    WhichVersion {
        /// Where they are.
        below: BString,
    },
    /// A module that cannot be read or understood.
    Module {
        /// Its path.
        path: BString,
        /// Why.
        cause: IoError,
    },
    /// A run ended before its result.
    Stopped(Stopped),
}

impl From<Stopped> for DirectoryError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoModules { below, version: Some(version) } => {
                write!(f, "no modules of {version} below {below}")
            }
            Self::NoModules { below, version: None } => write!(f, "no modules below {below}"),
            Self::WhichVersion { below } => {
                write!(f, "modules of several versions below {below}, and no version given")
            }
            Self::Module { path, cause } => write!(f, "bad module {path}: {cause}"),
            Self::Stopped(stopped) => stopped.fmt(f),
        }
    }
}

impl core::error::Error for DirectoryError {}
