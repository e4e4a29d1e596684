//! The symbols that link a module to others.

use alloc::vec::Vec;

use bstr::BString;

use super::super::{Lookup, strict::needed_name};
use crate::{index::IndexError, output::SYMBOL_KEY, parse::module::Facts};

/// The needed symbols of a module, by their providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The modules that provide some, in the order of the symbols.
    pub modules: Vec<Link>,
    /// The number of symbols that no module provides. They are the kernel's, or missing.
    pub others: usize,
}

/// The symbols that one module provides to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The provider.
    pub module: BString,
    /// The symbols, in the order in which the other module names them.
    pub symbols: Vec<BString>,
}

/// The links of the module `name` with these facts.
pub(super) fn links(lookup: &Lookup<'_>, name: &[u8], facts: &Facts) -> Result<Links, IndexError> {
    let mut links = Links::default();
    for symbol in facts.needs().filter_map(|need| needed_name(need.name)) {
        match lookup.symbols.get(&[SYMBOL_KEY, symbol].concat())? {
            None => links.others = links.others.saturating_add(1),
            Some(owner) if owner == name => {}
            Some(owner) => match links.modules.iter_mut().find(|link| link.module == owner) {
                Some(link) => link.symbols.push(symbol.into()),
                None => links.modules.push(Link { module: owner.into(), symbols: [symbol.into()].into() }),
            },
        }
    }
    Ok(links)
}
