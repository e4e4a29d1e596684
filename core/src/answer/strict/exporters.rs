//! Exported symbols, their providers, and the conditions for their use.

use alloc::vec::Vec;

use hashbrown::{HashMap, hash_map::Entry};

use crate::{
    parse::{
        kernel::KernelExports,
        module::{ExportDetail, Facts},
    },
    resolve::{IMPLICIT, ModuleIndex},
};

/// An export.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exporter<'a> {
    /// The module; `None` is the kernel.
    pub(super) owner: Option<ModuleIndex>,
    /// Its CRC, or 0.
    pub(super) crc: u64,
    pub(super) gpl_only: bool,
    pub(super) namespace: &'a [u8],
}

/// A symbol that a module exports although an earlier module or the kernel does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twice<'a> {
    pub(super) symbol: &'a [u8],
    pub(super) owner: ModuleIndex,
    pub(super) other: Option<ModuleIndex>,
}

/// All exports.
#[derive(Debug, Default)]
pub(super) struct Exporters<'a> {
    by_name: HashMap<&'a [u8], Exporter<'a>>,
    pub(super) twice: Vec<Twice<'a>>,
}

impl<'a> Exporters<'a> {
    /// The first exporter of a name counts: the kernel refuses a module that exports it again.
    pub(super) fn new(kernel: Option<&'a KernelExports>, facts: &[Option<&'a Facts>]) -> Self {
        let mut this = Self::default();
        for export in kernel.into_iter().flat_map(KernelExports::iter) {
            let (crc, gpl_only, namespace) = (export.crc, export.gpl_only, export.namespace);
            this.by_name.insert(export.name, Exporter { owner: None, crc, gpl_only, namespace });
        }
        for (owner, facts) in (0..).zip(facts) {
            let Some(facts) = facts else { continue };
            let has_tables = facts.exports_in_detail().any(|(_, detail)| detail.in_table);
            for (export, detail) in facts.exports_in_detail() {
                // A namespace beside the names is no symbol.
                if has_tables && !detail.in_table {
                    continue;
                }
                let ExportDetail { gpl_only, namespace, .. } = detail;
                let exporter = Exporter { owner: Some(owner), crc: export.crc, gpl_only, namespace };
                match this.by_name.entry(export.name) {
                    Entry::Vacant(slot) => {
                        slot.insert(exporter);
                    }
                    Entry::Occupied(slot) if slot.get().owner != Some(owner) => {
                        this.twice.push(Twice { symbol: export.name, owner, other: slot.get().owner });
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
        this
    }

    /// The provider of a needed symbol.
    pub(super) fn get(&self, name: &[u8]) -> Option<&Exporter<'a>> {
        self.by_name.get(name)
    }
}

/// A needed symbol by its exported name; `None` if every kernel provides it implicitly.
pub(in crate::answer) fn needed_name(name: &[u8]) -> Option<&[u8]> {
    // ppc64 prefixes names of functions with a dot.
    let name = name.strip_prefix(b".").unwrap_or(name);
    (!IMPLICIT.contains(&name)).then_some(name)
}
