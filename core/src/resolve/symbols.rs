//! The symbol table: symbols and their providers ([`reference::modules`](crate::reference::modules) §7.4,
//! [`reference::resolution`](crate::reference::resolution) §2).

use alloc::vec::Vec;
use core::fmt;

use bstr::BStr;
use hashbrown::HashMap;

use crate::{hash::superfast, parse::kernel::KernelSymbol, parse::module::Facts};

/// Position of a module in the module list.
pub type ModuleIndex = u32;

/// Buckets of kmod's hash table, whose iteration order is the order of `modules.symbols`.
const BUCKETS: u32 = 2048;

/// Symbols that every kernel provides implicitly.
pub(crate) const IMPLICIT: [&[u8]; 3] = [b"__this_module", b"_GLOBAL_OFFSET_TABLE_", b"TOC."];

/// The provider of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The module; `None` is the kernel.
    pub owner: Option<ModuleIndex>,
    /// The symbol's version, 0 if it has none.
    pub crc: u64,
}

/// All symbols of one run.
#[derive(Default)]
pub struct SymbolTable<'data> {
    by_name: HashMap<&'data [u8], Provider>,
    prefix: Option<u8>,
}

/// Names with their providers.
impl fmt::Debug for SymbolTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.by_name.iter().map(|(name, provider)| (BStr::new(name), provider)))
            .finish()
    }
}

impl<'data> SymbolTable<'data> {
    /// Inserts the symbols of the kernel, then of every module in list order. A later provider of a name
    /// replaces an earlier one, so modules take precedence over the kernel. `prefix` is removed from names
    /// (`-P`).
    #[must_use]
    pub fn new(
        kernel: Option<&[KernelSymbol<'data>]>,
        facts: &'data [Option<Facts>],
        prefix: Option<u8>,
    ) -> Self {
        let mut by_name: HashMap<&[u8], Provider> = HashMap::new();
        if let Some(kernel) = kernel {
            by_name.extend(
                kernel.iter().map(|&KernelSymbol { name, crc }| (name, Provider { owner: None, crc })),
            );
            for name in IMPLICIT {
                by_name.entry(name).or_insert(Provider { owner: None, crc: 0 });
            }
        }
        for (owner, facts) in (0..).zip(facts) {
            for export in facts.iter().flat_map(Facts::exports) {
                let name = without_prefix(export.name, prefix);
                if !name.is_empty() {
                    by_name.insert(name, Provider { owner: Some(owner), crc: export.crc });
                }
            }
        }
        Self { by_name, prefix }
    }

    /// The provider of a needed symbol, and the symbol's name in the table: a leading dot (of ppc64) and the
    /// `-P` prefix are removed first.
    #[must_use]
    pub fn provider_of(&self, needed: &[u8]) -> Option<(&'data [u8], Provider)> {
        let name = needed.strip_prefix(b".").unwrap_or(needed);
        let (name, provider) = self.by_name.get_key_value(without_prefix(name, self.prefix))?;
        Some((name, *provider))
    }

    /// The symbols provided by modules, in the order of kmod's hash table.
    #[must_use]
    pub fn owned(&self) -> Vec<(&'data [u8], ModuleIndex)> {
        let owned = self.owned_unordered();
        let mut owned: Vec<_> = owned.map(|(name, owner)| (superfast(name) % BUCKETS, name, owner)).collect();
        owned.sort_unstable();
        owned.into_iter().map(|(_, name, owner)| (name, owner)).collect()
    }

    /// The same symbols, in an order that differs between runs: no output may depend on it.
    pub(crate) fn owned_unordered(&self) -> impl Iterator<Item = (&'data [u8], ModuleIndex)> {
        self.by_name.iter().filter_map(|(&name, provider)| Some((name, provider.owner?)))
    }
}

fn without_prefix(name: &[u8], prefix: Option<u8>) -> &[u8] {
    match (prefix, name) {
        (Some(prefix), [first, rest @ ..]) if *first == prefix => rest,
        _ => name,
    }
}
