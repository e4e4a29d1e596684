//! Bracket expressions: `[a-z]`, `[^[:digit:]_]`, `[[.-.]-/]`.

use crate::diagnostic::PatternError;
use crate::name::character_class;

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Bytes([u128; 2]);

impl Bytes {
    pub(super) fn contains(self, byte: u8) -> bool {
        let [low, high] = self.0;
        let half = if byte < 128 { low } else { high };
        half >> (byte & 127) & 1 == 1
    }

    fn insert(&mut self, byte: u8) {
        let [low, high] = &mut self.0;
        *(if byte < 128 { low } else { high }) |= 1 << (byte & 127);
    }

    fn complement(self) -> Self {
        Self(self.0.map(|half| !half))
    }
}

/// glibc's limit on the name of a class or collating element.
const NAME: usize = 32;

/// One element of a bracket expression.
enum Element<'a> {
    /// A byte, plain or as `[.x.]`.
    Byte(u8),
    /// `[=x=]`: in the C locale the byte itself, but invalid as the end of a range.
    Equivalent(u8),
    /// `[:name:]`.
    Class(&'a [u8]),
}

/// Parses a bracket expression from `rest`, which begins after the `[`. A backslash is an ordinary byte.
/// Returns the set and the bytes after the `]`.
pub(super) fn parse(rest: &[u8]) -> Result<(Bytes, &[u8]), PatternError> {
    let (negated, mut rest) = match rest {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, rest),
    };
    let mut set = Bytes::default();
    let mut first = true;
    loop {
        // At the start, `]` and `-` stand for themselves.
        match rest {
            [b']', after @ ..] if !first => {
                return Ok((if negated { set.complement() } else { set }, after));
            }
            [b'-', after @ ..] if !first && after.first() != Some(&b']') => {
                return Err(if after.is_empty() {
                    PatternError::UnmatchedBracket
                } else {
                    PatternError::Range
                });
            }
            _ => {}
        }
        first = false;
        let (element, after) = parse_element(rest)?;
        rest = after;
        match (element, rest) {
            (Element::Class(name), _) => insert_class(&mut set, name)?,
            (Element::Equivalent(byte), _) => set.insert(byte),
            (Element::Byte(_), [b'-']) => return Err(PatternError::UnmatchedBracket),
            (Element::Byte(low), [b'-', after @ ..]) if after.first() != Some(&b']') => {
                let (element, after) = parse_element(after)?;
                rest = after;
                match element {
                    Element::Byte(high) if low <= high => (low..=high).for_each(|byte| set.insert(byte)),
                    _ => return Err(PatternError::Range),
                }
            }
            (Element::Byte(byte), _) => set.insert(byte),
        }
    }
}

fn parse_element(rest: &[u8]) -> Result<(Element<'_>, &[u8]), PatternError> {
    match rest {
        [] => Err(PatternError::UnmatchedBracket),
        [b'[', kind @ (b'.' | b'=' | b':'), rest @ ..] => {
            let end = rest.windows(2).take(NAME).position(|pair| pair == [*kind, b']']);
            let name = end.and_then(|end| rest.get(..end)).ok_or(PatternError::UnmatchedBracket)?;
            let after = end.and_then(|end| rest.get(end.checked_add(2)?..)).unwrap_or_default();
            match (kind, name) {
                (b':', _) => Ok((Element::Class(name), after)),
                (b'=', [byte]) => Ok((Element::Equivalent(*byte), after)),
                (_, [byte]) => Ok((Element::Byte(*byte), after)),
                _ => Err(PatternError::Collation),
            }
        }
        [byte, after @ ..] => Ok((Element::Byte(*byte), after)),
    }
}

fn insert_class(set: &mut Bytes, name: &[u8]) -> Result<(), PatternError> {
    let is_member = character_class(name).ok_or(PatternError::CharacterClass)?;
    (0..=u8::MAX).filter(is_member).for_each(|byte| set.insert(byte));
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn members(bracket: &[u8]) -> Vec<u8> {
        let (set, rest) = parse(bracket).unwrap();
        assert_eq!(rest, b"z");
        (0..=u8::MAX).filter(|&byte| set.contains(byte)).collect()
    }

    #[test]
    fn elements_are_sets_of_bytes() {
        assert_eq!(members(b"b-da]z"), b"abcd");
        assert_eq!(members(b"]a]z"), b"]a");
        assert_eq!(members(b"-a]z"), b"-a");
        assert_eq!(members(b"a-]z"), b"-a");
        assert_eq!(members(b"--/]z"), b"-./");
        assert_eq!(members(b"\\d]z"), b"\\d");
        assert_eq!(members(b"[.-.][=a=][===]]z"), b"-=a");
        assert_eq!(members(b"[:digit:]a-]z"), b"-0123456789a");
        assert_eq!(members(b"[[a]z"), b"[a");
        assert_eq!(members(b"\xfe-\xff]z"), b"\xfe\xff");
    }

    #[test]
    fn leading_carets_complement_the_set() {
        let rest: Vec<u8> = members(b"^]a]z");
        assert_eq!(rest.len(), 254);
        assert!(!rest.contains(&b']') && !rest.contains(&b'a') && rest.contains(&b'^'));
    }

    #[test]
    fn invalid_brackets_are_errors() {
        for (bracket, error) in [
            (&b"z-a]"[..], PatternError::Range),
            (b"a-z-9]", PatternError::Range),
            (b"[:alpha:]-z]", PatternError::Range),
            (b"a-[:alpha:]]", PatternError::Range),
            (b"a-[=z=]]", PatternError::Range),
            (b"[:foo:]]", PatternError::CharacterClass),
            (b"[.hyphen.]]", PatternError::Collation),
            (b"[==]]", PatternError::Collation),
            (b"", PatternError::UnmatchedBracket),
            (b"]", PatternError::UnmatchedBracket),
            (b"^]", PatternError::UnmatchedBracket),
            (b"a", PatternError::UnmatchedBracket),
            (b"a-", PatternError::UnmatchedBracket),
            (b"[:al]", PatternError::UnmatchedBracket),
        ] {
            assert_eq!(parse(bracket), Err(error), "[{}", bracket.escape_ascii());
        }
    }
}
