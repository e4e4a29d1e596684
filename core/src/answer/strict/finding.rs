//! Defects that keep a module from loading.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bstr::BString;

use crate::answer::load_order::Printable;

/// The checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Unreadable module files.
    Corrupt,
    /// Cyclic dependencies.
    Cycle,
    /// The version magic.
    Vermagic,
    /// Versions of symbols.
    Crc,
    /// Symbols without a provider.
    Unresolved,
    /// GPL-only symbols in modules under another license.
    Gpl,
    /// Namespaces that are not imported.
    Namespace,
    /// Symbols with two providers, and module names with two files.
    Duplicate,
}

impl Check {
    /// All checks, in order.
    pub const ALL: [Self; 8] = [
        Self::Corrupt,
        Self::Cycle,
        Self::Vermagic,
        Self::Crc,
        Self::Unresolved,
        Self::Gpl,
        Self::Namespace,
        Self::Duplicate,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Cycle => "cycle",
            Self::Vermagic => "vermagic",
            Self::Crc => "crc",
            Self::Unresolved => "unresolved",
            Self::Gpl => "gpl",
            Self::Namespace => "namespace",
            Self::Duplicate => "duplicate",
        }
    }
}

/// The provider of a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExportedBy {
    /// The kernel itself.
    Kernel,
    /// A module, by its path.
    Module(BString),
    /// Unknown; the version is that of most modules that need the symbol.
    Others,
}

impl ExportedBy {
    /// The verb.
    pub(super) fn has(&self) -> &'static str {
        if *self == Self::Others { "have" } else { "has" }
    }
}

impl fmt::Display for ExportedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("the kernel"),
            Self::Module(path) => Printable(path).fmt(f),
            Self::Others => f.write_str("most other modules"),
        }
    }
}

/// A defect of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadFinding {
    /// The module's name.
    pub module: BString,
    /// Its path, as in index files.
    pub file: BString,
    /// The defect.
    pub fault: LoadFault,
}

/// The kinds of defects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadFault {
    /// The file is unreadable.
    Corrupt {
        /// The reason.
        why: String,
    },
    /// A cyclic dependency.
    Cycle {
        /// The cycle, from the module back to it.
        modules: Vec<BString>,
    },
    /// The module was built for another kernel, or another configuration.
    Vermagic {
        /// The module's.
        found: BString,
        /// The kernel's.
        expected: BString,
    },
    /// The module was built with another version of a symbol.
    Crc {
        /// The symbol.
        symbol: BString,
        /// The needed version.
        needed: u64,
        /// The provided version.
        provided: u64,
        /// The provider.
        provider: ExportedBy,
    },
    /// A needed symbol has no provider.
    Unresolved {
        /// The symbol.
        symbol: BString,
    },
    /// The module uses a GPL-only symbol under another license.
    GplOnly {
        /// The symbol.
        symbol: BString,
        /// The module's license.
        license: BString,
        /// The provider.
        provider: ExportedBy,
    },
    /// The module uses a symbol without importing its namespace.
    Namespace {
        /// The symbol.
        symbol: BString,
        /// The namespace.
        namespace: BString,
        /// The provider.
        provider: ExportedBy,
    },
    /// The module exports a symbol of another provider.
    DuplicateSymbol {
        /// The symbol.
        symbol: BString,
        /// The other provider.
        other: ExportedBy,
    },
    /// Another file has the same module name, and the configuration prefers neither.
    DuplicateFile {
        /// The other file, which is ignored.
        other: BString,
    },
}

impl LoadFinding {
    /// The check that found it.
    #[must_use]
    pub fn check(&self) -> Check {
        match self.fault {
            LoadFault::Corrupt { .. } => Check::Corrupt,
            LoadFault::Cycle { .. } => Check::Cycle,
            LoadFault::Vermagic { .. } => Check::Vermagic,
            LoadFault::Crc { .. } => Check::Crc,
            LoadFault::Unresolved { .. } => Check::Unresolved,
            LoadFault::GplOnly { .. } => Check::Gpl,
            LoadFault::Namespace { .. } => Check::Namespace,
            LoadFault::DuplicateSymbol { .. } | LoadFault::DuplicateFile { .. } => Check::Duplicate,
        }
    }

    /// The symbol concerned, if any.
    #[must_use]
    pub fn symbol(&self) -> Option<&[u8]> {
        match &self.fault {
            LoadFault::Crc { symbol, .. }
            | LoadFault::Unresolved { symbol }
            | LoadFault::GplOnly { symbol, .. }
            | LoadFault::Namespace { symbol, .. }
            | LoadFault::DuplicateSymbol { symbol, .. } => Some(symbol),
            _ => None,
        }
    }

    /// The provider of the symbol concerned, if any.
    #[must_use]
    pub fn provider(&self) -> Option<&ExportedBy> {
        match &self.fault {
            LoadFault::Crc { provider, .. }
            | LoadFault::GplOnly { provider, .. }
            | LoadFault::Namespace { provider, .. }
            | LoadFault::DuplicateSymbol { other: provider, .. } => Some(provider),
            _ => None,
        }
    }
}

/// The defect as a sentence without the file.
impl fmt::Display for LoadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { why } => f.write_str(why),
            Self::Cycle { modules } => write!(f, "needs itself: {}", Circle(modules)),
            Self::Vermagic { found, expected } => {
                let (found, expected) = (Printable(found), Printable(expected));
                write!(f, "has the version magic '{found}', not '{expected}'")
            }
            Self::Crc { symbol, needed, provided, provider } => {
                let symbol = Printable(symbol);
                write!(f, "wants {symbol} {needed:#010x}, {provider} {} {provided:#010x}", provider.has())
            }
            Self::Unresolved { symbol } => write!(f, "needs {}, which nobody provides", Printable(symbol)),
            Self::GplOnly { symbol, license, provider } => {
                let (symbol, license) = (Printable(symbol), Printable(license));
                write!(f, "uses {symbol} of {provider}, which is GPL-only; its license is '{license}'")
            }
            Self::Namespace { symbol, namespace, provider } => {
                let (symbol, namespace) = (Printable(symbol), Printable(namespace));
                write!(f, "uses {symbol} of {provider} without importing its namespace {namespace}")
            }
            Self::DuplicateSymbol { symbol, other } => {
                write!(f, "exports {}, as {other} does", Printable(symbol))
            }
            Self::DuplicateFile { other } => {
                let other = Printable(other);
                write!(f, "has the name of {other}, and no line of depmod.d says which of them counts")
            }
        }
    }
}

/// `a -> b -> a`.
pub(super) struct Circle<'c>(pub(super) &'c [BString]);

impl fmt::Display for Circle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(number, name)| {
            write!(f, "{}{}", if number == 0 { "" } else { " -> " }, Printable(name))
        })
    }
}
