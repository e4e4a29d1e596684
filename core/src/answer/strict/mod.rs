//! Will these modules load? What depmod's index files don't say, and the kernel says only at boot.
//!
//! Every module is judged by what the kernel looks at when it loads one: its symbols, their versions, what is
//! GPL-only, namespaces, the version magic. What is wrong is a [`LoadFinding`]; findings that one thing explains are a
//! [`Cause`], because a driver that was built for another kernel disagrees about hundreds of symbols:
//!
//! ```text
//! 217 modules were built for another kernel (module_layout 0x…, not 0x…); first: extra/zfs.ko
//! ```
//!
//! | Findings | have the cause |
//! |---|---|
//! | versions, symbols and version magic of a module that disagrees about `module_layout` | another kernel |
//! | the same of a module with another version magic | that version magic |
//! | symbols that nobody provides, of a module that depends on an unreadable one | the unreadable one |
//! | the same, of a module that depends on one that is not there | the missing one |
//! | anything else | its symbol, its module, or its pair of modules |
//!
//! Without the kernel's own symbols ([`find_kernel_exports`](super::find_kernel_exports)) much cannot be told. Versions are then judged by what most
//! modules say; the rest is [`NotChecked`], and not called right.

mod exporters;
mod finding;
mod group;
mod judge;

pub use finding::{Check, ExportedBy, LoadFault, LoadFinding};
pub use group::{Cause, Explanation};
pub use judge::strict;

use alloc::vec::Vec;
use core::fmt;

use crate::{list::ModuleFile, run::Load};

/// The modules of a kernel, as they are judged.
#[derive(Clone, Copy, Debug)]
pub struct Modules<'a> {
    /// The kernel version.
    pub version: &'a [u8],
    /// The module files.
    pub files: &'a [ModuleFile],
    /// What loading each of them gave, with details.
    pub loads: &'a [Load],
    /// Files whose name another file has, though no line of the configuration prefers one of them.
    pub shadowed: &'a [ModuleFile],
    /// The question is about so many of the first files alone; the others are what they meet.
    pub asked: usize,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Everything that is wrong, by cause: the checks in their order, the causes of each with most findings first.
    pub causes: Vec<Cause>,
    /// What could not be told.
    pub not_checked: Vec<NotChecked>,
    /// How many modules were judged.
    pub modules: usize,
}

impl Verdict {
    /// All findings, with the number of their cause.
    pub fn findings(&self) -> impl Iterator<Item = (usize, &LoadFinding)> {
        let causes = self.causes.iter().enumerate();
        causes.flat_map(|(number, cause)| cause.findings.iter().map(move |finding| (number, finding)))
    }
}

/// A check that could not be made, or not wholly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotChecked {
    /// Which one.
    pub check: Check,
    /// Why.
    pub why: Gap,
}

/// What was missing for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The kernel's own symbols are not known.
    KernelSymbols,
    /// The versions of the kernel's symbols are not known; modules were compared with each other.
    KernelVersions,
    /// It is not known which of the kernel's symbols are GPL-only, or in a namespace.
    KernelDetails,
    /// The kernel's version magic is not known; modules were compared with each other.
    KernelVermagic,
}

impl Gap {
    /// Whether a weaker check took the place of the one that could not be made.
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
