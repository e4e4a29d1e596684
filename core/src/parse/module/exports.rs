//! Exported symbols and their CRCs ([`reference::modules`](crate::reference::modules) §7.4).
//!
//! A module that exports `foo` has a symbol `__crc_foo` when the kernel was built with symbol versions: its
//! value is the CRC itself, or the offset of the CRC in a section. Without such symbols, the names are in
//! `__ksymtab_strings`.

use super::FactsBuilder;
use crate::parse::elf::{Symbol, Symbols, section_index};

const PREFIX: &[u8] = b"__crc_";

/// Replaces a CRC outside of its section.
pub(super) const NO_CRC: u64 = u64::MAX;

/// Adds the exports of `__crc_` symbols; none if any name is outside of `strtab`. `crc_at` reads the word at
/// an offset of a section.
pub(super) fn from_crc_symbols(
    symbols: Symbols<'_>,
    strtab: &[u8],
    mut crc_at: impl FnMut(u16, u64) -> u64,
    facts: &mut FactsBuilder,
) {
    let is_wanted = |name| rest_at(strtab, name).is_none_or(|name| name.starts_with(PREFIX));
    for symbol in symbols.named(is_wanted) {
        let Some(name) = name_at(strtab, symbol) else {
            facts.clear_exports();
            return;
        };
        let crc = match symbol.section {
            section_index::ABS | section_index::UNDEF => symbol.value,
            section => crc_at(section, symbol.value),
        };
        let exported = symbol_name(name, facts).get(PREFIX.len()..).unwrap_or_default();
        facts.export(exported, crc);
    }
}

/// Adds the exports of `__ksymtab_strings`, without CRCs.
pub(super) fn from_strings(section: &[u8], facts: &mut FactsBuilder) {
    let start = section.iter().position(|&b| b != 0).unwrap_or(section.len());
    let strings = section.get(start..).unwrap_or_default();
    if strings.len() <= 1 {
        return;
    }
    if strings.last() != Some(&0) {
        facts.set_exports_invalid();
        return;
    }
    for name in strings.split(|&b| b == 0) {
        facts.export(name, 0);
    }
}

/// The rest of `strtab`, beginning with a symbol's name.
#[inline]
pub(super) fn name_at(strtab: &[u8], symbol: Symbol) -> Option<&[u8]> {
    rest_at(strtab, symbol.name)
}

#[inline]
fn rest_at(strtab: &[u8], name: u32) -> Option<&[u8]> {
    strtab.get(usize::try_from(name).ok()?..).filter(|name| !name.is_empty())
}

/// The symbol name at the beginning of the result of [`name_at`]; records an unterminated name.
#[inline]
pub(super) fn symbol_name<'data>(bytes: &'data [u8], facts: &mut FactsBuilder) -> &'data [u8] {
    let name = until_nul(bytes);
    if name.len() == bytes.len() {
        facts.set_name_unended();
    }
    name
}

/// The bytes before the first NUL; all bytes if there is none, so that a name ends with its section
/// ([`reference::known_bugs`](crate::reference::known_bugs) A8).
#[inline]
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_skipped_and_unterminated_strings_are_used() {
        let mut facts = FactsBuilder::default();
        from_strings(b"\0\0one\0\0two\0", &mut facts);
        assert!(facts.finish().unwrap().exports().map(|e| e.name).eq([&b"one"[..], b"two"]));
        from_strings(b"one\0tw", &mut facts);
        assert!(facts.finish().unwrap().exports_invalid());
        from_strings(b"\0\0x", &mut facts);
        assert!(!facts.finish().unwrap().exports_invalid());
    }

    #[test]
    fn crc_symbols_export_nothing_if_a_name_is_out_of_bounds() {
        use crate::parse::elf::{ByteOrder, Class};

        let entry = |name: u8, section: u16, value: u8| {
            let mut entry = [0; 24];
            entry[0] = name;
            entry[6..8].copy_from_slice(&section.to_le_bytes());
            entry[8] = value;
            entry
        };
        let strtab = b"\0__crc_abs\0__crc_far\0other\0";
        let names = |entries: &[[u8; 24]]| {
            let table = [&[[0; 24]], entries].concat().concat();
            let symbols = Symbols::new(Class::Elf64, ByteOrder::Little, &table).unwrap();
            let mut facts = FactsBuilder::default();
            from_crc_symbols(symbols, strtab, |section, at| u64::from(section) * 100 + at, &mut facts);
            let facts = facts.finish().unwrap();
            facts.exports().map(|export| (export.name.to_vec(), export.crc)).collect::<alloc::vec::Vec<_>>()
        };
        let good = [entry(1, section_index::ABS, 9), entry(11, 3, 7), entry(21, 3, 7)];
        assert_eq!(names(&good), [(b"abs".to_vec(), 9), (b"far".to_vec(), 307)]);
        assert_eq!(names(&[good[0], entry(200, 3, 7)]), []);
    }
}
