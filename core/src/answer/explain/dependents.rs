//! The modules that need a module.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};

use bstr::BString;

use super::super::{
    Lookup,
    lookup::{DepLine, name_of},
};
use crate::index::{IndexError, Scratch};

/// A module that needs another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// Its name.
    pub module: BString,
    /// Of the other modules that it needs, one that needs the module, too. Without one, it uses symbols of the
    /// module itself.
    pub through: Option<BString>,
}

/// The modules whose lines in `modules.dep` name `path`, in byte order.
pub(super) fn dependents(lookup: &Lookup<'_>, path: &[u8]) -> Result<Vec<Dependent>, IndexError> {
    let mut lines: Vec<(BString, DepLine<'_>)> = Vec::new();
    let mut scratch = Box::new(Scratch::new());
    let mut entries = lookup.modules.entries(&mut scratch);
    while let Some((name, value)) = entries.next_entry()? {
        let line = DepLine::parse(value.bytes);
        if line.needs.contains(&path) {
            lines.push((name.into(), line));
        }
    }
    let mut paths: BTreeSet<&[u8]> = BTreeSet::new();
    paths.extend(lines.iter().map(|(_, line)| line.path));
    let dependent = |(module, line): &(BString, DepLine<'_>)| {
        let through = line.needs.iter().find(|need| paths.contains(*need)).map(|need| name_of(need));
        Dependent { module: module.clone(), through }
    };
    Ok(lines.iter().map(dependent).collect())
}
