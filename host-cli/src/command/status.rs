//! Names of commands, and kmod's exit statuses.

use std::ffi::OsString;

/// A command's name, and the function that executes its arguments and returns the exit status.
pub(super) type Named = (&'static str, fn(&[OsString]) -> u8);

/// Success.
pub const DONE: u8 = 0;
/// Failure.
pub const FAILED: u8 = 1;
/// A question that was answered, and something is wrong.
#[cfg(feature = "answers")]
pub(super) const FINDINGS: u8 = 3;
