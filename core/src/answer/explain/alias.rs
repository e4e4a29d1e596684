//! The modules that match an alias, and the patterns.

use alloc::{boxed::Box, vec::Vec};

use bstr::BString;

use crate::index::{Index, IndexError, Scratch, Value, fnmatch};
use crate::sort::sort_by;

/// A pattern, and the module that has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AliasMatch {
    /// The pattern, as in the index: with `_` for `-`.
    pub pattern: BString,
    /// The module.
    pub module: BString,
}

/// All that an alias leads to. `modprobe` takes the first of these that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplainedAlias {
    /// Names that aliases of `modprobe.d` give.
    pub configured: Vec<BString>,
    /// Modules with a matching pattern, in the order in which they are loaded.
    pub modules: Vec<AliasMatch>,
    /// Built-in modules with a matching pattern.
    pub builtin: Vec<AliasMatch>,
    /// Those of the modules that `modprobe.d` says aliases must not lead to.
    pub blacklisted: Vec<BString>,
}

impl ExplainedAlias {
    /// Whether it leads nowhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configured.is_empty() && self.modules.is_empty() && self.builtin.is_empty()
    }
}

/// Calls `each` with every entry of an index.
pub(super) fn visit(index: &Index<'_>, each: &mut dyn FnMut(&[u8], Value<'_>)) -> Result<(), IndexError> {
    let mut scratch = Box::new(Scratch::new());
    let mut entries = index.entries(&mut scratch);
    while let Some((key, value)) = entries.next_entry()? {
        each(key, value);
    }
    Ok(())
}

/// The entries whose pattern matches, in the order of their modules.
pub(super) fn matches(index: &Index<'_>, query: &[u8]) -> Result<Vec<AliasMatch>, IndexError> {
    let mut found = Vec::new();
    visit(index, &mut |pattern, value| {
        if pattern == query || fnmatch(pattern, query) {
            let found_one = AliasMatch { pattern: pattern.into(), module: value.bytes.into() };
            found.push((value.priority, found_one));
        }
    })?;
    sort_by(&mut found, &|a: &(u32, AliasMatch), b| a.0.cmp(&b.0));
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// The patterns of a module, in byte order.
pub(super) fn patterns_of(index: &Index<'_>, module: &[u8]) -> Result<Vec<BString>, IndexError> {
    let mut patterns = Vec::new();
    visit(index, &mut |pattern, value| {
        if value.bytes == module {
            patterns.push(pattern.into());
        }
    })?;
    Ok(patterns)
}
