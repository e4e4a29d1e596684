//! Checks of whether modules will load on a kernel; index files do not contain the answer.
//!
//! The checks are those of the kernel when it loads a module: symbols, their versions, GPL-only symbols, namespaces,
//! the version magic. A defect is a [`LoadFinding`]. Findings with a common reason are one [`Cause`], because a driver
//! for another kernel mismatches in hundreds of symbols:
//!
//! ```text
//! 217 modules were built for another kernel (module_layout 0x…, not 0x…); first: extra/zfs.ko
//! ```
//!
//! | Findings | have the cause |
//! |---|---|
//! | versions, symbols and version magic of a module with another `module_layout` | another kernel |
//! | the same of a module with another version magic | that version magic |
//! | symbols without a provider, of a module that depends on an unreadable one | the unreadable one |
//! | the same, of a module that depends on a missing one | the missing one |
//! | anything else | its symbol, its module, or its pair of modules |
//!
//! Without the kernel's own symbols ([`find_kernel_exports`](super::find_kernel_exports)), versions are compared among
//! modules, and other checks are [`NotChecked`].

mod exporters;
mod finding;
mod group;
mod judge;

pub(super) use exporters::needed_name;
pub use finding::{Check, ExportedBy, LoadFault, LoadFinding};
pub use group::{Cause, Explanation};
pub use judge::strict;

use alloc::vec::Vec;
use core::fmt;

use bstr::BStr;

use crate::{list::ModuleFile, run::Load};

/// The input of the checks.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Modules<'a> {
    /// The kernel version.
    pub version: &'a [u8],
    /// The module files.
    pub files: &'a [ModuleFile],
    /// The result of loading each of them, with details.
    pub loads: &'a [Load],
    /// Files with the module name of another file, without a preference in the configuration.
    pub shadowed: &'a [ModuleFile],
    /// The number of leading files to check; the others only provide symbols.
    pub asked: usize,
}

/// The version as text.
impl fmt::Debug for Modules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modules")
            .field("version", &BStr::new(self.version))
            .field("files", &self.files)
            .field("loads", &self.loads)
            .field("shadowed", &self.shadowed)
            .field("asked", &self.asked)
            .finish()
    }
}

impl<'a> Modules<'a> {
    /// All modules of a kernel, and the result of loading each of them, with details.
    #[must_use]
    pub fn new(version: &'a [u8], files: &'a [ModuleFile], loads: &'a [Load]) -> Self {
        Self { version, files, loads, shadowed: &[], asked: usize::MAX }
    }

    /// Sets [`Self::shadowed`].
    #[must_use]
    pub fn shadowed(self, shadowed: &'a [ModuleFile]) -> Self {
        Self { shadowed, ..self }
    }

    /// Sets [`Self::asked`].
    #[must_use]
    pub fn asked(self, asked: usize) -> Self {
        Self { asked, ..self }
    }
}

/// The result of the checks.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// All causes, in the order of checks; those of one check by their number of findings, descending.
    pub causes: Vec<Cause>,
    /// Checks without a complete result.
    pub not_checked: Vec<NotChecked>,
    /// The number of checked modules.
    pub modules: usize,
}

impl Verdict {
    /// All findings, with the number of their cause.
    pub fn findings(&self) -> impl Iterator<Item = (usize, &LoadFinding)> {
        let causes = self.causes.iter().enumerate();
        causes.flat_map(|(number, cause)| cause.findings.iter().map(move |finding| (number, finding)))
    }
}

/// An incomplete or omitted check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotChecked {
    /// The check.
    pub check: Check,
    /// The reason.
    pub why: Gap,
}

/// The missing information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The kernel's own symbols.
    KernelSymbols,
    /// The versions of the kernel's symbols; modules were compared with each other.
    KernelVersions,
    /// GPL-only marks and namespaces of the kernel's symbols.
    KernelDetails,
    /// The kernel's version magic; modules were compared with each other.
    KernelVermagic,
}

impl Gap {
    /// Whether a weaker check was made instead.
    #[must_use]
    pub fn is_partial(self) -> bool {
        !matches!(self, Self::KernelSymbols)
    }
}

impl fmt::Display for NotChecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.check, self.why) {
            (Check::Unresolved, _) => "which symbols nobody provides: the kernel's own are not known",
            (_, Gap::KernelSymbols) => "what concerns the kernel's own symbols: they are not known",
            (_, Gap::KernelVersions) => {
                "versions against the kernel: modules were compared with each other instead"
            }
            (_, Gap::KernelDetails) => {
                "which of the kernel's own symbols are GPL-only or in a namespace: only modules' were looked at"
            }
            (_, Gap::KernelVermagic) => {
                "version magic against the kernel: modules were compared with each other instead"
            }
        })
    }
}

#[cfg(test)]
mod tests;
