//! What changed between two kernels, or two states of one.
//!
//! A device loses its driver if an alias of the first side led to a module or to what is built in, and nothing of the
//! second side matches it. Everything is told from index files; versions of symbols only where modules were read.
//!
//! ```
//! # #[cfg(all(feature = "alloc", feature = "answers"))] {
//! use depmod_core::{MemorySource, Options, run};
//! use depmod_core::parts::answer::{Side, diff};
//!
//! let mut source = MemorySource::new();
//! source.insert(b"/m/6.1/modules.builtin", *b"kernel/fs/ext4.ko\n");
//! source.insert(b"/m/6.2/modules.builtin", *b"kernel/fs/btrfs.ko\n");
//! let files = |version: &str| run(&Options::new(["/m/", version].concat(), version), &source, &mut ());
//! let (old, new) = (files("6.1")?, files("6.2")?);
//! let changes = diff(&Side::of(&old)?, &Side::of(&new)?)?;
//! let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
//! assert_eq!(told, ["ext4", "btrfs"]);
//! assert_eq!(changes[0].kind().word(), "builtin-lost");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::fmt;

use bstr::{BStr, BString};
use hashbrown::HashMap;

use crate::{
    index::{Index, IndexError, Scratch, fnmatch},
    list::{ModuleFile, ModuleList},
    name::{module_name, stem_end},
    output::{IndexFiles, Output},
    parse::module::Facts,
};

/// A symbol's module and its version.
type Versions = HashMap<BString, u64>;

/// One of the two that are compared.
#[derive(Clone, Debug)]
pub struct Side<'f> {
    modules: BTreeMap<BString, Module>,
    builtin: BTreeSet<BString>,
    aliases: Aliases<'f>,
    builtin_aliases: Aliases<'f>,
    symbols: BTreeMap<BString, BString>,
    versions: Option<Versions>,
}

/// A line of `modules.dep`.
#[derive(Clone, Debug)]
struct Module {
    path: BString,
    needs: BTreeSet<BString>,
}

/// Aliases by pattern, and the index to search in.
#[derive(Clone, Debug)]
struct Aliases<'f> {
    index: Option<Index<'f>>,
    by_pattern: BTreeMap<BString, BTreeSet<BString>>,
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
            let needs = words.map(name_of).collect();
            modules.insert(name.into(), Module { path: path.into(), needs });
        })?;
        let mut builtin = BTreeSet::new();
        for_each(files.get(Output::BuiltinIndex), &mut scratch, |name, _| {
            builtin.insert(name.into());
        })?;
        let mut symbols = BTreeMap::new();
        for_each(files.get(Output::SymbolsIndex), &mut scratch, |key, module| {
            symbols.insert(key.strip_prefix(b"symbol:").unwrap_or(key).into(), module.into());
        })?;
        let aliases = Aliases::of(files.get(Output::AliasIndex), &mut scratch)?;
        let builtin_aliases = Aliases::of(files.get(Output::BuiltinAliasIndex), &mut scratch)?;
        Ok(Self { modules, builtin, aliases, builtin_aliases, symbols, versions: None })
    }

    /// Adds the versions of the symbols that modules export, as a run has read them.
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

    /// Whether the versions of symbols are known.
    #[must_use]
    pub fn has_versions(&self) -> bool {
        self.versions.is_some()
    }

    fn path_of(&self, module: &[u8]) -> BString {
        self.modules.get(BStr::new(module)).map(|module| module.path.clone()).unwrap_or_default()
    }

    fn is_builtin(&self, name: &[u8]) -> bool {
        self.builtin.contains(BStr::new(name))
    }

    /// Whether anything serves what a pattern of another side stands for.
    fn serves(&self, pattern: &[u8]) -> Result<bool, IndexError> {
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
        // What is asked for by name: `fs-ext4` is an alias, and `crc32c` may be a module's name.
        Ok(self.modules.contains_key(BStr::new(pattern)) || self.is_builtin(pattern))
    }

    /// Whether a pattern here stands for some of what a pattern of another side stands for.
    fn serves_some(&self, pattern: &[u8]) -> bool {
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

/// Each entry of an index; one without bytes has none.
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

/// Kinds of changes, what hurts most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A device has no driver any more.
    DriverLost,
    /// Some of the devices that a pattern stood for have none any more.
    DriverNarrowed,
    /// Another alias leads nowhere any more.
    AliasLost,
    /// A module is gone.
    ModuleLost,
    /// A module is new.
    ModuleGained,
    /// A module lies in another place.
    ModuleMoved,
    /// A module is built into the kernel now.
    BecameBuiltin,
    /// What was built in is a module now.
    BecameModule,
    /// What was built in is gone.
    BuiltinLost,
    /// Something new is built in.
    BuiltinGained,
    /// No module provides a symbol any more.
    SymbolLost,
    /// A symbol is new.
    SymbolGained,
    /// Another module provides a symbol.
    SymbolMoved,
    /// A symbol has another version.
    SymbolVersion,
    /// A module needs others.
    Dependencies,
}

