//! Indexing of Linux module directories, as `depmod` does it: threads, native codecs, a cache, and atomic
//! publication of all files.
//!
//! The core, [`depmod_core`], computes every byte; this package provides the operating system. [`Run`] is the
//! classic run as one call. Its parts are usable alone: [`source`] reads files, [`codecs`] decode them,
//! [`threads`] do both in parallel, the [`cache`] keeps the facts of modules, and [`publish`] puts files in
//! place.
//!
//! Features, on by default: `cli` adds [`command`]: arguments, messages, progress. `answers` adds the
//! commands that answer questions, and includes `cli`. `native-codecs` decodes with libzstd, liblzma and
//! libdeflate in place of the decoders in Rust. `progress-bar` adds a bar on terminals. Not on by default:
//! `system-codecs` takes these libraries from the system.
//!
//! ```
//! use depmod::Run;
//! use depmod_core::Options;
//!
//! # let dir = tempfile::tempdir()?;
//! # let directory = dir.path().to_str().unwrap();
//! let options = Options::new(directory, "6.1");
//! let mut messages = Vec::new();
//! let finished = Run::new(&options).publish(&mut messages)?;
//! assert_eq!(finished.modules().len(), 0);
//! assert!(dir.path().join("modules.dep.bin").exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
#[cfg(all(any(test, fuzzing), feature = "answers", feature = "c-codecs"))]
#[doc(hidden)]
pub mod fuzzing;
mod progress;
pub mod publish;
mod run;
#[cfg(feature = "cli")]
mod sandbox;
pub mod source;
pub mod threads;

pub use run::{Finished, Progress, Run};
