//! Names of commands, and their exit status, which is kmod's.

use std::ffi::OsString;

/// A command's name, and what it does with the words after it; gives the exit status.
pub(super) type Named = (&'static str, fn(&[OsString]) -> u8);

/// A run that did all that it was asked.
pub const DONE: u8 = 0;
/// A run that failed.
pub const FAILED: u8 = 1;
/// An answer that is not the one hoped for: something was found.
#[cfg(feature = "answers")]
pub(super) const FINDINGS: u8 = 3;
