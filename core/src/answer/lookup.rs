//! Lookup of names and aliases in the index files.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::fmt;

#[cfg(feature = "answers")]
use super::ModprobeConfig;
use super::soft_dependencies::{SoftLine, softdeps, weakdeps};
use bstr::{BStr, BString, ByteSlice};

use crate::index::{Index, IndexError, Scratch, fnmatch};
use crate::limits::Limits;
use crate::name::{module_name, normalize_alias};
use crate::output::{IndexFiles, Output, SYMBOL_KEY};
use crate::sort::sort_by;

/// The index files needed for planning, in memory.
#[derive(Clone)]
pub struct Lookup<'a> {
    pub(super) modules: Index<'a>,
    pub(super) aliases: Index<'a>,
    pub(super) symbols: Index<'a>,
    pub(super) builtins: Option<Index<'a>>,
    pub(super) builtin_aliases: Option<Index<'a>>,
    softdeps: BTreeMap<&'a [u8], Vec<SoftLine<'a>>>,
    weakdeps: BTreeMap<&'a [u8], Vec<&'a [u8]>>,
    blacklist: BTreeSet<BString>,
    steps: usize,
    #[cfg(feature = "answers")]
    config: Option<Configured<'a>>,
}

/// The indexes, and the names of modules with soft or weak dependencies.
impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup")
            .field("modules", &self.modules)
            .field("aliases", &self.aliases)
            .field("symbols", &self.symbols)
            .field("builtins", &self.builtins)
            .field("builtin_aliases", &self.builtin_aliases)
            .field("softdeps", &Names(&self.softdeps))
            .field("weakdeps", &Names(&self.weakdeps))
            .field("blacklist", &self.blacklist)
            .finish_non_exhaustive()
    }
}

/// The keys of a map, as text.
struct Names<'m, V>(&'m BTreeMap<&'m [u8], V>);

impl<V> fmt::Debug for Names<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys().map(BStr::new)).finish()
    }
}

/// `modprobe.d`, and its soft dependencies: patterns of names with their lines.
#[cfg(feature = "answers")]
#[derive(Clone, Debug)]
struct Configured<'a> {
    config: &'a ModprobeConfig,
    softdeps: Vec<(&'a BString, SoftLine<'a>)>,
}

/// The result of a query. Names are normalised and in module order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These modules.
    Modules(Vec<BString>),
    /// These built-in modules.
    Builtin(Vec<BString>),
    /// Nothing.
    Nothing,
}

impl Found {
    /// The modules to load.
    #[must_use]
    pub fn modules(&self) -> &[BString] {
        match self {
            Self::Modules(names) => names,
            Self::Builtin(_) | Self::Nothing => &[],
        }
    }
}

impl IndexFiles {
    /// A lookup in these index files.
    ///
    /// # Errors
    /// When an index has an invalid header.
    pub fn lookup(&self) -> Result<Lookup<'_>, IndexError> {
        Lookup::new(|output| self.get(output))
    }
}

/// A module's line in `modules.dep`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DepLine<'a> {
    pub(super) path: &'a [u8],
    /// Dependencies in load order.
    pub(super) needs: Vec<&'a [u8]>,
}

impl<'a> DepLine<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Self {
        let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
        let (path, rest) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let rest = rest.strip_prefix(b":").unwrap_or(rest);
        let mut needs: Vec<&[u8]> = rest.split(|&b| b == b' ').filter(|need| !need.is_empty()).collect();
        needs.reverse();
        Self { path, needs }
    }
}

impl<'a> Lookup<'a> {
    /// A lookup in the files returned by `file`, shipped or computed. An empty index of built-in modules
    /// means that the kernel has no list of them ([`reference::outputs`](crate::reference::outputs) §4.1).
    ///
    /// # Errors
    /// When an index has an invalid header.
    pub fn new(file: impl Fn(Output) -> &'a [u8]) -> Result<Self, IndexError> {
        let optional = |output| match file(output) {
            [] => Ok(None),
            bytes => Index::parse(bytes).map(Some),
        };
        Ok(Self {
            modules: Index::parse(file(Output::DepIndex))?,
            aliases: Index::parse(file(Output::AliasIndex))?,
            symbols: Index::parse(file(Output::SymbolsIndex))?,
            builtins: optional(Output::BuiltinIndex)?,
            builtin_aliases: optional(Output::BuiltinAliasIndex)?,
            softdeps: softdeps(file(Output::Softdep)),
            weakdeps: weakdeps(file(Output::Weakdep)),
            blacklist: BTreeSet::new(),
            steps: Limits::DEFAULT.steps,
            #[cfg(feature = "answers")]
            config: None,
        })
    }

