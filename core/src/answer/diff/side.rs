//! A kernel to compare: the content of its index files.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use bstr::{BStr, BString};
use hashbrown::HashMap;

use crate::{
    index::{Index, IndexError, Scratch, fnmatch},
    list::{ModuleFile, ModuleList},
    name::module_name,
    output::{IndexFiles, Output, SYMBOL_KEY},
    parse::module::Facts,
};

/// Symbols and their versions.
type Versions = HashMap<BString, u64>;

/// One of the two compared kernels.
#[derive(Clone, Debug)]
pub struct Side<'f> {
    pub(super) modules: BTreeMap<BString, Module>,
    pub(super) builtin: BTreeSet<BString>,
    pub(super) aliases: Aliases<'f>,
    pub(super) builtin_aliases: Aliases<'f>,
    pub(super) symbols: BTreeMap<BString, BString>,
    pub(super) versions: Option<Versions>,
}

/// A line of `modules.dep`.
#[derive(Clone, Debug)]
pub(super) struct Module {
    pub(super) path: BString,
    pub(super) needs: BTreeSet<BString>,
}

/// Aliases by pattern, and the index to search in.
#[derive(Clone, Debug)]
pub(super) struct Aliases<'f> {
    index: Option<Index<'f>>,
    pub(super) by_pattern: BTreeMap<BString, BTreeSet<BString>>,
}

impl<'f> Side<'f> {
    /// Reads index files.
    ///
    /// # Errors
    /// When an index is corrupt.
    pub fn of(files: &'f IndexFiles) -> Result<Self, IndexError> {
        let mut scratch = Box::new(Scratch::new());
        let mut modules = BTreeMap::new();
        for_each(files.get(Output::DepIndex), &mut scratch, |name, line| {
            let mut words = line.split(|&b| b == b' ').filter(|word| !word.is_empty());
            let path = words.next().map(|word| word.strip_suffix(b":").unwrap_or(word)).unwrap_or_default();
            let mut needs = BTreeSet::new();
            needs.extend(words.map(name_of));
            modules.insert(name.into(), Module { path: path.into(), needs });
        })?;
        let mut builtin = BTreeSet::new();
        for_each(files.get(Output::BuiltinIndex), &mut scratch, |name, _| {
            builtin.insert(name.into());
        })?;
        let mut symbols = BTreeMap::new();
        for_each(files.get(Output::SymbolsIndex), &mut scratch, |key, module| {
            symbols.insert(key.strip_prefix(SYMBOL_KEY).unwrap_or(key).into(), module.into());
        })?;
        let aliases = Aliases::of(files.get(Output::AliasIndex), &mut scratch)?;
        let builtin_aliases = Aliases::of(files.get(Output::BuiltinAliasIndex), &mut scratch)?;
        Ok(Self { modules, builtin, aliases, builtin_aliases, symbols, versions: None })
    }

    /// Adds the versions of exported symbols, from the modules of a run.
    #[must_use]
    pub fn with_versions(mut self, list: &ModuleList, facts: &[Option<Facts>]) -> Self {
        let mut versions = Versions::new();
        for (file, facts) in list.modules().iter().zip(facts) {
            for export in facts.iter().flat_map(Facts::exports) {
                let owner = self.symbols.get(BStr::new(export.name));
                if owner.is_some_and(|owner| owner == ModuleFile::name(file)) {
                    versions.insert(export.name.into(), export.crc);
                }
            }
        }
        self.versions = Some(versions);
        self
    }

    /// Whether there are versions of symbols.
    #[must_use]
    pub fn has_versions(&self) -> bool {
        self.versions.is_some()
    }

    pub(super) fn path_of(&self, module: &[u8]) -> BString {
        self.modules.get(BStr::new(module)).map(|module| module.path.clone()).unwrap_or_default()
    }

    pub(super) fn is_builtin(&self, name: &[u8]) -> bool {
        self.builtin.contains(BStr::new(name))
    }

    /// Whether a module here serves the devices of a pattern of the other kernel.
    pub(super) fn serves(&self, pattern: &[u8]) -> Result<bool, IndexError> {
        for aliases in [&self.aliases, &self.builtin_aliases] {
            if aliases.by_pattern.contains_key(BStr::new(pattern)) {
                return Ok(true);
            }
        }
        for index in [self.aliases.index, self.builtin_aliases.index].into_iter().flatten() {
            if !index.find_all(pattern)?.is_empty() {
                return Ok(true);
            }
        }
        // A pattern without a device may be a module's name, such as `crc32c`.
        Ok(self.modules.contains_key(BStr::new(pattern)) || self.is_builtin(pattern))
    }

    /// Whether a pattern here matches some devices of a pattern of the other kernel.
    pub(super) fn serves_some(&self, pattern: &[u8]) -> bool {
        let literal = pattern.iter().position(|b| b"*?[".contains(b)).unwrap_or(pattern.len());
        let prefix = BString::from(pattern.get(..literal).unwrap_or_default());
        [&self.aliases, &self.builtin_aliases].into_iter().any(|aliases| {
            let range = aliases.by_pattern.range(prefix.clone()..);
            let mut narrower = range.map(|(key, _)| key).take_while(|key| key.starts_with(&prefix));
            narrower.any(|key| fnmatch(pattern, key))
        })
    }
}

impl<'f> Aliases<'f> {
    fn of(bytes: &'f [u8], scratch: &mut Scratch) -> Result<Self, IndexError> {
        let mut by_pattern: BTreeMap<BString, BTreeSet<BString>> = BTreeMap::new();
        for_each(bytes, scratch, |pattern, module| {
            by_pattern.entry(pattern.into()).or_default().insert(module.into());
        })?;
        let index = if bytes.is_empty() { None } else { Some(Index::parse(bytes)?) };
        Ok(Self { index, by_pattern })
    }
}

/// Calls back for each entry of an index; an empty file has none.
fn for_each(
    bytes: &[u8],
    scratch: &mut Scratch,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Result<(), IndexError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let index = Index::parse(bytes)?;
    let mut entries = index.entries(scratch);
    while let Some((key, value)) = entries.next_entry()? {
        each(key, value.bytes);
    }
    Ok(())
}

fn name_of(path: &[u8]) -> BString {
    module_name(path).collect::<Vec<u8>>().into()
}
