//! Why a tree gives nothing.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::diagnostic::{Diagnostic, Severity};

/// A failure that concerns the tree as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// Nothing looks like the module directory of this version, or of any.
    NoModules {
        /// Where it was looked for.
        below: Vec<u8>,
        /// The version, where it is known.
        version: Option<String>,
    },
    /// Several versions, and nothing says which.
    WhichVersion {
        /// Where they are.
        below: Vec<u8>,
    },
    /// A module that cannot be read or understood.
    Module {
        /// Its path.
        path: Vec<u8>,
        /// Why.
        cause: Vec<u8>,
    },
    /// A run ended with this message.
    Stopped(Option<Diagnostic>),
}

impl TreeError {
    /// The first message that says why a run ended.
    pub(super) fn first_of(said: Vec<Diagnostic>) -> Self {
        Self::Stopped(said.into_iter().find(|message| message.severity() <= Severity::Error))
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        match self {
            Self::NoModules { below, version: Some(version) } => {
                write!(f, "no modules of {version} below {}", text(below))
            }
            Self::NoModules { below, version: None } => write!(f, "no modules below {}", text(below)),
            Self::WhichVersion { below } => {
                write!(f, "modules of several versions below {}, and no version given", text(below))
            }
            Self::Module { path, cause } => write!(f, "bad module {}: {}", text(path), text(cause)),
            Self::Stopped(Some(message)) => write!(f, "{message}"),
            Self::Stopped(None) => f.write_str("cannot index the modules"),
        }
    }
}

impl core::error::Error for TreeError {}
