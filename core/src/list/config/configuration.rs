//! The configuration as a value.

use alloc::{vec, vec::Vec};

use bstr::BString;
use hashbrown::{HashMap, HashSet};

#[cfg(feature = "answers")]
use crate::diagnostic::FileLine;

/// The configuration for one kernel version.
#[derive(Clone, Debug)]
pub struct Config {
    /// The search list, highest priority first; never empty.
    pub(super) searches: Vec<Search>,
    /// `subdir/modname` of each `override`, with the number of its last line.
    pub(super) overrides: HashMap<BString, usize>,
    /// External directories in configuration order, highest priority first; the last one is walked first.
    pub(in crate::list) externals: Vec<BString>,
    pub(super) excludes: HashSet<BString>,
    /// Where the entries stand.
    #[cfg(feature = "answers")]
    pub(super) lines: Lines,
}

/// One word of the search list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// `built-in`: directories not covered by another word.
    BuiltIn,
    /// `external`: the `external` directories.
    External,
    /// A directory below the module directory.
    Directory(Vec<u8>),
}

/// The lines of the entries of a [`Config`], in their order.
#[cfg(feature = "answers")]
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    pub(super) searches: Vec<FileLine>,
    pub(super) overrides: Vec<FileLine>,
    pub(super) externals: Vec<FileLine>,
}

impl Config {
    /// kmod's default paths; earlier directories mask later ones.
    pub const PATHS: &[&[u8]] = &[
        b"/etc/depmod.d",
        b"/run/depmod.d",
        b"/usr/local/lib/depmod.d",
        b"/usr/lib/depmod.d",
        b"/lib/depmod.d",
    ];

    /// Whether the walk skips files and directories with this name.
    #[must_use]
    pub fn is_excluded(&self, name: &[u8]) -> bool {
        self.excludes.contains(name)
    }
}

/// The configuration without any files: the search list `updates`.
impl Default for Config {
    fn default() -> Self {
        Self {
            searches: vec![Search::Directory(b"updates".to_vec())],
            overrides: HashMap::new(),
            externals: Vec::new(),
            excludes: HashSet::new(),
            #[cfg(feature = "answers")]
            lines: Lines::default(),
        }
    }
}
