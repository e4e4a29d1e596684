//! Needed symbols and the versions they were built against (`reference/modules.md` §7.5).

use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    FactsBuilder, NeedsLost,
    exports::{name_at, until_nul},
};
use crate::elf::{ByteOrder, Class, Symbols, binding, machine, section_index, symbol_type};

/// Bytes of an entry of `__versions`: a CRC, then a name field.
const ENTRY: usize = 64;

/// `__versions` of one module, found by name. Its table is kept from module to module.
#[derive(Default)]
pub(super) struct VersionTable {
    /// Indexes into the module's `__versions`; the first entry of each name.
    by_name: HashTable<u32>,
    /// Which entries no undefined symbol has used, by index.
    unused: alloc::vec::Vec<bool>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy)]
struct Entries<'data> {
    bytes: &'data [u8],
    class: Class,
    byte_order: ByteOrder,
}

impl<'data> Entries<'data> {
    fn entry(&self, index: u32) -> Option<&'data [u8]> {
        let start = usize::try_from(index).ok()?.checked_mul(ENTRY)?;
        self.bytes.get(start..)?.get(..ENTRY)
    }

    fn crc(&self, index: u32) -> u64 {
        let entry = self.entry(index).unwrap_or_default();
        match self.class {
            Class::Elf32 => self.byte_order.u32(entry).map(u64::from),
            Class::Elf64 => self.byte_order.u64(entry),
        }
        .unwrap_or(0)
    }

    fn name_field(&self, index: u32) -> &'data [u8] {
        self.entry(index).and_then(|entry| entry.get(self.class.version_crc_size()..)).unwrap_or_default()
    }

    fn count(&self) -> u32 {
        u32::try_from(self.bytes.len().checked_div(ENTRY).unwrap_or(0)).unwrap_or(u32::MAX)
    }
}

impl VersionTable {
    fn fill(&mut self, entries: Entries<'_>) {
        self.by_name.clear();
        self.unused.clear();
        for index in 0..entries.count() {
            self.unused.push(true);
            let name = until_nul(entries.name_field(index));
            let hasher = &self.hasher;
            let hash = |name: &[u8]| hasher.hash_one(name);
            let same = |&other: &u32| until_nul(entries.name_field(other)) == name;
            self.by_name
                .entry(hash(name), same, |&other| hash(until_nul(entries.name_field(other))))
                .or_insert(index);
        }
    }

    fn take(&mut self, entries: Entries<'_>, name: &[u8]) -> Option<u64> {
        let same = |&other: &u32| until_nul(entries.name_field(other)) == name;
        let index = *self.by_name.find(self.hasher.hash_one(name), same)?;
        *self.unused.get_mut(usize::try_from(index).ok()?)? = false;
        Some(entries.crc(index))
    }
}

/// What `collect` looks at.
pub(super) struct Input<'data> {
    pub(super) class: Class,
    pub(super) byte_order: ByteOrder,
    pub(super) machine: u16,
    pub(super) symbols: Symbols<'data>,
    pub(super) strtab: &'data [u8],
    /// `__versions`, empty when absent or of a wrong size.
    pub(super) versions: &'data [u8],
}

/// First every undefined symbol in table order, then every entry of `__versions` that none of them
/// used (`module_layout` is only there).
pub(super) fn collect(input: Input<'_>, table: &mut VersionTable, facts: &mut FactsBuilder) {
    let Input { class, byte_order, machine, symbols, strtab, versions } = input;
    let entries = Entries { bytes: versions, class, byte_order };
    table.fill(entries);
    let sparc = machine == machine::SPARC || machine == machine::SPARCV9;
    for symbol in symbols.filter(|symbol| symbol.section == section_index::UNDEF) {
        if sparc && symbol.symbol_type() == symbol_type::REGISTER {
            continue;
        }
        let Some(name) = name_at(strtab, symbol) else {
            facts.lose_needs(NeedsLost::SymbolName);
            return;
        };
        let name = until_nul(name);
        if !name.is_empty() {
            let crc = table.take(entries, name).unwrap_or(0);
            facts.need(name, crc, symbol.binding() == binding::WEAK);
        }
    }
    for (index, &unused) in (0..).zip(&table.unused) {
        if !unused {
            continue;
        }
        let field = entries.name_field(index);
        let name = until_nul(field);
        if name.len() == field.len() {
            facts.lose_needs(NeedsLost::VersionName);
            return;
        }
        facts.need(name, entries.crc(index), false);
    }
}
