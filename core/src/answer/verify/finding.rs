//! Defects of index files, and their effects.

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use bstr::{BStr, BString, ByteSlice};

use crate::{
    index::IndexError,
    output::{Output, SYMBOL_KEY},
    source::IoError,
};

/// A defect of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFinding {
    /// The file.
    pub file: Output,
    /// The defect.
    pub fault: FileFault,
}

/// The kinds of defects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFault {
    /// The file does not exist.
    Missing,
    /// The file cannot be read.
    Unreadable(IoError),
    /// The file is empty, unexpectedly.
    Empty,
    /// The file is empty, as kmod before 30 leaves it for the newer form of the kernel's list.
    EmptyByOldKmod,
    /// The file ends too early.
    Cut {
        /// Offset of the first missing byte.
        offset: usize,
    },
    /// A damaged index.
    Corrupt(IndexError),
    /// A text with a malformed line.
    BadLine {
        /// Offset of the line.
        offset: usize,
    },
    /// Not an index, or one of another major version.
    Foreign(IndexError),
    /// Bytes after the end of the index.
    Trailing {
        /// Offset of the end.
        offset: usize,
        /// Number of bytes.
        bytes: usize,
    },
    /// An input of the file is newer.
    Stale {
        /// The newer path.
        newer: BString,
    },
    /// The content differs from the neighbour's: they were not written by one run.
    Generation {
        /// The neighbour.
        neighbour: Output,
    },
    /// The file names a module file that does not exist.
    NoFile {
        /// The path, as written.
        path: BString,
    },
    /// Entries of a module differ from those that a run would write.
    Differs {
        /// The module.
        module: BString,
        /// Missing entries.
        lacks: Vec<BString>,
        /// Unexpected entries.
        extra: Vec<BString>,
    },
    /// The entries are right, but not their priorities, the order among modules with equal aliases.
    Order,
}

impl FileFinding {
    /// The kind of defect as one word, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.fault {
            FileFault::Missing => "missing",
            FileFault::Unreadable(_) => "unreadable",
            FileFault::Empty | FileFault::EmptyByOldKmod => "empty",
            FileFault::Cut { .. } => "cut",
            FileFault::Corrupt(_) | FileFault::BadLine { .. } => "corrupt",
            FileFault::Foreign(_) => "foreign",
            FileFault::Trailing { .. } => "trailing",
            FileFault::Stale { .. } => "stale",
            FileFault::Generation { .. } => "generation",
            FileFault::NoFile { .. } => "no-file",
            FileFault::Differs { extra, .. } if extra.is_empty() => "lacks",
            FileFault::Differs { lacks, .. } if lacks.is_empty() => "extra",
            FileFault::Differs { .. } => "differs",
            FileFault::Order => "order",
        }
    }

    /// The module concerned, if any.
    #[must_use]
    pub fn module(&self) -> Option<&[u8]> {
        match &self.fault {
            FileFault::Differs { module, .. } => Some(module),
            _ => None,
        }
    }

    /// The symbol concerned, if any.
    #[must_use]
    pub fn symbol(&self) -> Option<&[u8]> {
        let FileFault::Differs { lacks, extra, .. } = &self.fault else { return None };
        let (Output::Symbols | Output::SymbolsIndex) = self.file else { return None };
        let mut entries = lacks.iter().chain(extra);
        let (Some(entry), None) = (entries.next(), entries.next()) else { return None };
        let (_, symbol) = entry.split_once_str(SYMBOL_KEY)?;
        symbol.split_str(b" ").next()
    }
}

