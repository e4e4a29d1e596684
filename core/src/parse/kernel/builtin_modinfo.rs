//! `modules.builtin.modinfo`: NUL-terminated `module.key=value` strings
//! ([`reference::outputs`](crate::reference::outputs) §4.2).
//!
//! A file of three entries, one of them an alias:
//!
//! ```text
//! unix.license=GPL␀  unix.alias=net-pf-1␀  unix.file=net/unix/unix␀
//! ```
//!
//! kmod reads field by field and never backtracks, which explains its behaviour on unusual input: an entry
//! without `=` swallows the next entry, and a last string without NUL has no effect.

use core::fmt;

use bstr::BStr;

use crate::{diagnostic::Diagnostic, name::PATH_MAX, source::NO_SPACE};

/// The name of the file.
pub const BUILTIN_MODINFO: &str = "modules.builtin.modinfo";

/// Maximal length of a field in kmod.
const FIELD: usize = PATH_MAX - 1;
/// Bytes of an overlong field that kmod shows.
const PARTIAL: usize = PATH_MAX;
/// Bytes after which kmod stops reading a field; the next field begins after them.
const STOP: usize = PATH_MAX + 1;

/// One alias of a built-in module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BuiltinAlias<'a> {
    /// The module, exactly as written.
    pub module: &'a [u8],
    /// The alias, not normalised; never empty.
    pub value: &'a [u8],
}

/// Names as text.
impl fmt::Debug for BuiltinAlias<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltinAlias")
            .field("module", &BStr::new(self.module))
            .field("value", &BStr::new(self.value))
            .finish()
    }
}

/// The aliases in `modules.builtin.modinfo`, in file order, interleaved with kmod's warnings about fields of
/// more than 4,095 bytes.
pub fn builtin_aliases(bytes: &[u8]) -> impl Iterator<Item = Result<BuiltinAlias<'_>, Diagnostic>> {
    Aliases { rest: bytes, next: Field::Module, found: None }
}

/// The next field.
#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Module,
    Key {
        module: &'a [u8],
    },
    Value {
        module: &'a [u8],
    },
    /// Ignored bytes up to and including the next NUL.
    Unwanted,
}

#[derive(Clone, Debug)]
struct Aliases<'a> {
    rest: &'a [u8],
    next: Field<'a>,
    /// An alias to return after its warning.
    found: Option<BuiltinAlias<'a>>,
}

/// The result of reading a field.
struct Reading<'a> {
    /// The field; empty when another terminator than the wanted one ended it, or when it was too long.
    text: &'a [u8],
    /// The start of an overlong field.
    too_long: Option<&'a [u8]>,
}

impl<'a> Aliases<'a> {
    /// Reads a field and its terminator: `wanted`, or a NUL.
    fn read(&mut self, wanted: u8) -> Reading<'a> {
        let rest = self.rest;
        let window = rest.get(..STOP).unwrap_or(rest);
        let end = window.iter().position(|&b| b == wanted || b == 0);
        let field = window.get(..end.unwrap_or(window.len())).unwrap_or(window);
        let after = rest.get(field.len()..).unwrap_or_default();
        self.rest = match end {
            Some(_) => after.get(1..).unwrap_or_default(),
            None => after,
        };
        let ended = end.is_some() && after.first() == Some(&wanted);
        Reading {
            // One excess byte is detected only at the terminator; more excess bytes end the reading.
            text: if ended { field.get(..FIELD).unwrap_or(field) } else { &[] },
            too_long: field.get(..PARTIAL),
        }
    }

    fn skip_entry(&mut self) {
        let end = self.rest.iter().position(|&b| b == 0).map_or(self.rest.len(), |nul| nul.saturating_add(1));
        self.rest = self.rest.get(end..).unwrap_or_default();
    }
}

