//! Findings, grouped by their cause.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use bstr::BString;
use hashbrown::{HashMap, HashSet};

use super::{Check, ExportedBy, LoadFault, LoadFinding, finding::Circle};
use crate::{answer::load_order::Printable, sort::sort_by};

/// A cause of findings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Explanation {
    /// An unreadable file.
    Corrupt {
        /// The file.
        file: BString,
    },
    /// A dependency cycle.
    Cycle {
        /// The cycle, from a module back to it.
        modules: Vec<BString>,
    },
    /// Modules for another kernel: they need another version of `module_layout`.
    OtherKernel {
        /// The needed version.
        needed: u64,
        /// The provided version.
        provided: u64,
    },
    /// Modules with another version magic.
    Vermagic {
        /// The modules'.
        found: BString,
        /// The kernel's.
        expected: BString,
    },
    /// Modules that need another version of this symbol.
    Symbol {
        /// The symbol.
        symbol: BString,
        /// The provided version.
        provided: u64,
        /// The provider.
        provider: ExportedBy,
    },
    /// A symbol without a provider.
    Unresolved {
        /// The symbol.
        symbol: BString,
    },
    /// Modules that were linked against missing modules.
    MissingModules {
        /// The missing modules, sorted.
        names: Vec<BString>,
    },
    /// A module that uses GPL-only symbols under another license.
    GplOnly {
        /// The module's path.
        file: BString,
        /// Its license.
        license: BString,
    },
    /// A module without the import of this namespace.
    Namespace {
        /// The module's path.
        file: BString,
        /// The namespace.
        namespace: BString,
    },
    /// A module that exports symbols of another provider.
    DuplicateSymbols {
        /// The module's path.
        file: BString,
        /// The other provider.
        other: ExportedBy,
    },
    /// Two files with one module name.
    DuplicateFile {
        /// The indexed file.
        file: BString,
        /// The other file.
        other: BString,
    },
}

impl Explanation {
    /// The check that found it.
    #[must_use]
    pub fn check(&self) -> Check {
        match self {
            Self::Corrupt { .. } => Check::Corrupt,
            Self::Cycle { .. } => Check::Cycle,
            Self::Vermagic { .. } => Check::Vermagic,
            Self::OtherKernel { .. } | Self::Symbol { .. } => Check::Crc,
            Self::Unresolved { .. } | Self::MissingModules { .. } => Check::Unresolved,
            Self::GplOnly { .. } => Check::Gpl,
            Self::Namespace { .. } => Check::Namespace,
            Self::DuplicateSymbols { .. } | Self::DuplicateFile { .. } => Check::Duplicate,
        }
    }
}

/// Findings with one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The cause.
    pub explanation: Explanation,
    /// The findings, at least one.
    pub findings: Vec<LoadFinding>,
}

impl Cause {
    /// The number of modules concerned.
    #[must_use]
    pub fn modules(&self) -> usize {
        self.findings.iter().map(|finding| &finding.file).collect::<HashSet<_>>().len()
    }

    fn symbols(&self) -> usize {
        self.findings.iter().filter_map(LoadFinding::symbol).collect::<HashSet<_>>().len()
    }
}

