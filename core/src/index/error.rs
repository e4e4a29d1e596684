//! Errors in index files.

use core::fmt;

/// The reason for an unusable index or an unfinished search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexError {
    /// Shorter than a header.
    TooShort {
        /// Size of the file in bytes.
        len: usize,
    },
    /// Another kind of file.
    Magic {
        /// The word at offset 0.
        found: u32,
    },
    /// A format with another major version.
    Version {
        /// The word at offset 4.
        found: u32,
    },
    /// A flaw at an offset of the file.
    Corrupt {
        /// Location, in bytes from the start of the file.
        offset: usize,
        /// The kind of flaw.
        flaw: Flaw,
    },
    /// A key is longer than [`MAX_KEY`](super::MAX_KEY). Cycles also end here.
    KeyTooLong {
        /// The node at which the key exceeded the limit.
        offset: usize,
    },
    /// More steps than allowed. Searches of shared nodes also end here.
    TooManySteps {
        /// The allowed number.
        limit: usize,
    },
    /// More results than the caller's capacity.
    TooManyResults {
        /// The capacity.
        limit: usize,
    },
}

/// A kind of flaw. Only [`Index::check`](super::Index::check) finds the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A reference beyond the end of the file.
    Reference,
    /// A node extends beyond the end of the file.
    Truncated,
    /// An unterminated string.
    Unterminated,
    /// A child table with unordered bounds or with bytes from `0x80` on.
    ChildTable,
    /// A node that violates the order of nodes: shared, moved, or after a gap.
    Misplaced,
    /// Bytes after the last node.
    Trailing,
    /// A redundant node or part: an empty node, an empty part, or a node that should be merged with its
    /// child.
    Pointless,
    /// Values out of order.
    Priority,
    /// A byte from `0x80` on in a string.
    Character,
    /// The file ends within its next node, and all before is sound.
    Cut,
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => write!(f, "{len} bytes are too short for an index"),
            Self::Magic { found } => write!(f, "not an index: it starts with {found:#010x}"),
            Self::Version { found } => {
                write!(f, "index of unsupported version {}.{}", found >> 16, found & 0xffff)
            }
            Self::Corrupt { offset, flaw } => write!(f, "corrupt index: {flaw} at offset {offset:#x}"),
            Self::KeyTooLong { offset } => write!(f, "key too long at offset {offset:#x} of the index"),
            Self::TooManySteps { limit } => write!(f, "more than {limit} steps in the index"),
            Self::TooManyResults { limit } => write!(f, "more than {limit} results in the index"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reference => "reference beyond the end",
            Self::Truncated => "node beyond the end",
            Self::Unterminated => "unterminated string",
            Self::ChildTable => "bad child table",
            Self::Misplaced => "node out of place",
            Self::Trailing => "bytes after the last node",
            Self::Pointless => "pointless node",
            Self::Priority => "values out of order",
            Self::Character => "character beyond 7-bit ASCII",
            Self::Cut => "the file ends within a node",
        })
    }
}

impl core::error::Error for IndexError {}

/// Number of remaining steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    left: usize,
    limit: usize,
}

impl Steps {
    pub(super) fn new(limit: usize) -> Self {
        Self { left: limit, limit }
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), IndexError> {
        self.left = self.left.checked_sub(steps).ok_or(IndexError::TooManySteps { limit: self.limit })?;
        Ok(())
    }
}
