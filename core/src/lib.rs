//! Linux kernel modules in, kmod's index files out.
//!
//! `depmod` answers two questions for every module loader: which modules does this module depend on, and
//! which module serves this device? It reads every module of a kernel once and writes the answers into eleven
//! index files. This crate is that program without an operating system: it works on bytes and `/`-separated
//! paths, and has no I/O, no clock, no threads and no `unsafe`. The Linux command and the firmware program
//! are two hosts around it.
//!
//! # Example
//!
//! A kernel in memory with two modules, one dependent on the other:
//!
//! ```
//! # #[cfg(all(feature = "alloc", feature = "gz"))] {
//! use depmod_core::{MemorySource, Options, Output, run};
//!
//! let mut source = MemorySource::new();
//! # let virtio = *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/modules/virtio.ko"));
//! # let virtio_blk = *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/modules/virtio_blk.ko"));
//! source.insert(b"/lib/modules/6.1/kernel/virtio.ko", virtio);
//! source.insert(b"/lib/modules/6.1/kernel/virtio_blk.ko", virtio_blk);
//!
//! let mut messages = Vec::new();
//! let files = run(&Options::new("/lib/modules/6.1", "6.1"), &source, &mut messages)?;
//! assert_eq!(files.get(Output::Dep), b"kernel/virtio_blk.ko: kernel/virtio.ko\nkernel/virtio.ko:\n");
//! assert_eq!(files.lookup()?.find("virtio:d00000002v00001AF4")?.modules(), ["virtio_blk"]);
//! assert_eq!(
//!     messages[0].to_string(),
//!     "could not open modules.order at /lib/modules/6.1: No such file or directory",
//! );
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! More in the package's `examples`: a lookup with and without an allocator, a load order with reasons, a
//! custom [`Source`].
//!
//! # Data flow
//!
//! | Stage | Room | From → to |
//! |---|---|---|
//! | list | [`parts::list`] | directories and configuration → module files in their final order |
//! | read | [`parts::source`] | the interface to an operating system; [`MemorySource`] is in memory |
//! | decompress | [`parts::decompress`] | gzip, xz, zstd → ELF |
//! | parse | [`parts::parse`] | a module → its [`Facts`](parts::parse::module::Facts) |
//! | resolve | [`parts::resolve`] | facts → dependencies |
//! | emit | [`parts::output`] | → bytes of the eleven files |
//!
//! [`run`](run()) runs the stages in order. The formats are independent of them: [`parts::index`] for the
//! `.bin` files, [`parts::cpio`] for archives. Queries are in [`parts::answer`], support for boot loaders in
//! [`parts::boot`].
//!
//! # Features
//!
//! * `alloc` (default): everything. Without it, the crate contains the index reader with wildcard lookup,
//!   [names](parts::name) and [`hardware`](parts::boot::hardware) modaliases, for boot loaders without an
//!   allocator.
//! * `gz`, `lz4`, `xz`, `zst` (default): pure Rust decoders. A host with its own decoders, such as the Linux
//!   command, can disable them.
//! * `answers`: queries that neither the classic run nor firmware needs.
//! * `pieces`: decoding in pieces, so that a compressed module of any size needs little memory.
//!
//! [`mod@reference`] describes kmod's behaviour in detail.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// Input is never trusted: no panicking access, no silent truncation.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(test)]
extern crate std;

// Shared by all rooms.
#[cfg(feature = "alloc")]
mod diagnostic;
mod hash;
mod limits;
mod name;
#[cfg(feature = "alloc")]
mod options;
#[cfg(feature = "alloc")]
mod sort;
#[cfg(feature = "alloc")]
mod zeros;

// The stages of a run, in order: each imports only earlier stages and the formats.
#[cfg(feature = "alloc")]
mod source;

#[cfg(feature = "alloc")]
mod list;

#[cfg(feature = "alloc")]
mod decompress;

#[cfg(feature = "alloc")]
mod parse;

#[cfg(feature = "alloc")]
mod resolve;

#[cfg(feature = "alloc")]
mod output;

#[cfg(feature = "alloc")]
mod run;

// Formats, independent of the stages.
#[cfg(feature = "alloc")]
mod cpio;
mod index;