impl ChangeKind {
    /// One word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::DriverLost => "driver-lost",
            Self::DriverNarrowed => "driver-narrowed",
            Self::AliasLost => "alias-lost",
            Self::ModuleLost => "module-lost",
            Self::ModuleGained => "module-gained",
            Self::ModuleMoved => "module-moved",
            Self::BecameBuiltin => "became-builtin",
            Self::BecameModule => "became-module",
            Self::BuiltinLost => "builtin-lost",
            Self::BuiltinGained => "builtin-gained",
            Self::SymbolLost => "symbol-lost",
            Self::SymbolGained => "symbol-gained",
            Self::SymbolMoved => "symbol-moved",
            Self::SymbolVersion => "symbol-version",
            Self::Dependencies => "dependencies",
        }
    }

    /// A heading for many of them.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::DriverLost => "devices that lose their driver",
            Self::DriverNarrowed => "devices of which only some keep a driver",
            Self::AliasLost => "other aliases that lead nowhere",
            Self::ModuleLost => "modules lost",
            Self::ModuleGained => "modules gained",
            Self::ModuleMoved => "modules moved",
            Self::BecameBuiltin => "modules that became built in",
            Self::BecameModule => "built-in modules that became modules",
            Self::BuiltinLost => "built-in modules lost",
            Self::BuiltinGained => "built-in modules gained",
            Self::SymbolLost => "symbols lost",
            Self::SymbolGained => "symbols gained",
            Self::SymbolMoved => "symbols of another module",
            Self::SymbolVersion => "symbols of another version",
            Self::Dependencies => "modules with other dependencies",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// An alias that leads nowhere any more, or no longer as far.
    Alias {
        /// [`ChangeKind::DriverLost`], [`ChangeKind::DriverNarrowed`] or [`ChangeKind::AliasLost`].
        kind: ChangeKind,
        /// The alias.
        pattern: BString,
        /// The modules that it led to.
        modules: Vec<BString>,
        /// Where the first of them lies; empty if it is built in.
        path: BString,
    },
    /// A module that came, went, or changed between module and built in.
    Module {
        /// Which of these.
        kind: ChangeKind,
        /// Its name.
        name: BString,
        /// Its file; empty if it has none on either side.
        path: BString,
    },
    /// A module in another place.
    Moved {
        /// Its name.
        name: BString,
        /// Its file on the first side.
        from: BString,
        /// Its file on the second side.
        to: BString,
    },
    /// A symbol that came, went, or has another owner or version.
    Symbol {
        /// Which of these.
        kind: ChangeKind,
        /// The symbol.
        symbol: BString,
        /// The module that provides it, on the first side if it does there.
        module: BString,
        /// Its file.
        path: BString,
        /// What it was and is: modules or versions.
        change: Option<(BString, BString)>,
    },
    /// A module that needs others.
    Dependencies {
        /// Its name.
        name: BString,
        /// Its file on the second side.
        path: BString,
        /// What it needs besides.
        added: Vec<BString>,
        /// What it does not need any more.
        removed: Vec<BString>,
    },
}

