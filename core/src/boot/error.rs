//! Errors of a module directory.

use alloc::string::String;
use core::fmt;

use bstr::BString;

use crate::diagnostic::{Diagnostic, Stopped};
use crate::source::IoError;

/// The reason for an unusable module directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryError {
    /// There is no module directory of this version, or of any version.
    NoModules {
        /// The searched directory.
        below: BString,
        /// The version, if known.
        version: Option<String>,
    },
    /// Several versions, and none was selected.
    WhichVersion {
        /// Their parent directory.
        below: BString,
    },
    /// A module cannot be read or parsed.
    Module {
        /// Its path.
        path: BString,
        /// The cause.
        cause: IoError,
    },
    /// A run ended without a result.
    Stopped(Stopped),
}

impl From<Stopped> for DirectoryError {
    fn from(stopped: Stopped) -> Self {
        match stopped.diagnostic() {
            Diagnostic::LoadModule { path, cause } => {
                Self::Module { path: path.clone(), cause: cause.clone() }
            }
            _ => Self::Stopped(stopped),
        }
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
