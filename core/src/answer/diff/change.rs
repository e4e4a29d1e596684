//! One change between two kernels, and its text.

use alloc::vec::Vec;
use core::fmt;

use bstr::BString;

/// Kinds of changes, the most serious first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A device has no driver in the second kernel.
    DriverLost,
    /// Some devices of a pattern have no driver in the second kernel.
    DriverNarrowed,
    /// Another alias has no module in the second kernel.
    AliasLost,
    /// A module is gone.
    ModuleLost,
    /// A module is new.
    ModuleGained,
    /// A module has another path.
    ModuleMoved,
    /// A module is built in.
    BecameBuiltin,
    /// A built-in module is a loadable one.
    BecameModule,
    /// A built-in module is gone.
    BuiltinLost,
    /// A built-in module is new.
    BuiltinGained,
    /// A symbol has no provider.
    SymbolLost,
    /// A symbol is new.
    SymbolGained,
    /// Another module provides a symbol.
    SymbolMoved,
    /// A symbol has another version.
    SymbolVersion,
    /// A module has other dependencies.
    Dependencies,
}

impl ChangeKind {
    /// The kind as one word, for programs.
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

    /// The heading of a list.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::DriverLost => "devices that lose their driver",
            Self::DriverNarrowed => "devices of which only some keep a driver",
            Self::AliasLost => "other aliases without a module",
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
    /// An alias without a module, or with fewer devices.
    Alias {
        /// [`ChangeKind::DriverLost`], [`ChangeKind::DriverNarrowed`] or [`ChangeKind::AliasLost`].
        kind: ChangeKind,
        /// The alias.
        pattern: BString,
        /// Its modules in the first kernel.
        modules: Vec<BString>,
        /// The path of the first one; empty if it is built in.
        path: BString,
    },
    /// A new, removed, or newly built-in or loadable module.
    Module {
        /// The kind.
        kind: ChangeKind,
        /// Its name.
        name: BString,
        /// Its path; empty if it is built in.
        path: BString,
    },
    /// A module with another path.
    Moved {
        /// Its name.
        name: BString,
        /// Its path in the first kernel.
        from: BString,
        /// Its path in the second kernel.
        to: BString,
    },
    /// A new or removed symbol, or one with another provider or version.
    Symbol {
        /// The kind.
        kind: ChangeKind,
        /// The symbol.
        symbol: BString,
        /// Its provider, in the first kernel if there is one.
        module: BString,
        /// The provider's path.
        path: BString,
        /// Former and present provider or version.
        change: Option<(BString, BString)>,
    },
    /// A module that needs others.
    Dependencies {
        /// Its name.
        name: BString,
        /// Its path in the second kernel.
        path: BString,
        /// Additional dependencies.
        added: Vec<BString>,
        /// Removed dependencies.
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

    /// The module concerned.
    #[must_use]
    pub fn module(&self) -> &[u8] {
        match self {
            Self::Alias { modules, .. } => modules.first().map(|module| &***module).unwrap_or_default(),
            Self::Module { name, .. } | Self::Moved { name, .. } | Self::Dependencies { name, .. } => name,
            Self::Symbol { module, .. } => module,
        }
    }

    /// The path of that module.
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

    /// The subsystem: the directory below `kernel`, for drivers with the directory below `drivers`.
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

/// The change without its kind.
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