    /// Limits each search as in [`Limits::steps`].
    #[must_use]
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// Makes [`plan`](super::plan()) skip modules with these normalised names if an alias or glob matches
    /// them, like `modprobe -b`; requests by name and dependencies still load them.
    #[must_use]
    pub fn blacklist(mut self, blacklist: impl IntoIterator<Item = BString>) -> Self {
        self.blacklist.extend(blacklist);
        self
    }

    /// Obeys `modprobe.d`: its aliases come first, its soft dependencies before those of the modules.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn config(mut self, config: &'a ModprobeConfig) -> Self {
        self.config = Some(Configured { config, softdeps: config.softdeps().collect() });
        self
    }

    pub(super) fn is_blacklisted(&self, name: &[u8]) -> bool {
        #[cfg(feature = "answers")]
        if self.config.as_ref().is_some_and(|configured| configured.config.is_blacklisted(name)) {
            return true;
        }
        self.blacklist.contains(name.as_bstr())
    }

    /// The command in place of loading this module; never with soft dependencies.
    #[cfg(feature = "answers")]
    pub(super) fn install_command(&self, name: &[u8]) -> Option<&'a BString> {
        let command = self.config.as_ref()?.config.install_command(name)?;
        self.soft(name).next().is_none().then_some(command)
    }

    /// Resolves a name or alias like `modprobe --resolve-alias`: a module with that name, else modules with a
    /// matching alias, else the built-in module with that name, else built-in modules with a matching alias.
    ///
    /// # Errors
    /// When an index is corrupt, or the search exceeds its steps.
    pub fn find(&self, query: impl AsRef<[u8]>) -> Result<Found, IndexError> {
        let Ok(query) = normalize_alias(query.as_ref()) else { return Ok(Found::Nothing) };
        let query = BString::from(query.collect::<Vec<u8>>());
        #[cfg(feature = "answers")]
        if let Some(found) = self.find_configured(&query) {
            return Ok(found);
        }
        if self.modules.get(&query)?.is_some() {
            return Ok(if self.is_builtin(&query)? {
                Found::Builtin([query].into())
            } else {
                Found::Modules([query].into())
            });
        }
        let index = if query.starts_with(SYMBOL_KEY) { &self.symbols } else { &self.aliases };
        let names = names(index.steps(self.steps).find_all(&query)?.into_iter().map(|value| value.bytes));
        if !names.is_empty() {
            return Ok(Found::Modules(names));
        }
        if self.is_builtin(&query)? {
            return Ok(Found::Builtin([query].into()));
        }
        if let Some(index) = &self.builtin_aliases {
            let names =
                self::names(index.steps(self.steps).find_all(&query)?.into_iter().map(|value| value.bytes));
            if !names.is_empty() {
                return Ok(Found::Builtin(names));
            }
        }
        Ok(Found::Nothing)
    }

    /// Modules whose name matches a glob. If there are none, or the glob contains a `:`, modules with an
    /// alias whose text matches: `usb:v*p*d*dc*dsc*dp*ic08*` finds the drivers of USB storage, `fs-x*` those
    /// of file systems.
    ///
    /// # Errors
    /// When an index is corrupt.
    pub fn find_glob(&self, glob: impl AsRef<[u8]>) -> Result<Found, IndexError> {
        let Ok(glob) = normalize_alias(glob.as_ref()) else { return Ok(Found::Nothing) };
        let glob: Vec<u8> = glob.collect();
        let mut found = Vec::new();
        if !glob.contains(&b':') {
            found = matching(&self.modules, &glob, |name, _| name.to_vec())?;
        }
        if found.is_empty() {
            found = matching(&self.aliases, &glob, |_, module| module.to_vec())?;
        }
        sort_by(&mut found, &Ord::cmp);
        let names = names(found.iter().map(|(_, name)| &**name));
        Ok(if names.is_empty() { Found::Nothing } else { Found::Modules(names) })
    }

    /// Whether this module is built into the kernel.
    ///
    /// # Errors
    /// When the index is corrupt.
    pub fn is_builtin(&self, name: &[u8]) -> Result<bool, IndexError> {
        self.builtins.map_or(Ok(false), |index| Ok(index.get(name)?.is_some()))
    }

    /// The path of a module in `modules.dep`, by its name with underscores.
    ///
    /// # Errors
    /// When the index is corrupt.
    #[cfg(feature = "answers")]
    pub fn path(&self, name: &[u8]) -> Result<Option<&'a [u8]>, IndexError> {
        Ok(self.line(name)?.map(|line| line.path))
    }

    pub(super) fn line(&self, name: &[u8]) -> Result<Option<DepLine<'a>>, IndexError> {
        Ok(self.modules.get(name)?.map(DepLine::parse))
    }

    /// The names that aliases of `modprobe.d` give for a normalised name or alias.
    #[cfg(feature = "answers")]
    pub(super) fn configured(&self, query: &[u8]) -> Vec<BString> {
        self.config.iter().flat_map(|configured| configured.config.aliases(query)).cloned().collect()
    }

    /// The result of `modprobe.d` for a normalised name or alias.
    #[cfg(feature = "answers")]
    fn find_configured(&self, query: &BString) -> Option<Found> {
        let config = self.config.as_ref()?.config;
        let mut seen = BTreeSet::new();
        let names: Vec<BString> = config.aliases(query).filter(|name| seen.insert(*name)).cloned().collect();
        match names.is_empty() {
            false => Some(Found::Modules(names)),
            true if config.has_command(query) => Some(Found::Modules([query.clone()].into())),
            true => None,
        }
    }

    /// The soft dependencies of a module, line by line.
    pub(super) fn soft(&self, name: &[u8]) -> impl Iterator<Item = &SoftLine<'a>> {
        let lines = self.softdeps.get(name).map_or(&[][..], Vec::as_slice).iter();
        #[cfg(feature = "answers")]
        let lines = {
            let configured = self.config.iter().flat_map(|configured| &configured.softdeps);
            let fitting = configured.filter(|(pattern, _)| *pattern == name || fnmatch(pattern, name));
            fitting.map(|(_, line)| line).collect::<Vec<_>>().into_iter().chain(lines)
        };
        lines
    }

    /// The weak dependencies of a module.
    pub(super) fn weak(&self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        let words = self.weakdeps.get(name).map_or(&[][..], Vec::as_slice).iter().copied();
        #[cfg(feature = "answers")]
        let words = {
            let configured = self.config.iter().map(|configured| configured.config);
            configured.flat_map(|config| config.weakdeps(name)).collect::<Vec<_>>().into_iter().chain(words)
        };
        words
    }
}

/// The result of `pick` for each index entry whose key matches a glob, with its priority.
fn matching(
    index: &Index<'_>,
    glob: &[u8],
    pick: impl Fn(&[u8], &[u8]) -> Vec<u8>,
) -> Result<Vec<(u32, Vec<u8>)>, IndexError> {
    let mut scratch = Box::new(Scratch::new());
    let mut entries = index.entries(&mut scratch);
    let mut found = Vec::new();
    while let Some((key, value)) = entries.next_entry()? {
        if fnmatch(glob, key) {
            found.push((value.priority, pick(key, value.bytes)));
        }
    }
    Ok(found)
}

/// Module names without duplicates, in order of first appearance.
fn names<'n>(found: impl Iterator<Item = &'n [u8]>) -> Vec<BString> {
    let mut seen = BTreeSet::new();
    found.map(name_of).filter(|name| seen.insert(name.clone())).collect()
}

/// Module name of a path.
pub(super) fn name_of(path: &[u8]) -> BString {
    module_name(path).collect::<Vec<u8>>().into()
}
