//! The text files with modinfo entries and symbols ([`reference::outputs`](crate::reference::outputs)
//! §§3.2–3.5).

use alloc::vec::Vec;

use crate::{
    list::{ModuleFile, ModuleList},
    parse::module::{Facts, ModinfoKey},
    resolve::{ModuleIndex, SymbolTable},
};

/// `modules.alias`.
pub(crate) fn alias(list: &ModuleList, facts: &[Option<Facts>]) -> Vec<u8> {
    let mut out = b"# Aliases extracted from modules themselves.\n".to_vec();
    for_each_value(list, facts, ModinfoKey::Alias, |name, value| {
        push_line(&mut out, [b"alias ", value, b" ", name]);
    });
    out
}

/// `modules.softdep`.
pub(crate) fn softdep(list: &ModuleList, facts: &[Option<Facts>]) -> Vec<u8> {
    let mut out = b"# Soft dependencies extracted from modules themselves.\n".to_vec();
    for_each_value(list, facts, ModinfoKey::Softdep, |name, value| {
        push_line(&mut out, [b"softdep ", name, b" ", value]);
    });
    out
}

/// `modules.weakdep`.
pub(crate) fn weakdep(list: &ModuleList, facts: &[Option<Facts>]) -> Vec<u8> {
    let mut out = b"# Weak dependencies extracted from modules themselves.\n".to_vec();
    for_each_value(list, facts, ModinfoKey::Weakdep, |name, value| {
        push_line(&mut out, [b"weakdep ", name, b" ", value]);
    });
    out
}

/// An index key and an alias for `symbol_request()`: this and a symbol.
pub(crate) const SYMBOL_KEY: &[u8] = b"symbol:";
/// The beginning of a line of `modules.symbols`: `alias ` and [`SYMBOL_KEY`].
pub(crate) const SYMBOL_LINE: &[u8] = b"alias symbol:";

/// `modules.symbols`.
pub(crate) fn symbols(list: &ModuleList, table: &SymbolTable<'_>) -> Vec<u8> {
    let mut out = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
    for (symbol, owner) in table.owned() {
        push_line(&mut out, [SYMBOL_LINE, symbol, b" ", name_of(list, owner)]);
    }
    out
}

/// Name of the module at a position of the module list.
pub(super) fn name_of(list: &ModuleList, module: ModuleIndex) -> &[u8] {
    list.get(module).map(ModuleFile::name).unwrap_or_default()
}

fn for_each_value<'facts>(
    list: &'facts ModuleList,
    facts: &'facts [Option<Facts>],
    key: ModinfoKey,
    mut each: impl FnMut(&'facts [u8], &'facts [u8]),
) {
    for (file, facts) in list.modules().iter().zip(facts) {
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
