//! Causes within messages, as values.

use core::fmt;

use crate::{index::IndexTooLarge, source::IoError};

/// The reason for an index file that cannot be generated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteFault {
    /// It exceeds a limit.
    TooLarge(IndexTooLarge),
    /// Its input cannot be used.
    Io(IoError),
    /// A host's hooks skipped it.
    Unbuilt,
}

impl fmt::Display for WriteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Unbuilt => f.write_str("not all files were built"),
        }
    }
}

/// The reason for a run without a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheFault {
    /// The usual directory would be inside the module directory.
    Inside,
    /// The file system of the modules does not reveal changes by its times.
    Times,
    /// The operating system refuses.
    Io(IoError),
}

impl fmt::Display for CacheFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside => f.write_str("it is inside the module directory"),
            Self::Times => f.write_str("the file system of the modules has no reliable times"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// One invalid entry that makes kmod, and this crate, ignore all needs of the module
/// ([`reference::known_bugs`](crate::reference::known_bugs) B7, B8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NeedsDiscarded {
    /// The name of an undefined symbol is outside of `.strtab`.
    SymbolName = 1,
    /// An unused name in `__versions` is unterminated.
    VersionName = 2,
}

impl NeedsDiscarded {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::SymbolName),
            2 => Some(Self::VersionName),
            _ => None,
        }
    }
}

impl NeedsDiscarded {
    /// The text in messages.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SymbolName => "the name of an undefined symbol lies outside of .strtab",
            Self::VersionName => "a name in __versions does not end",
        }
    }
}

impl fmt::Display for NeedsDiscarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The error in a version pattern. The texts are the C library's, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// `*`, `+`, `?` or `{` without a repeatable item before it.
    NothingToRepeat,
    /// A `(` without its `)`.
    UnmatchedParenthesis,
    /// A `[` without its `]`.
    UnmatchedBracket,
    /// A `{` without its `}`.
    UnmatchedBrace,
    /// An invalid interval; valid are `{m}`, `{m,}`, `{,n}` and `{m,n}` with m ≤ n.
    Interval,
    /// A count above 32,767.
    TooManyRepetitions,
    /// A descending range, or one whose ends are not single bytes.
    Range,
    /// `[:name:]` with an unknown name.
    CharacterClass,
    /// `[.name.]` or `[=name=]` with a name longer than one byte.
    Collation,
    /// A `\` at the end.
    TrailingBackslash,
    /// `\1` to `\9`: unsupported.
    BackReference,
    /// The step limit was exceeded.
    TooCostly,
}

impl PatternError {
    /// The text in messages.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NothingToRepeat => "Invalid preceding regular expression",
            Self::UnmatchedParenthesis => "Unmatched ( or \\(",
            Self::UnmatchedBracket => "Unmatched [, [^, [:, [., or [=",
            Self::UnmatchedBrace => "Unmatched \\{",
            Self::Interval => "Invalid content of \\{\\}",
            Self::TooManyRepetitions => "Regular expression too big",
            Self::Range => "Invalid range end",
            Self::CharacterClass => "Invalid character class name",
            Self::Collation => "Invalid collation character",
            Self::TrailingBackslash => "Trailing backslash",
            Self::BackReference => "Back-references are not supported",
            Self::TooCostly => "Too many steps",
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for PatternError {}
