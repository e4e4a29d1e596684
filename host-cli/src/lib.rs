//! Indexing module directories of Linux, as `depmod` does it: with threads, native codecs, a cache, and files that
//! are published whole or not at all.
//!
//! The core, [`depmod_core`], decides every byte; this package has the operating system. [`Run`] is the classic run
//! as one call. Its pieces stand alone, too: [`source`] reads files, [`codecs`] decode them, [`threads`] do so side by
//! side, the [`cache`] remembers what modules told, and [`publish`] puts files in place.
//!
//! With the feature `cli` (default), [`command`] is the command: arguments, messages, progress.
//!
//! ```
//! use depmod::Run;
//! use depmod_core::Options;
//!
//! # let dir = tempfile::tempdir()?;
//! # let directory = dir.path().to_str().unwrap();
//! let options = Options::new(directory, "6.1");
//! let mut messages = Vec::new();
//! let outcome = Run::new(&options).publish(&mut messages)?;
//! assert_eq!(outcome.listed.list.modules().len(), 0);
//! assert!(dir.path().join("modules.dep.bin").exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]
#![allow(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "this package has an operating system below it"
)]

pub mod cache;
pub mod codecs;
#[cfg(feature = "cli")]
pub mod command;
mod digest;
pub mod publish;
mod run;
pub mod source;
pub mod threads;

#[cfg(feature = "answers")]
pub use run::Inspect;
pub use run::{Outcome, Progress, Run};
