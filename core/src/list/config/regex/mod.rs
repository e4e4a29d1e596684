//! POSIX extended regular expressions, as the version patterns of `depmod.d` need them.
//!
//! kmod hands these patterns to the C library (`regcomp` with `REG_EXTENDED | REG_NOSUB`, then
//! `regexec`), so the answers here are those of glibc in the C locale, GNU operators (`\w`, `\<`, …)
//! included. Only "does it occur anywhere" is asked, never where.
//!
//! A pattern is not compiled. While it is parsed, each sub-expression is evaluated to its
//! [`Spans`](spans::Spans): the set of all (start, end) pairs between which it matches this text. For
//! the text `aab`, with positions `0a1a2b3`:
//!
//! ```text
//! a       {01, 12}
//! a*      {00, 01, 02, 11, 12, 22, 33}
//! b       {23}
//! a*b     {03, 13, 23}        a* then b: pairs that meet
//! ```
//!
//! The pattern occurs if any pair is left at the end. Repetition is a power of such a set, so
//! `(a{1000}){1000}` costs twenty compositions, not a million states; no pattern makes it exponential.
//!
//! Two differences are deliberate. Back-references (`\1`) cannot be told from spans and are an error.
//! And where glibc copies an assertion for `+` or `{m,n}` it may lose it, so that `^(^.){2}$` matches
//! `ab`, or run out of memory; here each repetition means what it says.

mod bracket;
mod parse;
mod spans;

use core::fmt;

use parse::Parser;
use spans::Budget;

/// Whether `pattern` occurs in `text`. `steps` is the ceiling on elementary set operations
/// ([`Limits::steps`](crate::limits::Limits::steps)); memory stays below 8 bytes a step.
///
/// ```
/// use depmod_core::parts::list::config::pattern_occurs;
/// assert_eq!(pattern_occurs(br"^6\.(1|12)\.[0-9]+-.*amd64$", b"6.12.9-cloud-amd64", 1_000_000), Ok(true));
/// assert_eq!(pattern_occurs(b"5.1", b"5-10", 1_000_000), Ok(true), "unanchored, and . is any byte");
/// assert!(pattern_occurs(b"6.1(", b"6.1", 1_000_000).is_err());
/// ```
///
/// # Errors
/// When glibc would not compile the pattern, when it has a back-reference, or when it costs too much.
pub fn pattern_occurs(pattern: &[u8], text: &[u8], steps: usize) -> Result<bool, PatternError> {
    Ok(Parser::new(pattern, text, Budget::new(steps)).evaluate()?.any())
}

/// Why a version pattern matches nothing. The texts are the C library's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// `*`, `+`, `?` or `{` with nothing in front that can be repeated.
    NothingToRepeat,
    /// A `(` without its `)`.
    UnmatchedParenthesis,
    /// A `[` without its `]`.
    UnmatchedBracket,
    /// A `{` without its `}`.
    UnmatchedBrace,
    /// Something else than `{m}`, `{m,}`, `{,n}` or `{m,n}` with m ≤ n.
    Interval,
    /// A count beyond 32,767.
    TooManyRepetitions,
    /// A range that runs backwards, or whose ends are no single bytes.
    Range,
    /// `[:name:]` with an unknown name.
    CharacterClass,
    /// `[.name.]` or `[=name=]` with a name other than one byte.
    Collation,
    /// A `\` at the end.
    TrailingBackslash,
    /// `\1` to `\9`, which are not supported.
    BackReference,
    /// More steps than allowed.
    TooCostly,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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
        })
    }
}

impl core::error::Error for PatternError {}

#[cfg(test)]
mod tests;
