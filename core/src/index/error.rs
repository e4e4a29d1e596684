//! What can be wrong with an index that is read.

use core::fmt;

/// Why an index cannot be used, or a search in it cannot be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexError {
    /// Shorter than a header.
    TooShort {
        /// Bytes that are there.
        len: usize,
    },
    /// Another kind of file.
    Magic {
        /// The word at offset 0.
        found: u32,
    },
    /// A format of another major version.
    Version {
        /// The word at offset 4.
        found: u32,
    },
    /// Something at an offset of the file is not as it must be.
    Corrupt {
        /// Where, in bytes from the start of the file.
        offset: usize,
        /// What.
        flaw: Flaw,
    },
    /// A key is longer than [`MAX_KEY`](super::MAX_KEY). Also what a cycle ends in.
    KeyTooLong {
        /// The node where it became too long.
        offset: usize,
    },
    /// More work than the caller granted; also what shared nodes end in.
    TooManySteps {
        /// The number granted.
        limit: usize,
    },
    /// More results than the caller has room for.
    TooManyResults {
        /// The room.
        limit: usize,
    },
}

/// What is wrong at one place. The last ones are found by [`Index::check`](super::Index::check) only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A reference leads beyond the end of the file.
    Reference,
    /// A node goes beyond the end of the file.
    Truncated,
    /// A string has no end.
    Unterminated,
    /// A child table is in disorder or holds bytes from `0x80` on.
    ChildTable,
    /// A node that is not where the order of nodes wants it: shared, moved, or after a gap.
    Misplaced,
    /// Bytes after the last node.
    Trailing,
    /// A node that no writer makes: nothing in it, or foldable into its child, or an empty part.
    Pointless,
    /// Values in disorder.
    Priority,
    /// A byte from `0x80` on in a string.
    Character,
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => write!(f, "{len} bytes are too short for an index"),
            Self::Magic { found } => write!(f, "no index: it starts with {found:#010x}"),
            Self::Version { found } => {
                write!(f, "index of unsupported version {}.{}", found >> 16, found & 0xffff)
            }
            Self::Corrupt { offset, flaw } => write!(f, "corrupt index: {flaw} at offset {offset:#x}"),
            Self::KeyTooLong { offset } => write!(f, "key too long at offset {offset:#x} of the index"),
            Self::TooManySteps { limit } => write!(f, "not done in {limit} steps through the index"),
            Self::TooManyResults { limit } => write!(f, "more than {limit} results in the index"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reference => "reference beyond the end",
            Self::Truncated => "node beyond the end",
            Self::Unterminated => "string without end",
            Self::ChildTable => "bad child table",
            Self::Misplaced => "node out of place",
            Self::Trailing => "bytes after the last node",
            Self::Pointless => "pointless node",
            Self::Priority => "values out of order",
            Self::Character => "character beyond 7-bit ASCII",
        })
    }
}

impl core::error::Error for IndexError {}

/// How much work is left.
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