/// The finding as a sentence without its file.
impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Empty => f.write_str("is empty"),
            Self::EmptyByOldKmod => f.write_str("is empty, as kmod before 30 leaves it for newer kernels"),
            Self::Cut { offset } => write!(f, "is cut: something is missing at offset {offset:#x}"),
            Self::Corrupt(IndexError::Corrupt { offset, flaw }) => {
                write!(f, "is corrupt at offset {offset:#x}: {flaw}")
            }
            Self::Corrupt(error) => write!(f, "is corrupt: {error}"),
            Self::BadLine { offset } => write!(f, "is corrupt at offset {offset:#x}: no line of this file"),
            Self::Foreign(error) => write!(f, "is foreign: {error}"),
            Self::Trailing { offset, bytes } => {
                write!(f, "has {bytes} bytes after its end at offset {offset:#x}")
            }
            Self::Stale { newer } => write!(f, "is stale: {} is newer", BStr::new(newer).escape_bytes()),
            Self::Generation { neighbour } => {
                write!(f, "is of another generation than {}", neighbour.file_name())
            }
            Self::NoFile { path } => {
                write!(f, "names {}, which does not exist", path.escape_bytes())
            }
            Self::Differs { module, lacks, extra } => {
                let module = module.escape_bytes();
                match (&**lacks, &**extra) {
                    ([], [one]) => write!(f, "has an entry too many of {module}: {}", one.escape_bytes()),
                    ([one], []) => write!(f, "lacks an entry of {module}: {}", one.escape_bytes()),
                    ([old], [new]) => write!(
                        f,
                        "differs in {module}: `{}` instead of `{}`",
                        new.escape_bytes(),
                        old.escape_bytes()
                    ),
                    ([], extra) => write!(f, "has {} entries too many of {module}", extra.len()),
                    (lacks, []) => write!(f, "lacks {} entries of {module}", lacks.len()),
                    (lacks, extra) => write!(
                        f,
                        "differs in {module}: lacks {} entries, has {} too many",
                        lacks.len(),
                        extra.len()
                    ),
                }
            }
            Self::Order => f.write_str("has other priorities, and may prefer modules in another order"),
        }
    }
}

trait Escape {
    /// Escapes unprintable bytes: control bytes must not reach a terminal.
    fn escape_bytes(&self) -> core::slice::EscapeAscii<'_>;
}

impl<T: AsRef<[u8]> + ?Sized> Escape for T {
    fn escape_bytes(&self) -> core::slice::EscapeAscii<'_> {
        self.as_ref().escape_ascii()
    }
}

/// The effects of one damaged file on its readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: Output,
    /// Number of entries that readers do not find.
    pub entries: usize,
    /// Number of device patterns without a module.
    pub devices: usize,
    /// Number of these entries without any replacement.
    pub absent: usize,
    /// The modules of these entries, sorted.
    pub modules: Vec<BString>,
}

impl Damage {
    /// Damage by missing entries, each a key and a module.
    pub(super) fn of<'e>(
        file: Output,
        lacking: impl IntoIterator<Item = (&'e [u8], &'e [u8])>,
        left: impl Fn(&[u8]) -> bool,
    ) -> Option<Self> {
        let mut modules = BTreeSet::new();
        let mut devices = BTreeSet::new();
        let (mut entries, mut absent): (usize, usize) = (0, 0);
        for (key, module) in lacking {
            entries = entries.saturating_add(1);
            modules.insert(module);
            if left(key) {
                continue;
            }
            absent = absent.saturating_add(1);
            if matches!(file, Output::Alias | Output::AliasIndex) && key.contains(&b':') {
                devices.insert(key);
            }
        }
        let modules = modules.into_iter().map(BString::from).collect();
        (entries > 0).then_some(Self { file, entries, devices: devices.len(), absent, modules })
    }
}