// Queries, and support for boot loaders.
#[cfg(feature = "alloc")]
mod answer;
mod boot;

#[cfg(feature = "alloc")]
pub use crate::{
    answer::{Found, LoadOrder, Lookup, PlannedModule, Reason, Request, Unplanned, plan},
    diagnostic::{Diagnostic, Reporter, Severity, Stopped},
    options::{KernelSymbols, Options, Selection, Unresolved},
    output::{IndexFiles, Output},
    run::run,
    source::{
        DirEntry, EntryKind, FaultySource, FileKind, IoError, IoErrorKind, MemorySource, ReadAt, Source, Stat,
    },
};
pub use crate::{
    index::{Index, IndexError, Scratch, Value, Values},
    limits::Limits,
};

/// Types that those of the root show: fields of messages, reasons of errors, iterators.
pub mod details {
    #[cfg(feature = "answers")]
    pub use crate::answer::ModprobeConfig;
    #[cfg(feature = "alloc")]
    pub use crate::{
        decompress::{Compression, DecodeError},
        diagnostic::{CacheFault, FileLine, NeedsDiscarded, PatternError, WriteFault},
        index::IndexTooLarge,
        output::Files,
        source::MemoryFile,
    };
    pub use crate::{
        index::{Flaw, IndexEntries, Layout, NodeRef, Summary},
        limits::Exceeded,
    };
}

/// Description of kmod's `depmod`: its behaviour, files, formats and messages.
pub mod reference {
    pub mod cli {
        #![doc = include_str!("../doc/cli.md")]
    }
    pub mod index_format {
        #![doc = include_str!("../doc/index_format.md")]
    }
    pub mod known_bugs {
        #![doc = include_str!("../doc/known_bugs.md")]
    }
    pub mod modules {
        #![doc = include_str!("../doc/modules.md")]
    }
    pub mod outputs {
        #![doc = include_str!("../doc/outputs.md")]
    }
    pub mod resolution {
        #![doc = include_str!("../doc/resolution.md")]
    }
}

/// The rooms of this crate, shared by the two programs. Anything here may change with any release.
pub mod parts {
    #[cfg(feature = "alloc")]
    /// Queries about modules.
    pub mod answer {
        pub use crate::answer::*;
    }
    /// Support for boot loaders.
    pub mod boot {
        pub use crate::boot::*;
    }
    #[cfg(feature = "alloc")]
    /// The newc format.
    pub mod cpio {
        pub use crate::cpio::*;
    }
    #[cfg(feature = "alloc")]
    /// gzip, xz, zstd and lz4.
    pub mod decompress {
        pub use crate::decompress::*;
    }
    #[cfg(feature = "alloc")]
    /// Messages of a run.
    pub mod diagnostic {
        pub use crate::diagnostic::*;
    }
    /// kmod's hash.
    pub mod hash {
        pub use crate::hash::*;
    }
    /// The format of the `.bin` files.
    pub mod index {
        pub use crate::index::*;
    }
    /// Limits on input.
    pub mod limits {
        pub use crate::limits::*;
    }
    #[cfg(feature = "alloc")]
    /// The module list and its order.
    pub mod list {
        pub use crate::list::*;
    }
    /// Names of modules and aliases.
    pub mod name {
        pub use crate::name::*;
    }
    #[cfg(feature = "alloc")]
    /// Options of a run.
    pub mod options {
        pub use crate::options::*;
    }
    #[cfg(feature = "alloc")]
    /// The eleven index files.
    pub mod output {
        pub use crate::output::*;
    }
    #[cfg(feature = "alloc")]
    /// Modules and kernel lists.
    pub mod parse {
        pub use crate::parse::*;
    }
    #[cfg(feature = "alloc")]
    /// Dependencies.
    pub mod resolve {
        pub use crate::resolve::*;
    }
    #[cfg(feature = "alloc")]
    /// The stages in order.
    pub mod run {
        pub use crate::run::*;
    }
    #[cfg(feature = "alloc")]
    /// The interface to an operating system.
    pub mod source {
        pub use crate::source::*;
    }
    #[cfg(feature = "alloc")]
    /// One sort for all types.
    pub mod sort {
        pub use crate::sort::*;
    }
}
