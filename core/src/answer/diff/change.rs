//! One change between two kernels, and its text.

use alloc::vec::Vec;
use core::fmt;

use bstr::BString;

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
