//! Shell patterns, as `fnmatch(3)` with flags 0 in the C locale takes them.
//!
//! `*` and `?` match any byte, `/` and a leading `.` included. `[…]` knows ranges, `!` or `^` in
//! front, `[:alpha:]` and its kind, `[=a=]`, `[.-.]`. A backslash quotes, in brackets too. A `[`
//! that is never closed is an ordinary byte. Where the standard leaves a malformed bracket
//! undefined, the GNU C library is followed, but for a class at the end of a range or alike.

use super::error::{IndexError, Steps};
use crate::text::character_class;

/// Whether all of `subject` matches `pattern`. Takes time in proportion to the product of their
/// lengths at worst, and more only if the pattern has brackets that are never closed.
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

/// [`fnmatch`] that pays a step for each byte of the pattern that it looks at.
pub(super) fn matches(pattern: &[u8], subject: &[u8], steps: &mut Steps) -> Result<bool, IndexError> {
    let (mut pattern, mut subject) = (pattern, subject);
    // Behind the last `*`, and the longest rest of the subject not yet tried on that. Earlier
    // ones need no second try: what a later `*` cannot make up for, they cannot either.
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

/// Takes what stands for one byte off the pattern and tells whether it matches.
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
    /// Matches nothing, whatever follows.
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

/// Takes one member off the pattern; `None` at its end.
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

/// Takes one byte as it may end a range off the pattern; `None` at its end.
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

    /// Each was compared with the C library.
    #[test]
    fn cases() {
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
    fn many_stars_are_not_slow() {
        let pattern = b"a*".repeat(1000);
        assert!(!fnmatch(&[&pattern[..], b"b"].concat(), &[b'a'; 3000]));
        assert!(fnmatch(&pattern, &[b'a'; 3000]));
    }
}