/// `1 module`, `2 modules`.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// One line.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.findings.first();
        let modules = self.modules();
        let first_symbol = Printable(first.and_then(LoadFinding::symbol).unwrap_or_default());
        let symbols = Count(self.symbols(), "symbol");
        // Names a single module; counts several and names the first.
        let who = |f: &mut fmt::Formatter<'_>, one: &str, several: &str| {
            let file = Printable(first.map(|first| first.file.as_slice()).unwrap_or_default());
            match modules {
                0 | 1 => write!(f, "{file} {one}"),
                _ => write!(f, "{} {several} (first: {file})", Count(modules, "module")),
            }
        };
        match &self.explanation {
            Explanation::Corrupt { file } => {
                write!(f, "{}: ", Printable(file))?;
                match first.map(|first| &first.fault) {
                    Some(LoadFault::Corrupt { why }) => f.write_str(why)?,
                    _ => f.write_str("it cannot be read")?,
                }
                let others = modules.saturating_sub(1);
                if others > 0 {
                    let verb = if others == 1 { "needs" } else { "need" };
                    write!(f, "; {} {verb} {symbols} of it", Count(others, "module"))?;
                }
                Ok(())
            }
            Explanation::Cycle { modules } => write!(f, "{}", Circle(modules)),
            Explanation::OtherKernel { needed, provided } => {
                who(f, "was built for another kernel", "were built for another kernel")?;
                write!(f, ": module_layout {needed:#010x}, not {provided:#010x}")
            }
            Explanation::Vermagic { found, expected } => {
                let (found, expected) = (Printable(found), Printable(expected));
                who(f, "has", "have")?;
                write!(f, " the version magic '{found}', not '{expected}'")
            }
            Explanation::Symbol { symbol, provided, provider } => {
                who(f, "wants", "want")?;
                let mut needed = self.findings.iter().filter_map(|finding| match finding.fault {
                    LoadFault::Crc { needed, .. } => Some(needed),
                    _ => None,
                });
                let needed = needed.next().unwrap_or(0);
                let (symbol, has) = (Printable(symbol), provider.has());
                write!(f, " {symbol} {needed:#010x}, {provider} {has} {provided:#010x}")
            }
            Explanation::Unresolved { symbol } => {
                who(f, "needs", "need")?;
                write!(f, " {}, which nobody provides", Printable(symbol))
            }
            Explanation::MissingModules { names } => {
                who(f, "needs", "need")?;
                write!(f, " {symbols} of ")?;
                for (number, name) in names.iter().enumerate() {
                    write!(f, "{}{}", if number == 0 { "" } else { ", " }, Printable(name))?;
                }
                f.write_str(if names.len() == 1 { ", which is not there" } else { ", which are not there" })
            }
            Explanation::GplOnly { file, license } => {
                let (file, license) = (Printable(file), Printable(license));
                write!(
                    f,
                    "{file} (license '{license}') uses {symbols} for GPL modules only: {first_symbol}"
                )?;
                more(f, self.symbols())
            }
            Explanation::Namespace { file, namespace } => {
                let (file, namespace) = (Printable(file), Printable(namespace));
                write!(f, "{file} does not import {namespace}, but uses {symbols} of it: {first_symbol}")?;
                more(f, self.symbols())
            }
            Explanation::DuplicateSymbols { file, other } => {
                let file = Printable(file);
                write!(f, "{file} exports {symbols} that {other} exports: {first_symbol}")?;
                more(f, self.symbols())
            }
            Explanation::DuplicateFile { file, other } => {
                let (file, other) = (Printable(file), Printable(other));
                write!(
                    f,
                    "{file} and {other} have one name, and no line of depmod.d says which of them counts"
                )
            }
        }
    }
}

fn more(f: &mut fmt::Formatter<'_>, symbols: usize) -> fmt::Result {
    if symbols > 1 { f.write_str(", …") } else { Ok(()) }
}

/// Groups findings by explanation.
#[derive(Default)]
pub(super) struct Causes {
    numbers: HashMap<Explanation, usize>,
    causes: Vec<Cause>,
}

impl Causes {
    pub(super) fn add(&mut self, explanation: Explanation, finding: LoadFinding) {
        let number = *self.numbers.entry(explanation).or_insert_with_key(|explanation| {
            self.causes.push(Cause { explanation: explanation.clone(), findings: Vec::new() });
            self.causes.len().saturating_sub(1)
        });
        if let Some(cause) = self.causes.get_mut(number) {
            cause.findings.push(finding);
        }
    }

    /// Causes in the order of checks; those of one check by their number of findings, descending.
    pub(super) fn sorted(mut self) -> Vec<Cause> {
        for cause in &mut self.causes {
            // A defect of the file itself precedes its consequences.
            let itself = cause.explanation.check();
            let is_other = |finding: &LoadFinding| finding.check() != itself;
            sort_by(&mut cause.findings, &|a, b| is_other(a).cmp(&is_other(b)));
        }
        let key = |cause: &Cause| (cause.explanation.check(), Reverse(cause.findings.len()));
        sort_by(&mut self.causes, &|a, b| key(a).cmp(&key(b)));
        self.causes
    }
}
