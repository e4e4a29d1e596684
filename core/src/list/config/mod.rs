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
//! [`Config::load`] (`load`) finds and merges the files (`files`), parses their lines and commands (`parse`),
//! and matches version patterns like the C library's regular expressions (`regex`). The walk queries the
//! result, a [`Config`] (`configuration`): [`is_excluded`](Config::is_excluded),
//! [`prefer_new`](Config::prefer_new) (`priority`), `externals`.
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

mod configuration;
pub(crate) mod files;
mod load;
pub(crate) mod parse;
mod priority;
mod regex;
#[cfg(feature = "answers")]
mod rule;

pub use crate::diagnostic::PatternError;
pub use configuration::Config;
pub use regex::pattern_occurs;
#[cfg(feature = "answers")]
pub use rule::Rule;