impl<'a> Iterator for Aliases<'a> {
    type Item = Result<BuiltinAlias<'a>, Diagnostic>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(alias) = self.found.take() {
                return Some(Ok(alias));
            }
            if self.rest.is_empty() {
                return None;
            }
            let too_long = match self.next {
                Field::Module => {
                    let Reading { text: module, too_long } = self.read(b'.');
                    if !module.is_empty() {
                        self.next = Field::Key { module };
                    }
                    too_long
                }
                Field::Key { module } => {
                    let Reading { text: key, too_long } = self.read(b'=');
                    self.next = if key == b"alias" { Field::Value { module } } else { Field::Unwanted };
                    too_long
                }
                Field::Value { module } => {
                    let Reading { text: value, too_long } = self.read(0);
                    self.next = Field::Module;
                    self.found = (!value.is_empty()).then_some(BuiltinAlias { module, value });
                    too_long
                }
                Field::Unwanted => {
                    self.skip_entry();
                    self.next = Field::Module;
                    None
                }
            };
            if let Some(partial) = too_long {
                return Some(Err(Diagnostic::BuiltinFieldTooLong {
                    errno: NO_SPACE,
                    partial: partial.into(),
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    /// `module=value`, with runs of more than 9 equal letters as letter and number; `!` is a warning.
    fn read(bytes: &[u8]) -> Vec<String> {
        let show = |bytes: &[u8]| match *bytes {
            [first, .., last] if bytes.len() > 9 => {
                format!("{}{}{}", char::from(first), bytes.len(), char::from(last))
            }
            _ => String::from_utf8_lossy(bytes).into_owned(),
        };
        builtin_aliases(bytes)
            .map(|item| match item {
                Ok(alias) => format!("{}={}", show(alias.module), show(alias.value)),
                Err(Diagnostic::BuiltinFieldTooLong { partial, .. }) => format!("!{}", show(&partial)),
                Err(other) => panic!("{other}"),
            })
            .collect()
    }

    fn run(before: &str, letter: u8, count: usize, after: &str) -> Vec<String> {
        read(&[before.as_bytes(), &*vec![letter; count], after.as_bytes()].concat())
    }

    #[test]
    fn aliases_are_found_among_other_keys() {
        assert_eq!(
            read(b"a.alias=x\0b.license=GPL\0c.alias=y-z\0a-b.alias=[a-b]-c\0c.aliass=1\0c.alia=1\0"),
            ["a=x", "c=y-z", "a-b=[a-b]-c"]
        );
        assert_eq!(read(b"a.alias=x.y=z\0a.b.alias=z\0a.=x\0b.alias=2\0"), ["a=x.y=z", "b=2"]);
    }

    #[test]
    fn malformed_entries_behave_as_in_kmod() {
        assert_eq!(read(b"a.alias=x\0b.alias=y"), ["a=x"], "the last string needs its NUL");
        assert_eq!(read(b"b.alias\0c.alias=z\0d.alias=q\0"), ["d=q"], "no `=`: the next one is swallowed");
        assert_eq!(read(b"bogus\0c.alias=z\0"), ["c=z"], "no `.`: an entry by itself");
        assert_eq!(read(b".alias=q\0e.alias=\0g.alias=1\0"), ["g=1"]);
        assert_eq!(read(b"a.k\0\0\0b.alias=2\0"), ["b=2"]);
        for end in ["a", "a.", "a.alias", "a.alias=", "a.x", "a.x="] {
            assert_eq!(read(end.as_bytes()), [""; 0], "{end}");
        }
    }

    #[test]
    fn long_module_names_are_reported() {
        let rest = ".alias=x\0b.alias=2\0";
        assert_eq!(run("", b'a', 4095, rest), ["a4095a=x", "b=2"]);
        assert_eq!(run("", b'a', 4096, rest), ["!a4096a", "a4095a=x", "b=2"]);
        assert_eq!(run("", b'a', 4097, rest), ["!a4096a", "b=2"]);
        assert_eq!(run("", b'a', 4098, rest), ["!a4096a", "a=x", "b=2"]);
        assert_eq!(run("", b'a', 9000, rest), ["!a4096a", "!a4096a", "a806a=x", "b=2"]);
        assert_eq!(run("", b'a', 4096, "\0b.alias=2\0"), ["!a4096a", "b=2"]);
        assert_eq!(run("", b'a', 4095, ""), [""; 0]);
        assert_eq!(run("", b'a', 9000, ""), ["!a4096a", "!a4096a"]);
    }

    #[test]
    fn long_keys_are_reported() {
        assert_eq!(run("a.", b'k', 4096, "=v\0b.alias=2\0"), ["!k4096k", "b=2"]);
        assert_eq!(run("a.", b'k', 9000, "=v\0b.alias=2\0"), ["!k4096k", "b=2"]);
        assert_eq!(run("a.", b'k', 4096, "\0b.alias=2\0c.alias=3\0"), ["!k4096k", "c=3"]);
        assert_eq!(run("a.", b'k', 4097, "\0b.alias=2\0c.alias=3\0"), ["!k4096k", "b=2", "c=3"]);
    }

    #[test]
    fn long_values_are_reported() {
        let rest = "\0b.alias=2\0";
        assert_eq!(run("a.alias=", b'v', 4095, rest), ["a=v4095v", "b=2"]);
        assert_eq!(run("a.alias=", b'v', 4096, rest), ["!v4096v", "a=v4095v", "b=2"]);
        assert_eq!(run("a.alias=", b'v', 4097, rest), ["!v4096v", "b=2"]);
        assert_eq!(run("a.alias=", b'v', 9000, rest), ["!v4096v", "!v4096v", "b=2"]);
        assert_eq!(run("a.alias=", b'v', 4096, ""), ["!v4096v"]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(
            prop_oneof![Just(0u8), Just(b'.'), Just(b'='), any::<u8>()], 0..300,
        )) {
            for alias in builtin_aliases(&bytes).flatten() {
                prop_assert!(!alias.module.is_empty() && !alias.value.is_empty());
            }
        }
    }
}
