//! The eleven index files ([`reference::outputs`](crate::reference::outputs)).
//!
//! Each file is built in memory, independently of the others, so a host may build them in parallel.
//! [`run`](crate::run()) returns them as [`IndexFiles`].

mod dependencies;
mod devname;
mod files;
mod index;
mod text;

pub(crate) use dependencies::DependencyLines;
pub(crate) use devname::devname;
pub use files::{Files, IndexFiles};
pub(crate) use index::{alias_index, builtin_alias_index, builtin_index, dependency_index, symbol_index};
pub(crate) use text::{SYMBOL_KEY, SYMBOL_LINE, alias, softdep, symbols, weakdep};

/// Suffix of the temporary names that index files have until they are complete.
pub const TEMPORARY_SUFFIX: &str = ".depmod-new";

/// One of the output files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// `modules.dep`
    Dep,
    /// `modules.dep.bin`
    DepIndex,
    /// `modules.alias`
    Alias,
    /// `modules.alias.bin`
    AliasIndex,
    /// `modules.softdep`
    Softdep,
    /// `modules.weakdep`
    Weakdep,
    /// `modules.symbols`
    Symbols,
    /// `modules.symbols.bin`
    SymbolsIndex,
    /// `modules.builtin.bin`
    BuiltinIndex,
    /// `modules.builtin.alias.bin`
    BuiltinAliasIndex,
    /// `modules.devname`
    Devname,
}

impl Output {
    /// All outputs, in kmod's order.
    pub const ALL: [Self; 11] = [
        Self::Dep,
        Self::DepIndex,
        Self::Alias,
        Self::AliasIndex,
        Self::Softdep,
        Self::Weakdep,
        Self::Symbols,
        Self::SymbolsIndex,
        Self::BuiltinIndex,
        Self::BuiltinAliasIndex,
        Self::Devname,
    ];

    /// The file's name in the output directory.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Dep => "modules.dep",
            Self::DepIndex => "modules.dep.bin",
            Self::Alias => "modules.alias",
            Self::AliasIndex => "modules.alias.bin",
            Self::Softdep => "modules.softdep",
            Self::Weakdep => "modules.weakdep",
            Self::Symbols => "modules.symbols",
            Self::SymbolsIndex => "modules.symbols.bin",
            Self::BuiltinIndex => "modules.builtin.bin",
            Self::BuiltinAliasIndex => "modules.builtin.alias.bin",
            Self::Devname => "modules.devname",
        }
    }

    /// The output with this file name.
    #[must_use]
    pub fn from_file_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|output| output.file_name().as_bytes() == name)
    }

    /// Whether it is a binary index; `-n` omits these.
    #[must_use]
    pub const fn is_index(self) -> bool {
        matches!(
            self,
            Self::DepIndex
                | Self::AliasIndex
                | Self::SymbolsIndex
                | Self::BuiltinIndex
                | Self::BuiltinAliasIndex
        )
    }
}
