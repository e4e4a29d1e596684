//! Exit statuses: kmod's, and those of answers.

/// Success.
pub const DONE: u8 = 0;
/// Failure.
pub const FAILED: u8 = 1;
/// A question that was answered, and something is wrong.
#[cfg(feature = "answers")]
pub(super) const FINDINGS: u8 = 3;
/// A result without some of its modules.
#[cfg(feature = "answers")]
pub(super) const PARTIAL: u8 = 4;
