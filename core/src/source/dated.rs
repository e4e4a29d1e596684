//! Sources with times.

use super::{IoError, Source, Stat};

/// A time of modification in nanoseconds, from an origin that is the same for all files.
pub type FileTime = i128;

/// A source that knows when its files were modified.
pub trait DatedSource: Source {
    /// The attributes of the file at `path`, and the time of its modification, with links followed.
    ///
    /// # Errors
    /// As [`Source::stat`].
    fn stat_dated(&self, path: &[u8]) -> Result<(Stat, FileTime), IoError>;

    /// Whether a file of this name in the module directory is temporary: the remainder of a killed run.
    fn is_temporary(&self, name: &[u8]) -> bool;
}
