//! Configuration (`depmod.d`): precedence among files with the same name, external directories, exclusions.
//!
//! ```text
//! # /etc/depmod.d/site.conf
//! search updates extra built-in              # directories, highest priority first
//! override e1000e 6.1.* extra                # for kernel 6.1, extra/e1000e.ko takes precedence
//! external * /opt/modules                    # additional directory to walk
//! exclude drafts                             # skip files and directories with this name
//! ```
//!
//! [`Config::load`] finds and merges the files (`files`), parses their lines and commands (`parse`), and
//! matches version patterns like the C library's regular expressions (`regex`). The walk queries the result:
//! [`is_excluded`](Config::is_excluded), [`prefer_new`](Config::prefer_new) (`priority`), `externals`.
//!
//! ```
//! use depmod_core::{Limits, MemorySource, parts::list::config::Config};
//!
//! let mut source = MemorySource::new();
//! source.insert(b"/etc/depmod.d/site.conf", b"search extra built-in\n".to_vec());
//! let mut messages = Vec::new();
//! let config = Config::load(&source, Config::PATHS, b"6.1.0", &Limits::DEFAULT, &mut messages)?;
//! assert!(messages.is_empty());
//! let (old, new) = (b"/lib/modules/6.1.0/kernel/a.ko", b"/lib/modules/6.1.0/extra/a.ko");
//! assert!(config.prefer_new(b"/lib/modules/6.1.0", old, new));
//! # Ok::<(), depmod_core::parts::list::WalkError>(())
//! ```

pub(crate) mod files;
pub(crate) mod parse;
mod priority;
mod regex;
#[cfg(feature = "answers")]
mod rule;

pub use crate::diagnostic::PatternError;
pub use regex::pattern_occurs;
#[cfg(feature = "answers")]
pub use rule::Rule;

use alloc::{vec, vec::Vec};

use bstr::BString;

use hashbrown::{HashMap, HashSet};

use super::WalkError;
use crate::{diagnostic::Reporter, limits::Limits, source::Source};

/// The configuration for one kernel version.
#[derive(Clone, Debug)]
pub struct Config {
    /// The search list, highest priority first; never empty.
    searches: Vec<Search>,
    /// `subdir/modname` of each `override`, with the number of its last line.
    overrides: HashMap<Vec<u8>, usize>,
    /// External directories in configuration order, highest priority first; the last one is walked first.
    pub(super) externals: Vec<BString>,
    excludes: HashSet<Vec<u8>>,
    /// Where the entries stand.
    #[cfg(feature = "answers")]
    lines: rule::Lines,
}

/// One word of the search list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Search {
    /// `built-in`: directories not covered by another word.
    BuiltIn,
    /// `external`: the `external` directories.
    External,
    /// A directory below the module directory.
    Directory(Vec<u8>),
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

    /// Reads the configuration for kernel `version` from `paths`, directories or files. Unreadable files and
    /// invalid lines are reported, in kmod's order, and skipped. Directory entries are read in byte order.
    ///
    /// # Errors
    /// When a path cannot be read because of a machine fault: the configuration is then unknown.
    pub fn load<S: Source>(
        source: &S,
        paths: &[impl AsRef<[u8]>],
        version: &[u8],
        limits: &Limits,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, WalkError> {
        let files = files::list(source, paths, reporter)?;
        let mut parser = parse::Parser::new(version, limits, reporter);
        for file in files {
            parser.read(source, &file)?;
        }
        Ok(parser.finish())
    }

    /// The files that [`Config::load`] reads, in their order.
    #[cfg(feature = "answers")]
    pub fn files<S: Source>(source: &S, paths: &[impl AsRef<[u8]>]) -> Vec<BString> {
        let files = files::list(source, paths, &mut ());
        files.into_iter().flatten().filter(|file| !file.is_empty).map(|file| file.path.into()).collect()
    }

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
            lines: rule::Lines::default(),
        }
    }
}
