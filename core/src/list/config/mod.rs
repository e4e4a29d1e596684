//! Configuration (`depmod.d`): which of two files of one name wins, where else to look, what to skip.
//!
//! ```text
//! # /etc/depmod.d/site.conf
//! search updates extra built-in              # directories, strongest first
//! override e1000e 6.1.* extra                # for kernel 6.1, extra/e1000e.ko wins over any other
//! external * /opt/modules                    # one more directory to walk
//! exclude drafts                             # files and directories of this name are not there
//! ```
//!
//! [`Config::load`] finds and merges the files (`files`), reads their lines and commands (`parse`), and
//! decides version patterns with the C library's regular expressions (`regex`). The result answers the
//! walk's questions: [`is_excluded`](Config::is_excluded), [`prefer_new`](Config::prefer_new)
//! (`priority`), `externals`.
//!
//! ```
//! use depmod_core::{Limits, MemorySource, parts::list::config::Config};
//!
//! let mut source = MemorySource::new();
//! source.insert(b"/etc/depmod.d/site.conf", b"search extra built-in\n".to_vec());
//! let mut messages = Vec::new();
//! let config = Config::load(&source, Config::PATHS, b"6.1.0", &Limits::DEFAULT, &mut messages);
//! assert!(messages.is_empty());
//! let (old, new) = (b"/lib/modules/6.1.0/kernel/a.ko", b"/lib/modules/6.1.0/extra/a.ko");
//! assert!(config.prefer_new(b"/lib/modules/6.1.0", old, new));
//! ```

mod files;
mod parse;
mod priority;
mod regex;

pub use regex::{PatternError, pattern_occurs};

use alloc::{vec, vec::Vec};

use bstr::BString;

use hashbrown::{HashMap, HashSet};

use crate::{diagnostic::Reporter, limits::Limits, source::Source};

/// The configuration for one kernel version.
#[derive(Clone, Debug)]
pub struct Config {
    /// The search list, strongest first; never empty.
    searches: Vec<Search>,
    /// `subdir/modname` of each `override`, with the number of the last one that names it.
    overrides: HashMap<Vec<u8>, usize>,
    /// External directories in the order in which they were configured, the strongest first: the last one is
    /// walked first.
    pub(super) externals: Vec<BString>,
    excludes: HashSet<Vec<u8>>,
}

/// One word of the search list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Search {
    /// `built-in`: directories that no other word covers.
    BuiltIn,
    /// `external`: the `external` directories.
    External,
    /// A directory below the module directory.
    Directory(Vec<u8>),
}

impl Config {
    /// Where kmod looks when it is told nothing else; earlier directories mask later ones.
    pub const PATHS: &[&[u8]] = &[
        b"/etc/depmod.d",
        b"/run/depmod.d",
        b"/usr/local/lib/depmod.d",
        b"/usr/lib/depmod.d",
        b"/lib/depmod.d",
    ];

    /// Reads the configuration for kernel `version` from `paths`, directories or files. What cannot be
    /// read or understood is reported, in kmod's order, and left out. A directory's entries are taken
    /// in byte order.
    pub fn load<S: Source>(
        source: &S,
        paths: &[impl AsRef<[u8]>],
        version: &[u8],
        limits: &Limits,
        reporter: &mut impl Reporter,
    ) -> Self {
        let files = files::list(source, paths, reporter);
        let mut parser = parse::Parser::new(version, limits, reporter);
        for file in files {
            parser.read(source, &file);
        }
        parser.finish()
    }

    /// The files that [`Config::load`] reads, in their order.
    #[cfg(feature = "answers")]
    pub fn files<S: Source>(source: &S, paths: &[impl AsRef<[u8]>]) -> Vec<BString> {
        let files = files::list(source, paths, &mut ());
        files.into_iter().filter(|file| !file.is_empty).map(|file| file.path.into()).collect()
    }

    /// Whether the walk skips files and directories of this name.
    #[must_use]
    pub fn is_excluded(&self, name: &[u8]) -> bool {
        self.excludes.contains(name)
    }
}

/// What holds without any configuration: the search list `updates`.
impl Default for Config {
    fn default() -> Self {
        Self {
            searches: vec![Search::Directory(b"updates".to_vec())],
            overrides: HashMap::new(),
            externals: Vec::new(),
            excludes: HashSet::new(),
        }
    }
}
