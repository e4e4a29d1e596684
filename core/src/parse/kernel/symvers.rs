//! `Module.symvers` (`-E`): CRCs of exported symbols ([`reference::resolution`](crate::reference::resolution)
//! §2.1).
//!
//! ```text
//! 0x6b2941b2<TAB>printk<TAB>vmlinux<TAB>EXPORT_SYMBOL<TAB>
//! 0x1a8e1f4e<TAB>usb_init<TAB>drivers/usb/core/usbcore<TAB>EXPORT_SYMBOL_GPL<TAB>
//! ```
//!
//! Only lines of `vmlinux` count; modules contain the CRCs of their own exports.

use super::{KernelSymbol, SYMBOL_LINE, without_prefix};
use crate::{
    diagnostic::{Diagnostic, FileLine},
    name::is_space,
    source::{IoError, Lines},
};

/// The exported symbols of the kernel image according to a `Module.symvers`, in file order, and a diagnostic
/// for each line with an invalid CRC. `file` is the path in these diagnostics; `prefix` is `-P`'s.
///
/// As in kmod, a newline is not a field separator: a line of only three fields is ignored.
pub fn symvers<'a>(
    bytes: &'a [u8],
    file: &'a [u8],
    prefix: Option<u8>,
) -> impl Iterator<Item = Result<KernelSymbol<'a>, Diagnostic>> {
    Lines::new(bytes, SYMBOL_LINE).filter_map(move |line| {
        let mut fields = line.text.split(|&b| b == b' ' || b == b'\t').filter(|field| !field.is_empty());
        let (crc, name, origin) = (fields.next()?, fields.next()?, fields.next()?);
        if origin != b"vmlinux" {
            return None;
        }
        Some(match parse_crc(crc) {
            Ok(crc) => Ok(KernelSymbol { name: without_prefix(name, prefix), crc }),
            Err(cause) => Err(Diagnostic::InvalidSymbolVersion {
                place: FileLine::new(file, line.number),
                crc: crc.into(),
                cause,
            }),
        })
    })
}

/// C's `strtoull` in base 16 over the whole of `text`; fails with its `errno`.
fn parse_crc(text: &[u8]) -> Result<u64, IoError> {
    let blanks = text.iter().take_while(|b| is_space(b)).count();
    let unsigned = text.get(blanks..).unwrap_or_default();
    let (negative, unsigned) = match unsigned {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, unsigned),
    };
    let digits = match unsigned {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest,
        _ => unsigned,
    };
    let length = digits.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let value = digits.iter().take(length).try_fold(0u64, |value, &digit| {
        value.checked_mul(16)?.checked_add(u64::from(char::from(digit).to_digit(16)?))
    });
    match value {
        None => Err(IoError::out_of_range()),
        Some(_) if length == 0 || length < digits.len() => Err(IoError::success()),
        Some(value) => Ok(if negative { value.wrapping_neg() } else { value }),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn names(bytes: &[u8]) -> Vec<&str> {
        symvers(bytes, b"f", None).map(|symbol| core::str::from_utf8(symbol.unwrap().name).unwrap()).collect()
    }

    #[test]
    fn fields_are_separated_by_blanks_and_tabs() {
        let text =
            b"0x1\ts1\tvmlinux\tX\n0x2\ts2\tvmlinux\n0x3 s3   vmlinux  \n 4 s4 vmlinux X\n5\ts5\tvmlinux";
        assert_eq!(names(text), ["s1", "s3", "s4", "s5"]);
        assert_eq!(names(b"1 a vmlinux\r\n1 b vmlinux.o X\n1 c VMLINUX X\nfoo\n\n1 d\n"), [""; 0]);
        assert_eq!(names(b"x s6 drivers/foo X\n"), [""; 0], "CRCs of modules are ignored");
    }

    #[test]
    fn nul_ends_a_line() {
        assert_eq!(
            names(b"1\0\ta\tvmlinux\tX\n1\tb\0\tvmlinux\tX\n1 c vmlinux\0X\n1 d vmlinux \0\n"),
            ["c", "d"]
        );
    }

    #[test]
    fn long_lines_are_split() {
        let q = |count| vec![b'q'; count];
        let text = [&*q(10_239), b"1 s7 vmlinux X\n", &*q(10_238), b"\n1 s8 vmlinux X\n"].concat();
        assert_eq!(names(&text), ["s7", "s8"]);
    }

    #[test]
    fn crcs_are_parsed_as_in_c() {
        for (text, crc) in [
            ("0x6b2941b2", 0x6b29_41b2),
            ("0XaB", 0xab),
            ("5", 5),
            ("+4", 4),
            ("-1", u64::MAX),
            ("\x0b7", 7),
            ("ffffffffffffffff", u64::MAX),
            ("0000000000000000000000001", 1),
        ] {
            assert_eq!(parse_crc(text.as_bytes()), Ok(crc), "{text}");
        }
        for text in ["0xg", "0x", "x", "#1", "-", "--1", "0x0x6", "0x-1", "1\n", "", "+-1", "0x "] {
            assert_eq!(parse_crc(text.as_bytes()), Err(IoError::success()), "{text}");
        }
        for text in ["10000000000000000", "-10000000000000000", "0xffffffffffffffffffffz"] {
            assert_eq!(parse_crc(text.as_bytes()), Err(IoError::out_of_range()), "{text}");
        }
    }

    #[test]
    fn invalid_crcs_are_reported() {
        let messages: Vec<_> = symvers(b"\n0xg\ts1\tvmlinux\tX\n", b"/s", None)
            .map(|item| String::from_utf8(item.unwrap_err().message()).unwrap())
            .collect();
        assert_eq!(messages, ["/s:2 Invalid symbol version 0xg: Success"]);
    }

    #[test]
    fn one_prefix_character_is_dropped() {
        let text = b"1 _a vmlinux X\n1 __b vmlinux X\n1 _ vmlinux X\n1 c vmlinux X\n";
        let names: Vec<_> = symvers(text, b"f", Some(b'_')).map(|symbol| symbol.unwrap().name).collect();
        assert_eq!(names, [&b"a"[..], b"_b", b"", b"c"]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let lines = bytes.split(|&b| b == b'\n').count();
            prop_assert!(symvers(&bytes, b"f", Some(b'_')).count() <= lines);
        }

        #[test]
        fn crcs_round_trip(crc: u64) {
            prop_assert_eq!(parse_crc(alloc::format!("0x{crc:08x}").as_bytes()), Ok(crc));
        }
    }
}
