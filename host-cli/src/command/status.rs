//! Exit status, as in kmod.

/// A run that did all that it was asked.
pub const DONE: u8 = 0;
/// A run that failed.
pub const FAILED: u8 = 1;
