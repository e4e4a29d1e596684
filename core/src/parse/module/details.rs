//! Details from the export tables.
//!
//! The linker's symbols suffice, without relocations. An export `foo` has a local symbol `__ksymtab_foo` at its entry,
//! and since Linux 5.4 `__kstrtabns_foo` at its namespace in `__ksymtab_strings`:
//!
//! | Linux | `foo` is GPL-only if `__ksymtab_foo` lies |
//! |---|---|
//! | to 7.0 | in the section `__ksymtab_gpl` |
//! | later | at an entry of `__ksymtab` whose byte in `__kflagstab` has bit 0 |

use alloc::vec::Vec;
use core::ops::Range;

use hashbrown::HashMap;

use super::{
    ExportDetail, FactsBuilder,
    exports::{name_at, until_nul},
    ranges::Ranges,
};
use crate::parse::elf::{FileHeader, SectionTable, Symbol, Symbols, export_table};

/// The sections for [`Detail::Full`](super::Detail::Full), with their indexes if symbols refer to them.
#[derive(Default)]
pub(super) struct Sections {
    exports: Option<(u16, Range<u64>)>,
    exports_gpl: Option<u16>,
    flags: Option<Range<u64>>,
    strings: Option<u16>,
}

impl Sections {
    /// Finds them; `names` are the bytes of the section names.
    pub(super) fn find(
        header: FileHeader,
        table: SectionTable<'_>,
        names: &[u8],
        file_size: u64,
        wanted: &mut Vec<Range<u64>>,
    ) -> Self {
        let mut found = Self::default();
        for index in 1..header.sections {
            let Some((name, range)) = table.get(index).and_then(|section| {
                let name = until_nul(names.get(usize::try_from(section.name).ok()?..)?);
                Some((name, section.range(file_size)?))
            }) else {
                continue;
            };
            match name {
                export_table::ENTRIES => found.exports = Some((index, range)),
                export_table::ENTRIES_GPL => found.exports_gpl = Some(index),
                export_table::STRINGS => found.strings = Some(index),
                export_table::FLAGS => found.flags = Some(range),
                _ => {}
            }
        }
        wanted.extend(found.flags.clone());
        found
    }

    /// Adds the details of the exports. `strings` are the bytes of `__ksymtab_strings`.
    pub(super) fn collect(
        &self,
        ranges: &Ranges,
        symbols: Option<(Symbols<'_>, &[u8])>,
        strings: &[u8],
        facts: &mut FactsBuilder,
    ) {
        let flags = self.flags.as_ref().and_then(|range| ranges.get(range)).unwrap_or_default();
        let mut details: HashMap<&[u8], ExportDetail<'_>> = HashMap::new();
        if let Some((symbols, strtab)) = symbols {
            for symbol in symbols {
                let Some(name) = name_at(strtab, symbol).filter(|name| name.starts_with(b"__ks")) else {
                    continue;
                };
                let name = until_nul(name);
                if let Some(name) = name.strip_prefix(export_table::SYMBOL_PREFIX) {
                    let detail = details.entry(name).or_default();
                    detail.in_table = true;
                    detail.gpl_only = self.is_gpl_only(symbol, flags);
                } else if let Some(name) = name.strip_prefix(b"__kstrtabns_")
                    && Some(symbol.section) == self.strings
                    && let Some(namespace) =
                        usize::try_from(symbol.value).ok().and_then(|at| strings.get(at..))
                {
                    details.entry(name).or_default().namespace = until_nul(namespace);
                }
            }
        }
        facts.detail_exports(|name| details.get(name).copied().unwrap_or_default());
    }

    fn is_gpl_only(&self, entry: Symbol, flags: &[u8]) -> bool {
        const GPL_ONLY: u8 = 1;
        if Some(entry.section) == self.exports_gpl {
            return true;
        }
        let Some((index, table)) = &self.exports else { return false };
        let entries = u64::try_from(flags.len()).unwrap_or(u64::MAX);
        let size = table.end.saturating_sub(table.start).checked_div(entries).unwrap_or(0);
        let number = entry.value.checked_div(size).and_then(|number| usize::try_from(number).ok());
        let flags = number.filter(|_| entry.section == *index).and_then(|number| flags.get(number));
        flags.is_some_and(|flags| flags & GPL_ONLY != 0)
    }
}