impl Change {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        match self {
            Self::Alias { kind, .. } | Self::Module { kind, .. } | Self::Symbol { kind, .. } => *kind,
            Self::Moved { .. } => ChangeKind::ModuleMoved,
            Self::Dependencies { .. } => ChangeKind::Dependencies,
        }
    }

    /// The module that it is about.
    #[must_use]
    pub fn module(&self) -> &[u8] {
        match self {
            Self::Alias { modules, .. } => modules.first().map(|module| &***module).unwrap_or_default(),
            Self::Module { name, .. } | Self::Moved { name, .. } | Self::Dependencies { name, .. } => name,
            Self::Symbol { module, .. } => module,
        }
    }

    /// The file of that module.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Alias { path, .. }
            | Self::Module { path, .. }
            | Self::Symbol { path, .. }
            | Self::Dependencies { path, .. } => path,
            Self::Moved { to, .. } => to,
        }
    }

    /// The part of the kernel that it belongs to: the directory below `kernel`, and of drivers the one below that.
    ///
    /// `kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko` belongs to `drivers/net`.
    #[must_use]
    pub fn subsystem(&self) -> BString {
        let path = self.path();
        let below = path.strip_prefix(b"kernel/").unwrap_or(path);
        let mut parts: Vec<&[u8]> = below.split(|&b| b == b'/').collect();
        parts.pop();
        match &*parts {
            [] if path.is_empty() => "built in".into(),
            [] => ".".into(),
            [b"drivers", second, ..] => [b"drivers/", *second].concat().into(),
            [b"", ..] => "external".into(),
            [first, ..] => (*first).into(),
        }
    }
}

/// What changed, without its kind.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn shown(text: &[u8]) -> core::slice::EscapeAscii<'_> {
            text.escape_ascii()
        }
        match self {
            Self::Alias { pattern, modules, .. } => write!(f, "{} ({})", shown(pattern), List(modules)),
            Self::Module { name, .. } => write!(f, "{}", shown(name)),
            Self::Moved { name, from, to } => write!(f, "{}: {} -> {}", shown(name), shown(from), shown(to)),
            Self::Symbol { symbol, module, change: None, .. } => {
                write!(f, "{} ({})", shown(symbol), shown(module))
            }
            Self::Symbol { symbol, change: Some((from, to)), .. } => {
                write!(f, "{}: {} -> {}", shown(symbol), shown(from), shown(to))
            }
            Self::Dependencies { name, added, removed, .. } => {
                write!(f, "{}:", shown(name))?;
                let signs =
                    added.iter().map(|need| ('+', need)).chain(removed.iter().map(|need| ('-', need)));
                signs.into_iter().try_for_each(|(sign, need)| write!(f, " {sign}{}", shown(need)))
            }
        }
    }
}

struct List<'l>(&'l [BString]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(number, name)| {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}", name.escape_ascii())
        })
    }
}

