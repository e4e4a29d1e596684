//! `modules.devname`: device nodes that load a module on open
//! ([`reference::outputs`](crate::reference::outputs) §3.6).
//!
//! A module `fuse` with the aliases `devname:fuse` and `char-major-10-229` has the line `fuse fuse c10:229`.

use alloc::{format, vec::Vec};

use crate::{
    diagnostic::{Diagnostic, Reporter},
    list::ModuleList,
    name::is_space,
    parse::module::Facts,
};

const HEADER: &[u8] = b"# Device nodes to trigger on-demand module loading.\n";

/// Numbers of a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    kind: char,
    major: u32,
    minor: u32,
}

/// `modules.devname`; empty if there are no lines.
pub(crate) fn devname(list: &ModuleList, facts: &[Option<Facts>], reporter: &mut dyn Reporter) -> Vec<u8> {
    let mut out = Vec::new();
    for (file, facts) in list.modules().iter().zip(facts) {
        let (mut name, mut numbers) = (None, None);
        for alias in facts.iter().flat_map(Facts::aliases) {
            if let Some(node) = alias.strip_prefix(b"devname:") {
                name = Some(node);
            } else if let Some(found) = Numbers::parse(alias) {
                numbers = Some(found);
            }
            if name.is_some() && numbers.is_some() {
                break;
            }
        }
        match (name, numbers) {
            (Some(name), Some(Numbers { kind, major, minor })) => {
                if out.is_empty() {
                    out.extend_from_slice(HEADER);
                }
                out.extend_from_slice(file.name());
                out.push(b' ');
                out.extend_from_slice(name);
                out.extend_from_slice(format!(" {kind}{major}:{minor}\n").as_bytes());
            }
            (Some(name), None) => {
                let (module, devname) = (file.name().into(), name.into());
                reporter.report(Diagnostic::DevnameNumbers { module, devname });
            }
            (None, _) => {}
        }
    }
    out
}

impl Numbers {
    /// Parses like C's `sscanf(alias, "char-major-%u-%u")`, or the same for `block`.
    fn parse(alias: &[u8]) -> Option<Self> {
        let (kind, rest) = match alias.strip_prefix(b"char-major-") {
            Some(rest) => ('c', rest),
            None => ('b', alias.strip_prefix(b"block-major-")?),
        };
        let (major, rest) = scan_unsigned(rest)?;
        let (minor, _) = scan_unsigned(rest.strip_prefix(b"-")?)?;
        Some(Self { kind, major, minor })
    }
}

/// C's `%u`: accepts leading white space and a sign; the value wraps modulo 2^32.
fn scan_unsigned(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.get(text.iter().take_while(|b| is_space(b)).count()..)?;
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    // `strtoul` stops at the largest 64-bit number; `%u` then keeps the lower half.
    let value = digits.iter().try_fold(0u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
    });
    let value = match value {
        Some(value) if negative => value.wrapping_neg(),
        Some(value) => value,
        None => u64::MAX,
    };
    let [a, b, c, d, ..] = value.to_le_bytes();
    Some((u32::from_le_bytes([a, b, c, d]), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parsed_as_by_sscanf() {
        let parse = |alias: &str| Numbers::parse(alias.as_bytes()).map(|n| (n.kind, n.major, n.minor));
        assert_eq!(parse("char-major-10-229"), Some(('c', 10, 229)));
        assert_eq!(parse("block-major- 7-+0rest"), Some(('b', 7, 0)));
        assert_eq!(parse("char-major--1-2"), Some(('c', u32::MAX, 2)));
        assert_eq!(parse("char-major-4294967297-2"), Some(('c', 1, 2)));
        assert_eq!(parse("char-major-99999999999999999999-2"), Some(('c', u32::MAX, 2)));
        assert_eq!(parse("char-major-10-*"), None);
        assert_eq!(parse("char-major-10"), None);
    }
}
