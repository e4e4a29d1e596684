//! Shell patterns, as in `fnmatch(3)` with flags 0 in the C locale.
//!
//! `*` and `?` match any byte, including `/` and a leading `.`. `[…]` supports ranges, negation with `!` or
//! `^`, classes such as `[:alpha:]`, `[=a=]`, `[.-.]`. A backslash quotes, also in brackets. A `[` without a
//! `]` is an ordinary byte. Malformed brackets, undefined in the standard, behave as in the GNU C library,
//! except for classes at the end of a range and similar cases.

use super::error::{IndexError, Steps};
use crate::name::character_class;

/// Whether all of `subject` matches `pattern`. Worst-case time is proportional to the product of their
/// lengths; it is higher only for patterns with unclosed brackets.
///
/// ```
/// use depmod_core::parts::index::fnmatch;
/// assert!(fnmatch(b"pci:v*d[12]", b"pci:v8086d1"));
/// assert!(!fnmatch(b"pci:v*d[!12]", b"pci:v8086d1"));
/// ```
#[must_use]
pub fn fnmatch(pattern: &[u8], subject: &[u8]) -> bool {
    matches(pattern, subject, &mut Steps::new(usize::MAX)).unwrap_or(false)
}

/// [`fnmatch`] that spends a step for each byte read from the pattern.
pub(super) fn matches(pattern: &[u8], subject: &[u8], steps: &mut Steps) -> Result<bool, IndexError> {
    let (mut pattern, mut subject) = (pattern, subject);
    // The pattern after the last `*`, and the longest untried rest of the subject. Backtracking to the last
    // `*` is enough: an earlier `*` cannot match more than a later one.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        steps.spend(1)?;
        if let Some((b'*', after)) = pattern.split_first() {
            star = Some((after, subject));
            pattern = after;
            continue;
        }
        let Some((&byte, rest)) = subject.split_first() else { return Ok(pattern.is_empty()) };
        let mut after = pattern;
        let is_match = one(&mut after, byte, steps)?;
        steps.spend(pattern.len().saturating_sub(after.len()))?;
        if is_match {
            (pattern, subject) = (after, rest);
        } else {
            let Some((after, tried)) = star else { return Ok(false) };
            let Some((_, untried)) = tried.split_first() else { return Ok(false) };
            star = Some((after, untried));
            (pattern, subject) = (after, untried);
        }
    }
}

/// Consumes the pattern of one byte and returns whether it matches.
fn one(pattern: &mut &[u8], byte: u8, steps: &mut Steps) -> Result<bool, IndexError> {
    Ok(match take(pattern) {
        Some(b'?') => true,
        Some(b'\\') => take(pattern) == Some(byte),
        Some(b'[') => {
            let unclosed = *pattern;
            match bracket(pattern, byte) {
                Bracket::Closed(is_match) => is_match,
                Bracket::Invalid => false,
                Bracket::Unclosed => {
                    *pattern = unclosed;
                    steps.spend(unclosed.len())?;
                    byte == b'['
                }
            }
        }
        literal => literal == Some(byte),
    })
}

enum Bracket {
    Closed(bool),
    /// Never matches.
    Invalid,
    Unclosed,
}

/// One member of a bracket expression, or one end of a range.
enum Member {
    Byte(u8),
    Class(fn(&u8) -> bool),
    Invalid,
}

fn bracket(pattern: &mut &[u8], byte: u8) -> Bracket {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    if negated {
        take(pattern);
    }
    let mut is_member = false;
    let mut is_first = true;
    loop {
        if !is_first && pattern.first() == Some(&b']') {
            take(pattern);
            return Bracket::Closed(is_member != negated);
        }
        is_first = false;
        match member(pattern, is_member) {
            None => return Bracket::Unclosed,
            Some(Member::Invalid) => return Bracket::Invalid,
            Some(Member::Class(contains)) => is_member |= contains(&byte),
            Some(Member::Byte(low)) => {
                let mut high = low;
                is_member |= low == byte && *pattern == b"-";
                if pattern.first() == Some(&b'-') && pattern.get(1) != Some(&b']') {
                    take(pattern);
                    match single(pattern) {
                        None if is_member => return Bracket::Unclosed,
                        Some(Member::Byte(end)) => high = end,
                        _ => return Bracket::Invalid,
                    }
                }
                is_member |= (low..=high).contains(&byte);
            }
        }
    }
}

/// Consumes one member of the pattern; `None` at its end.
fn member(pattern: &mut &[u8], is_decided: bool) -> Option<Member> {
    match **pattern {
        [b'[', b':', ref name @ ..] => {
            let len = name.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
            let (name, end) = name.split_at_checked(len)?;
            let Some(after) = end.strip_prefix(b":]") else { return single(pattern) };
            *pattern = after;
            Some(character_class(name).map_or(Member::Invalid, Member::Class))
        }
        [b'[', b'=', byte, b'=', b']', ref after @ ..] => {
            *pattern = after;
            Some(Member::Byte(byte))
        }
        [b'[', b'=', ..] if is_decided => Some(Member::Invalid),
        _ => single(pattern),
    }
}

