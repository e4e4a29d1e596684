//! Needed symbols and their expected versions ([`reference::modules`](crate::reference::modules) §7.5).

use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    FactsBuilder, NeedsDiscarded,
    exports::{name_at, symbol_name, until_nul},
};
use crate::parse::elf::{ByteOrder, Class, Symbols, binding, machine, symbol_type};

/// Bytes of an entry of `__versions`: a CRC, then a name field.
const ENTRY: usize = 64;

/// One entry of `__versions`.
struct Version<'data> {
    name: &'data [u8],
    /// Whether the name ends inside its field.
    ends: bool,
    crc: u64,
    /// Whether an undefined symbol has this name.
    used: bool,
}

impl<'data> Version<'data> {
    fn parse(class: Class, byte_order: ByteOrder, entry: &'data [u8]) -> Option<Self> {
        let (crc, field) = entry.split_at_checked(class.version_crc_size())?;
        let name = until_nul(field);
        let crc = match class {
            Class::Elf32 => u64::from(byte_order.u32(crc)?),
            Class::Elf64 => byte_order.u64(crc)?,
        };
        Some(Self { name, ends: name.len() < field.len(), crc, used: false })
    }
}

/// Finds the entries of `__versions` by name. The table is reused for the next module.
#[derive(Default)]
pub(super) struct VersionTable {
    /// Positions in the module's list: the first entry of each name.
    by_name: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// Whether all names differ.
    distinct: bool,
    /// Position after the last found entry. Linkers keep both tables in nearly the same order, so the next
    /// entry is usually here.
    next: usize,
}

impl VersionTable {
    fn fill(&mut self, versions: &[Version<'_>]) {
        self.by_name.clear();
        let hasher = &self.hasher;
        let name = |at: usize| versions.get(at).map(|version| version.name).unwrap_or_default();
        for (at, version) in versions.iter().enumerate() {
            let hash = hasher.hash_one(version.name);
            let same = |&other: &usize| name(other) == version.name;
            self.by_name.entry(hash, same, |&other| hasher.hash_one(name(other))).or_insert(at);
        }
        self.distinct = self.by_name.len() == versions.len();
        self.next = 0;
    }

    fn find<'list, 'data>(
        &mut self,
        versions: &'list mut [Version<'data>],
        name: &[u8],
    ) -> Option<&'list mut Version<'data>> {
        let same = |&at: &usize| versions.get(at).is_some_and(|version| version.name == name);
        let at = match self.distinct && same(&self.next) {
            true => self.next,
            false => *self.by_name.find(self.hasher.hash_one(name), same)?,
        };
        self.next = at.saturating_add(1);
        versions.get_mut(at)
    }
}

/// The input of `collect`.
pub(super) struct Input<'data> {
    pub(super) class: Class,
    pub(super) byte_order: ByteOrder,
    pub(super) machine: u16,
    pub(super) symbols: Symbols<'data>,
    pub(super) strtab: &'data [u8],
    /// `__versions`; empty if absent or of a wrong size.
    pub(super) versions: &'data [u8],
}

/// Adds every undefined symbol in table order, then every unused entry of `__versions` (`module_layout` is
/// only there).
pub(super) fn collect(input: Input<'_>, table: &mut VersionTable, facts: &mut FactsBuilder) {
    let Input { class, byte_order, machine, symbols, strtab, versions } = input;
    let parse = |entry| Version::parse(class, byte_order, entry);
    let entries = versions.chunks_exact(ENTRY);
    let mut versions: Vec<Version<'_>> = Vec::with_capacity(entries.len());
    versions.extend(entries.filter_map(parse));
    table.fill(&versions);
    let sparc = machine == machine::SPARC || machine == machine::SPARCV9;
    for symbol in symbols.undefined() {
        if sparc && symbol.symbol_type() == symbol_type::REGISTER {
            continue;
        }
        let Some(name) = name_at(strtab, symbol) else {
            facts.discard_needs(NeedsDiscarded::SymbolName);
            return;
        };
        let name = symbol_name(name, facts);
        if name.is_empty() {
            continue;
        }
        let version = table.find(&mut versions, name);
        let crc = version.map_or(0, |version| {
            version.used = true;
            version.crc
        });
        facts.need(name, crc, symbol.binding() == binding::WEAK);
    }
    for version in versions.iter().filter(|version| !version.used) {
        if !version.ends {
            facts.discard_needs(NeedsDiscarded::VersionName);
            return;
        }
        facts.need(version.name, version.crc, false);
    }
}

/// Takes over the versions of `__version_ext_crcs`, a row of 32-bit words, and `__version_ext_names`, their names
/// in the same order, each with a NUL behind it. Where a symbol also has one in `__versions`, Linux prefers these.
/// With `alone`, symbols that have only a version become needs.
pub(super) fn collect_extended(
    byte_order: ByteOrder,
    crcs: &[u8],
    names: &[u8],
    alone: bool,
    facts: &mut FactsBuilder,
) {
    let crcs = crcs.chunks_exact(4).filter_map(|word| byte_order.u32(word));
    facts.version_needs(names.split(|&byte| byte == 0).zip(crcs), alone);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn first_entry_of_a_name_is_found(
            versions in prop::collection::vec("[ab]{1,3}", 0..12),
            wanted in prop::collection::vec("[ab]{1,3}", 0..30),
        ) {
            let mut list: Vec<Version<'_>> = (0..).zip(&versions)
                .map(|(crc, name)| Version { name: name.as_bytes(), ends: true, crc, used: false })
                .collect();
            let mut table = VersionTable::default();
            table.fill(&list);
            // In entry order, too, where the next entry is at the expected position.
            for name in wanted.iter().chain(&versions) {
                let found = table.find(&mut list, name.as_bytes()).map(|version| version.crc);
                let first = versions.iter().position(|version| version == name);
                prop_assert_eq!(found, first.map(|at| at as u64));
            }
        }
    }
}
