//! One thing that is wrong with one module.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bstr::BString;

use crate::answer::load_order::Printable;

/// The kinds of things that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Module files that cannot be read.
    Corrupt,
    /// Modules that need each other in a circle.
    Cycle,
    /// The version magic.
    Vermagic,
    /// Versions of symbols.
    Crc,
    /// Symbols that nobody provides.
    Unresolved,
    /// GPL-only symbols in modules under another license.
    Gpl,
    /// Namespaces that are not imported.
    Namespace,
    /// Symbols, and names of modules, that there are twice.
    Duplicate,
}

impl Check {
    /// All of them, in their order.
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

    /// Its word.
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

/// Who provides a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExportedBy {
    /// The kernel itself.
    Kernel,
    /// A module, by its path.
    Module(BString),
    /// It is not known who; most modules that need the symbol say so.
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

/// One thing that is wrong with one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadFinding {
    /// The module's name.
    pub module: BString,
    /// Its path, as index files have it.
    pub file: BString,
    /// What is wrong.
    pub fault: LoadFault,
}

/// What is wrong with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadFault {
    /// It cannot be read.
    Corrupt {
        /// Why.
        why: String,
    },
    /// It needs itself.
    Cycle {
        /// By way of these, from the module back to it.
        modules: Vec<BString>,
    },
    /// It was built for another kernel, or another configuration of it.
    Vermagic {
        /// What it has.
        found: BString,
        /// What the kernel has.
        expected: BString,
    },
    /// It was built with another version of a symbol.
    Crc {
        /// The symbol.
        symbol: BString,
        /// The version it wants.
        needed: u64,
        /// The version there is.
        provided: u64,
        /// Who has it.
        provider: ExportedBy,
    },
    /// Nobody provides a symbol that it needs.
    Unresolved {
        /// The symbol.
        symbol: BString,
    },
    /// It uses a symbol that is for modules under the GPL.
    GplOnly {
        /// The symbol.
        symbol: BString,
        /// Its license.
        license: BString,
        /// Whose symbol it is.
        provider: ExportedBy,
    },
    /// It uses a symbol of a namespace that it does not import.
    Namespace {
        /// The symbol.
        symbol: BString,
        /// The namespace.
        namespace: BString,
        /// Whose symbol it is.
        provider: ExportedBy,
    },
    /// It exports a symbol that another one exports.
    DuplicateSymbol {
        /// The symbol.
        symbol: BString,
        /// The other one.
        other: ExportedBy,
    },
    /// Another file has its name, and no line of the configuration prefers one of them.
    DuplicateFile {
        /// The other file, which is passed over.
        other: BString,
    },
}

impl LoadFinding {
    /// Which check found it.
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

    /// The symbol that it is about.
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

    /// Who provides the symbol that it is about.
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

/// A sentence about the file, without its name.
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