/// The effects as a sentence with at most three modules.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, devices) = (Count(self.entries), Count(self.devices));
        let modules = Count(self.modules.len());
        let (names, s) = (Names(&self.modules), plural(self.modules.len()));
        match self.file {
            Output::Dep if self.absent == self.entries => {
                write!(f, "{modules} module{s} missing from modules.dep: {names}")
            }
            Output::DepIndex if self.absent == self.entries => {
                write!(f, "modprobe does not find {modules} module{s}: {names}")
            }
            Output::Dep => write!(f, "{modules} module{s} with a wrong line in modules.dep: {names}"),
            Output::DepIndex => write!(f, "modprobe cannot load {modules} module{s} as it should: {names}"),
            Output::AliasIndex if self.devices == 1 => write!(f, "1 device finds no driver: {names}"),
            Output::AliasIndex if self.devices > 0 => write!(f, "{devices} devices find no driver: {names}"),
            Output::Alias if self.devices > 0 => {
                write!(
                    f,
                    "whoever reads the text finds no driver for {devices} device{}: {names}",
                    plural(self.devices)
                )
            }
            Output::Alias | Output::AliasIndex => {
                write!(
                    f,
                    "{entries} alias{} of {modules} module{s} lost: {names}",
                    if self.entries == 1 { "" } else { "es" }
                )
            }
            Output::Symbols | Output::SymbolsIndex => {
                write!(f, "{entries} symbol{} of {modules} module{s} lost: {names}", plural(self.entries))
            }
            Output::Softdep => write!(f, "soft dependencies of {modules} module{s} are not loaded: {names}"),
            Output::Weakdep => write!(f, "weak dependencies of {modules} module{s} are not known: {names}"),
            Output::BuiltinIndex => {
                write!(f, "{modules} built-in module{s} taken for missing: {names}")
            }
            Output::BuiltinAliasIndex => {
                let es = if self.entries == 1 { "" } else { "es" };
                write!(f, "{entries} alias{es} of {modules} built-in module{s} unknown: {names}")
            }
            Output::Devname => write!(f, "device nodes of {modules} module{s} are not made: {names}"),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// At most three names, and the number of others.
struct Names<'n>(&'n [BString]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (number, name) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}", name.escape_bytes())?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {} more", Count(more)),
        }
    }
}

/// A number with separated thousands: `9,411`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousands = self.0.checked_div(1000).unwrap_or(0);
        match thousands {
            0 => write!(f, "{}", self.0),
            _ => write!(f, "{},{:03}", Self(thousands), self.0.checked_rem(1000).unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn numbers_have_their_thousands_apart() {
        let shown = [0, 999, 1000, 25_411, 1_000_001].map(|number| Count(number).to_string());
        assert_eq!(shown, ["0", "999", "1,000", "25,411", "1,000,001"]);
    }

    #[test]
    fn damage_counts_devices_that_nothing_else_serves() {
        let lacking: [(&[u8], &[u8]); 4] =
            [(b"pci:v1", b"a"), (b"pci:v1", b"b"), (b"pci:v2", b"a"), (b"fs_x", b"c")];
        let damage = Damage::of(Output::AliasIndex, lacking, |key| key == b"pci:v2").unwrap();
        assert_eq!((damage.entries, damage.devices), (4, 1));
        assert_eq!(damage.to_string(), "1 device finds no driver: a, b, c");
        assert_eq!(Damage::of(Output::Alias, [], |_| false), None);
    }

    #[test]
    fn control_bytes_stay_inside() {
        let module = "a\x1bb".into();
        let fault = FileFault::Differs { module, lacks: Vec::from(["x\ny".into()]), extra: Vec::new() };
        assert_eq!(fault.to_string(), "lacks an entry of a\\x1bb: x\\ny");
    }

    #[test]
    fn a_symbol_is_told() {
        let fault = |lacks: &[&str]| FileFault::Differs {
            module: "a".into(),
            lacks: lacks.iter().map(|&entry| entry.into()).collect(),
            extra: Vec::new(),
        };
        let finding = |lacks: &[&str]| FileFinding { file: Output::Symbols, fault: fault(lacks) };
        assert_eq!(finding(&["alias symbol:f a"]).symbol(), Some(&b"f"[..]));
        assert_eq!(finding(&["alias symbol:f a", "alias symbol:g a"]).symbol(), None);
        assert_eq!(finding(&["alias symbol:f a"]).kind(), "lacks");
    }
}
