//! Lines of files.

use bstr::BString;

/// A line of a file, shown as `<file>:<line>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// Path of the file.
    pub file: BString,
    /// Number of the line, from 1.
    pub line: usize,
}

impl FileLine {
    /// A line of a file.
    pub fn new(file: &[u8], line: usize) -> Self {
        Self { file: file.into(), line }
    }
}
