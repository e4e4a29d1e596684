//! `System.map` (`-F`): the exported symbols of the kernel image
//! ([`reference::resolution`](crate::reference::resolution) §2.2).
//!
//! ```text
//! ffffffff82a4b2d0 r __ksymtab_printk
//! ffffffff810f3c10 T printk
//! ```
//!
//! Only the `__ksymtab_` entry marks an exported symbol; address and type are ignored.

use super::{KernelSymbol, SYMBOL_LINE, without_prefix};
use crate::{
    diagnostic::{Diagnostic, FileLine},
    parse::elf::export_table::SYMBOL_PREFIX,
    source::Lines,
};

/// The exported symbols of the kernel image according to a `System.map`, in file order, with CRC 0, and a
/// diagnostic for each line with fewer than two spaces. `file` is the path in these diagnostics; `prefix` is
/// `-P`'s, and precedes `__ksymtab_`.
pub fn system_map<'a>(
    bytes: &'a [u8],
    file: &'a [u8],
    prefix: Option<u8>,
) -> impl Iterator<Item = Result<KernelSymbol<'a>, Diagnostic>> {
    Lines::new(bytes, SYMBOL_LINE).filter_map(move |line| {
        let Some(name) = line.text.splitn(3, |&b| b == b' ').nth(2) else {
            return Some(Err(Diagnostic::InvalidMapLine {
                place: FileLine::new(file, line.number),
                line: line.text.into(),
            }));
        };
        let name = without_prefix(name, prefix).strip_prefix(SYMBOL_PREFIX)?;
        let name = name.strip_suffix(b"\n").unwrap_or(name);
        Some(Ok(KernelSymbol { name, crc: 0 }))
    })
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], prefix: Option<u8>) -> Vec<Result<String, String>> {
        system_map(bytes, b"f", prefix)
            .map(|item| match item {
                Ok(symbol) => Ok(String::from_utf8(symbol.name.to_vec()).unwrap()),
                Err(diagnostic) => Err(String::from_utf8(diagnostic.message()).unwrap()),
            })
            .collect()
    }

    fn ok(names: &[&str]) -> Vec<Result<String, String>> {
        names.iter().map(|name| Ok(String::from(*name))).collect()
    }

    #[test]
    fn names_follow_the_second_space() {
        let text = b"00 T __ksymtab_s1\n00 T s2\n00  __ksymtab_s3\n  __ksymtab_s4\n00 T  __ksymtab_s5\n0 T __ksymtab_s6";
        assert_eq!(read(text, None), ok(&["s1", "s3", "s4", "s6"]));
        let text = b"00 T __ksymtab_a b\n00 T __ksymtab_c\r\n00 T __ksymtab_d\t[m]\n00 T __ksymtab_\n";
        assert_eq!(read(text, None), ok(&["a b", "c\r", "d\t[m]", ""]));
    }

    #[test]
    fn lines_with_fewer_spaces_are_reported() {
        let expected = ["f:1: invalid line: 00 T\n", "f:2: invalid line: \n", "f:4: invalid line: last"];
        let found: Vec<_> =
            read(b"00 T\n\nx y z w\nlast", None).into_iter().map(Result::unwrap_err).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn nul_ends_a_line() {
        let text = b"00 \0T __ksymtab_s1\n00 T __ksymtab_s2\0z\n\0\n00 T \0__ksymtab_s3\n";
        assert_eq!(
            read(text, None),
            [Err("f:1: invalid line: 00 ".into()), Ok("s2".into()), Err("f:3: invalid line: ".into())]
        );
    }

    #[test]
    fn prefix_precedes_ksymtab() {
        let text = b"0 T ___ksymtab_a\n0 T __ksymtab_b\n0 T ___ksymtab__c\n0 T ____ksymtab_d\n";
        assert_eq!(read(text, Some(b'_')), ok(&["a", "_c"]));
    }

    #[test]
    fn long_lines_are_split() {
        let text = [&*vec![b'q'; 10_239], b"1 s __ksymtab_s7\n"].concat();
        let found = read(&text, None);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], Ok("s7".into()));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let lines = bytes.split(|&b| b == b'\n').count();
            prop_assert!(system_map(&bytes, b"f", Some(b'_')).count() <= lines);
        }
    }
}