/// Consumes one byte, possibly the end of a range; `None` at the end of the pattern.
fn single(pattern: &mut &[u8]) -> Option<Member> {
    let (byte, after) = match **pattern {
        [b'[', b'.', byte, b'.', b']', ref after @ ..] | [b'\\', byte, ref after @ ..] => (byte, after),
        [b'[', b'.', ..] | [b'\\'] => return Some(Member::Invalid),
        [byte, ref after @ ..] => (byte, after),
        [] => return None,
    };
    *pattern = after;
    Some(Member::Byte(byte))
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::fnmatch;

    /// Each case was compared with the C library.
    #[test]
    fn patterns_match_as_in_glibc() {
        for (pattern, matching, other) in [
            ("", &[""][..], &["a"][..]),
            ("abc", &["abc"], &["", "ab", "abcd", "abd"]),
            ("*", &["", "a", "/", ".a/b"], &[]),
            ("?", &["a", "/", ".", "?", "\u{1}"], &["", "ab"]),
            ("a*b*c", &["abc", "aXbYc", "abbcbc", "a*b*c"], &["abcd", "ac", "acb"]),
            ("*a*?", &["ab", "aab", "baa"], &["a", "ba", "b"]),
            ("**?", &["a", "abc"], &[""]),
            ("[abc]", &["a", "c"], &["d", "", "ab", "[abc]"]),
            ("[a-c]x", &["ax", "bx", "cx"], &["dx", "-x", "x"]),
            ("[!a-c]", &["d", "-", "!"], &["b", ""]),
            ("[^a-c]", &["d", "^"], &["b", ""]),
            ("[a!]", &["a", "!"], &["b"]),
            ("[]a]", &["]", "a"], &["b", "[]a]"]),
            ("[!]a]", &["b"], &["]", "a"]),
            ("[]-a]", &["]", "^", "_", "a"], &["-", "b", "\\"]),
            ("[-a]", &["-", "a"], &["b"]),
            ("[a-]", &["-", "a"], &["b"]),
            ("[c-a]", &[], &["a", "b", "c", "-"]),
            ("[a-c-e]", &["a", "b", "c", "-", "e"], &["d"]),
            ("[+--]", &["+", ",", "-"], &["*", "."]),
            ("[a", &["[a"], &["a", "["]),
            ("x[", &["x["], &["x"]),
            ("[]", &["[]"], &["]", "["]),
            ("[!", &["[!"], &["a"]),
            ("[*", &["[", "[abc"], &["a"]),
            (r"\*", &["*"], &["a", r"\*", r"\"]),
            (r"\a", &["a"], &[r"\a"]),
            (r"a\", &[], &["a", r"a\"]),
            (r"\[a]", &["[a]"], &["a"]),
            (r"[\]]", &["]"], &[r"\", r"\]"]),
            (r"[\a-c]", &["a", "b", "c"], &[r"\"]),
            (r"[a-\c]", &["a", "b", "c"], &[r"\"]),
            ("[[:alpha:]]", &["a", "Z"], &["1", ":", "["]),
            ("[[:digit:]x]", &["0", "9", "x"], &["a"]),
            ("[![:xdigit:]]", &["g", "-"], &["a", "F", "0"]),
            ("[[:space:][:upper:]]", &[" ", "\t", "\u{b}", "\r", "A"], &["a", "\0"]),
            ("[[:blank:]]", &[" ", "\t"], &["\n"]),
            ("[[:print:]]", &[" ", "~"], &["\u{7f}", "\n", "é"]),
            ("[[:cntrl:]]", &["\u{1}", "\u{7f}"], &[" "]),
            ("[[:punct:]]", &["!", "_", "~"], &["a", " "]),
            ("[[:graph:]][[:alnum:]][[:lower:]]", &["!0a"], &[" 0a", "!_a", "!0A"]),
            ("[[:foo:]]", &[], &["f", "[", ":", "f]"]),
            ("[[:alpha]", &["[", ":", "a", "h"], &["z", "]"]),
            ("[[=a=]]", &["a"], &["=", "b"]),
            ("[[.a.]]", &["a"], &[".", "b"]),
            ("[[.-.]]", &["-"], &["."]),
            ("[[.a.]-c]", &["a", "b", "c"], &["d"]),
            ("[a-[.c.]]", &["a", "b", "c"], &["d", "."]),
        ] {
            for subject in matching {
                assert!(fnmatch(pattern.as_bytes(), subject.as_bytes()), "{pattern} {subject:?}");
            }
            for subject in other {
                assert!(!fnmatch(pattern.as_bytes(), subject.as_bytes()), "{pattern} {subject:?}");
            }
        }
    }

    #[test]
    fn many_stars_take_polynomial_time() {
        let pattern = b"a*".repeat(1000);
        assert!(!fnmatch(&[&pattern[..], b"b"].concat(), &[b'a'; 3000]));
        assert!(fnmatch(&pattern, &[b'a'; 3000]));
    }
}
