//! POSIX extended regular expressions for the version patterns of `depmod.d`.
//!
//! kmod passes these patterns to the C library (`regcomp` with `REG_EXTENDED | REG_NOSUB`, then `regexec`),
//! so the results here are those of glibc in the C locale, including GNU operators (`\w`, `\<`, …). The
//! result is only whether a pattern occurs, never its position.
//!
//! A pattern is not compiled. During parsing, each sub-expression is evaluated to its
//! [`Spans`](spans::Spans): the set of all (start, end) pairs of its matches in this text. For the text
//! `aab`, with positions `0a1a2b3`:
//!
//! ```text
//! a       {01, 12}
//! a*      {00, 01, 02, 11, 12, 22, 33}
//! b       {23}
//! a*b     {03, 13, 23}        a* then b: adjacent pairs
//! ```
//!
//! The pattern occurs if its set is not empty. Repetition is a power of such a set, so `(a{1000}){1000}`
//! costs twenty compositions, not a million states; no pattern takes exponential time.
//!
//! Two differences are deliberate. Spans cannot represent back-references (`\1`), so these are an error. And
//! glibc may lose an assertion when it copies it for `+` or `{m,n}`, so that `^(^.){2}$` matches `ab`, or run
//! out of memory; here repetition has its exact meaning.

mod bracket;
mod parse;
mod spans;

use crate::diagnostic::PatternError;
use parse::Parser;
use spans::Budget;

/// Whether `pattern` occurs in `text`. `steps` is the limit on elementary set operations
/// ([`Limits::steps`](crate::limits::Limits::steps)); memory stays below 8 bytes per step.
///
/// ```
/// use depmod_core::parts::list::config::pattern_occurs;
/// assert_eq!(pattern_occurs(br"^6\.(1|12)\.[0-9]+-.*amd64$", b"6.12.9-cloud-amd64", 1_000_000), Ok(true));
/// assert_eq!(pattern_occurs(b"5.1", b"5-10", 1_000_000), Ok(true), "unanchored; . matches any byte");
/// assert!(pattern_occurs(b"6.1(", b"6.1", 1_000_000).is_err());
/// ```
///
/// # Errors
/// When glibc rejects the pattern, when it has a back-reference, or when it exceeds `steps`.
pub fn pattern_occurs(pattern: &[u8], text: &[u8], steps: usize) -> Result<bool, PatternError> {
    Ok(Parser::new(pattern, text, Budget::new(steps)).evaluate()?.any())
}

#[cfg(test)]
mod tests;