/// All changes from one side to the other: what hurts most first, and of one kind in the order of names.
///
/// # Errors
/// When an index is corrupt, or a search in it takes too long.
pub fn diff(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<Change>, IndexError> {
    let mut changes = aliases(old, new)?;
    modules(old, new, &mut changes);
    builtins(old, new, &mut changes);
    symbols(old, new, &mut changes);
    changes.sort_by_key(Change::kind);
    Ok(changes)
}

fn aliases(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<Change>, IndexError> {
    let mut changes = Vec::new();
    let mut seen: BTreeSet<&BString> = BTreeSet::new();
    let (modular, builtin) = (&old.aliases.by_pattern, &old.builtin_aliases.by_pattern);
    for (pattern, modules) in modular.iter().chain(builtin) {
        // Many kernels record no device aliases of what is built in.
        let is_builtin = modules.iter().any(|module| new.is_builtin(module));
        if !seen.insert(pattern) || is_builtin || new.serves(pattern)? {
            continue;
        }
        let kind = match () {
            () if !pattern.contains(&b':') => ChangeKind::AliasLost,
            () if new.serves_some(pattern) => ChangeKind::DriverNarrowed,
            () => ChangeKind::DriverLost,
        };
        let modules: Vec<BString> = modules.iter().cloned().collect();
        let path = modules.first().map(|module| old.path_of(module)).unwrap_or_default();
        changes.push(Change::Alias { kind, pattern: pattern.clone(), modules, path });
    }
    Ok(changes)
}

fn modules(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<Change>) {
    for (name, module) in &old.modules {
        let Some(other) = new.modules.get(name) else {
            let builtin = new.is_builtin(name);
            let kind = if builtin { ChangeKind::BecameBuiltin } else { ChangeKind::ModuleLost };
            changes.push(Change::Module { kind, name: name.clone(), path: module.path.clone() });
            continue;
        };
        if stem(&module.path) != stem(&other.path) {
            let (from, to) = (module.path.clone(), other.path.clone());
            changes.push(Change::Moved { name: name.clone(), from, to });
        }
        let only = |one: &Module, two: &Module| one.needs.difference(&two.needs).cloned().collect::<Vec<_>>();
        let (added, removed) = (only(other, module), only(module, other));
        if !added.is_empty() || !removed.is_empty() {
            let path = other.path.clone();
            changes.push(Change::Dependencies { name: name.clone(), path, added, removed });
        }
    }
    for (name, module) in new.modules.iter().filter(|(name, _)| !old.modules.contains_key(*name)) {
        let kind = if old.is_builtin(name) { ChangeKind::BecameModule } else { ChangeKind::ModuleGained };
        changes.push(Change::Module { kind, name: name.clone(), path: module.path.clone() });
    }
}

fn builtins(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<Change>) {
    let only = |one: &Side<'_>, two: &Side<'_>, kind| {
        let gone = one.builtin.difference(&two.builtin);
        let gone = gone.filter(|name| !one.modules.contains_key(*name) && !two.modules.contains_key(*name));
        gone.map(|name| Change::Module { kind, name: name.clone(), path: BString::default() })
            .collect::<Vec<_>>()
    };
    changes.extend(only(old, new, ChangeKind::BuiltinLost));
    changes.extend(only(new, old, ChangeKind::BuiltinGained));
}

fn symbols(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<Change>) {
    let mut push = |kind, symbol: &BString, module: &BString, path, change| {
        let (symbol, module) = (symbol.clone(), module.clone());
        changes.push(Change::Symbol { kind, symbol, module, path, change });
    };
    let version = |side: &Side<'_>, symbol| side.versions.as_ref()?.get(symbol).copied();
    for (symbol, module) in &old.symbols {
        let path = old.path_of(module);
        match new.symbols.get(symbol) {
            // The kernel itself has it now.
            None if new.is_builtin(module) => {}
            None => push(ChangeKind::SymbolLost, symbol, module, path, None),
            Some(other) if other != module => {
                let change = Some((module.clone(), other.clone()));
                push(ChangeKind::SymbolMoved, symbol, module, path, change);
            }
            Some(_) => {
                if let (Some(from), Some(to)) = (version(old, symbol), version(new, symbol))
                    && from != to
                {
                    let [from, to] = [from, to].map(|crc| alloc::format!("{crc:#010x}").into());
                    push(ChangeKind::SymbolVersion, symbol, module, path, Some((from, to)));
                }
            }
        }
    }
    let gained = new.symbols.iter().filter(|(symbol, _)| !old.symbols.contains_key(*symbol));
    for (symbol, module) in gained.filter(|(_, module)| !old.is_builtin(module)) {
        push(ChangeKind::SymbolGained, symbol, module, new.path_of(module), None);
    }
}

/// The path of a module without suffixes: compression is not a move.
fn stem(path: &[u8]) -> &[u8] {
    path.get(..stem_end(path)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemorySource, Options, parse::module::examples::module, run};
    use alloc::string::{String, ToString};

    fn index(files: &[(&str, Vec<u8>)]) -> IndexFiles {
        let mut source = MemorySource::new();
        for (path, bytes) in files {
            source.insert([b"/m/6.1/", path.as_bytes()].concat().as_slice(), bytes.as_slice());
        }
        run(&Options::new("/m/6.1", "6.1"), &source, &mut ()).unwrap()
    }

    fn told(old: &IndexFiles, new: &IndexFiles) -> Vec<String> {
        let changes = diff(&Side::of(old).unwrap(), &Side::of(new).unwrap()).unwrap();
        changes.iter().map(|change| [change.kind().word(), " ", &change.to_string()].concat()).collect()
    }

    fn old() -> IndexFiles {
        index(&[
            ("modules.builtin", b"kernel/fs/ext4.ko\nkernel/fs/gone.ko\nkernel/fs/module.ko\n".to_vec()),
            ("modules.builtin.modinfo", b"gone.alias=fs-gone\0gone.alias=pci:v77*\0".to_vec()),
            ("kernel/drivers/bus.ko", module(&["bus_add", "bus_del", "bus_new"], &[], &["alias=pci:v1*"])),
            (
                "kernel/drivers/net/lost.ko",
                module(&[], &["bus_add"], &["alias=pci:v2d3*", "alias=usb:v5*d*"]),
            ),
            ("kernel/drivers/net/keep.ko.gz", Vec::new()),
            ("kernel/drivers/net/move.ko", module(&[], &["bus_add"], &["alias=pci:v9*", "alias=net-pf-1"])),
            ("kernel/drivers/net/static.ko", module(&["in_kernel_now"], &[], &["alias=pci:v4*"])),
        ])
    }

    #[test]
    fn every_kind_of_change() {
        let new = index(&[
            ("modules.builtin", b"kernel/fs/ext4.ko\nkernel/fs/new.ko\nkernel/net/static.ko\n".to_vec()),
            ("modules.builtin.modinfo", b"static.alias=pci:v4*\0".to_vec()),
            ("kernel/drivers/bus.ko", module(&["bus_add", "bus_old"], &[], &["alias=pci:v*"])),
            ("kernel/drivers/other.ko", module(&["bus_del"], &[], &["alias=usb:v5*d1"])),
            ("kernel/drivers/net/keep.ko", Vec::new()),
            ("kernel/fs/module.ko", module(&["in_kernel_before"], &[], &[])),
            ("kernel/net/move.ko", module(&[], &["bus_add", "bus_del"], &[])),
        ]);
        let expected = [
            "driver-narrowed usb:v5*d* (lost)",
            "alias-lost net_pf_1 (move)",
            "alias-lost fs_gone (gone)",
            "module-lost lost",
            "module-gained other",
            "module-moved move: kernel/drivers/net/move.ko -> kernel/net/move.ko",
            "became-builtin static",
            "became-module module",
            "builtin-lost gone",
            "builtin-gained new",
            "symbol-lost bus_new (bus)",
            "symbol-gained bus_old (bus)",
            "symbol-moved bus_del: bus -> other",
            "dependencies move: +other",
        ];
        assert_eq!(told(&old(), &new), expected);
        let without = index(&[("modules.builtin", Vec::new()), ("modules.builtin.modinfo", Vec::new())]);
        let lost: Vec<String> =
            told(&old(), &without).into_iter().filter(|line| line.starts_with("driver")).collect();
        assert_eq!(
            lost,
            [
                "driver-lost pci:v1* (bus)",
                "driver-lost pci:v2d3* (lost)",
                "driver-lost pci:v4* (static)",
                "driver-lost pci:v9* (move)",
                "driver-lost usb:v5*d* (lost)",
                "driver-lost pci:v77* (gone)",
            ]
        );
    }

    #[test]
    fn a_driver_that_is_built_in_is_not_lost_without_a_built_in_alias() {
        let new = index(&[
            ("modules.builtin", b"kernel/net/static.ko\n".to_vec()),
            ("modules.builtin.modinfo", b"static.license=GPL\0".to_vec()),
        ]);
        let said = told(&old(), &new);
        assert!(said.contains(&"became-builtin static".into()), "{said:?}");
        assert!(said.contains(&"driver-lost pci:v9* (move)".into()), "{said:?}");
        assert!(!said.iter().any(|line| line.contains("pci:v4*")), "{said:?}");
    }

    #[test]
    fn nothing_changed() {
        assert_eq!(told(&old(), &old()), [""; 0]);
    }

    #[test]
    fn subsystems() {
        let of = |path: &str| {
            let change = Change::Module { kind: ChangeKind::ModuleLost, name: "a".into(), path: path.into() };
            change.subsystem().to_string()
        };
        assert_eq!(of("kernel/drivers/net/ethernet/e100.ko"), "drivers/net");
        assert_eq!(of("kernel/drivers/a.ko"), "drivers");
        assert_eq!(of("kernel/fs/ext4/ext4.ko"), "fs");
        assert_eq!(of("updates/dkms/a.ko"), "updates");
        assert_eq!(of("/opt/a.ko"), "external");
        assert_eq!((of("a.ko"), of("")), (".".into(), "built in".into()));
    }
}
