//! The text files that list modinfo entries and symbols (`reference/outputs.md` §§3.2–3.5).

use alloc::vec::Vec;

use crate::{
    catalog::{Catalog, ModuleFile},
    module::{Facts, ModinfoKey},
    symbols::{ModuleIndex, SymbolTable},
};

/// `modules.alias`.
pub(crate) fn alias(catalog: &Catalog, facts: &[Option<Facts>]) -> Vec<u8> {
    let mut out = b"# Aliases extracted from modules themselves.\n".to_vec();
    for_each_value(catalog, facts, ModinfoKey::Alias, |name, value| {
        push_line(&mut out, [b"alias ", value, b" ", name]);
    });
    out
}

/// `modules.softdep`.
pub(crate) fn softdep(catalog: &Catalog, facts: &[Option<Facts>]) -> Vec<u8> {
    let mut out = b"# Soft dependencies extracted from modules themselves.\n".to_vec();
    for_each_value(catalog, facts, ModinfoKey::Softdep, |name, value| {
        push_line(&mut out, [b"softdep ", name, b" ", value]);
    });
    out
}

/// `modules.weakdep`.
pub(crate) fn weakdep(catalog: &Catalog, facts: &[Option<Facts>]) -> Vec<u8> {
    let mut out = b"# Weak dependencies extracted from modules themselves.\n".to_vec();
    for_each_value(catalog, facts, ModinfoKey::Weakdep, |name, value| {
        push_line(&mut out, [b"weakdep ", name, b" ", value]);
    });
    out
}

/// `modules.symbols`.
pub(crate) fn symbols(catalog: &Catalog, table: &SymbolTable<'_>) -> Vec<u8> {
    let mut out = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
    for (symbol, owner) in table.owned() {
        push_line(&mut out, [b"alias symbol:", symbol, b" ", name_of(catalog, owner)]);
    }
    out
}

/// Name of the module at a position of the catalog.
pub(super) fn name_of(catalog: &Catalog, module: ModuleIndex) -> &[u8] {
    let at = usize::try_from(module).unwrap_or(usize::MAX);
    catalog.modules().get(at).map(ModuleFile::name).unwrap_or_default()
}

fn for_each_value<'facts>(
    catalog: &'facts Catalog,
    facts: &'facts [Option<Facts>],
    key: ModinfoKey,
    mut each: impl FnMut(&'facts [u8], &'facts [u8]),
) {
    for (file, facts) in catalog.modules().iter().zip(facts) {
        for value in facts.iter().flat_map(|facts| facts.values(key)) {
            each(file.name(), value);
        }
    }
}

fn push_line(out: &mut Vec<u8>, parts: [&[u8]; 4]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}
