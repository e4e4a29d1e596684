//! Linux kernel modules in, kmod's index files out.
//!
//! `depmod` answers two questions for everybody who loads kernel modules: what must be loaded before this
//! module, and which module serves this device? It reads every module of a kernel once and writes the
//! answers into eleven files. This crate is that program without an operating system: it knows bytes and
//! `/`-separated paths, and does no I/O, has no clock, no threads and no `unsafe`. The Linux command and the
//! firmware program are two hosts around it.
//!
//! # Example
//!
//! A kernel in memory, with two modules of which one needs the other:
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
//! [`Source`] of one's own.
//!
//! # Data flow
//!
//! | Stage | Room | From → to |
//! |---|---|---|
//! | list | [`parts::list`] | directories and configuration → module files in their final order |
//! | read | [`parts::source`] | what the core asks of an operating system; [`MemorySource`] is one in memory |
//! | decompress | [`parts::decompress`] | gzip, xz, zstd → ELF |
//! | parse | [`parts::parse`] | a module → its [`Facts`](parts::parse::module::Facts) |
//! | resolve | [`parts::resolve`] | facts → who needs whom |
//! | emit | [`parts::output`] | → bytes of the eleven files |
//!
//! [`run`](run()) is all of it in order. The formats stand alone: [`parts::index`] for the `.bin` files, [`parts::cpio`] for
//! archives. Questions have a room, [`parts::answer`], and so have boot loaders, [`parts::boot`].
//!
//! # Features
//!
//! * `alloc` (default): everything. Without it there remain the index reader with wildcard lookup, [names](parts::name)
//!   and [`hardware`](parts::boot::hardware) modaliases, for boot loaders that have no allocator.
//! * `gz`, `lz4`, `xz`, `zst` (default): decoders in Rust alone. A host that brings its own, as the Linux command
//!   does, can leave them out.
//!
//! What kmod does, exactly, is written down in [`mod@reference`].
#![no_std]
#![forbid(unsafe_code)]
// What came from input is never trusted: no panicking access, no silent truncation.
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

// What everything knows.
#[cfg(feature = "alloc")]
mod diagnostic;
mod hash;
mod limits;
mod name;
#[cfg(feature = "alloc")]
mod options;
mod text;

// The stages of a run, in their order: each knows those before it, and the formats.
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

// Formats, which know nothing but themselves.
#[cfg(feature = "alloc")]
mod cpio;
mod index;

// Questions, and what only boot loaders need.
#[cfg(feature = "alloc")]
mod answer;
mod boot;

#[cfg(feature = "alloc")]
pub use crate::{
    answer::{Found, LoadOrder, Lookup, PlannedModule, Reason, Request, plan},
    diagnostic::{Diagnostic, Reporter, Severity, Stopped},
    options::{KernelSymbols, Options, Selection, Unresolved},
    output::{IndexFiles, Output},
    run::run,
    source::{
        DirEntry, EntryKind, FaultySource, FileKind, IoError, IoErrorKind, MemorySource, ReadAt, Source, Stat,
    },
};
pub use crate::{
    index::{Index, IndexError, Scratch},
    limits::Limits,
};

/// What kmod's `depmod` reads, does and writes: its files, formats and messages.
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

/// The rooms that the two products are made of. Anything here may change with any release.
pub mod parts {
    #[cfg(feature = "alloc")]
    /// Questions about modules.
    pub mod answer {
        pub use crate::answer::*;
    }
    /// What only boot loaders need.
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
    /// What a run has to say.
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
    /// Ceilings.
    pub mod limits {
        pub use crate::limits::*;
    }
    #[cfg(feature = "alloc")]
    /// Which modules there are, in which order.
    pub mod list {
        pub use crate::list::*;
    }
    /// Names of modules and aliases.
    pub mod name {
        pub use crate::name::*;
    }
    #[cfg(feature = "alloc")]
    /// What a run is asked.
    pub mod options {
        pub use crate::options::*;
    }
    #[cfg(feature = "alloc")]
    /// The eleven files.
    pub mod output {
        pub use crate::output::*;
    }
    #[cfg(feature = "alloc")]
    /// Modules and kernel lists.
    pub mod parse {
        pub use crate::parse::*;
    }
    #[cfg(feature = "alloc")]
    /// Who needs whom.
    pub mod resolve {
        pub use crate::resolve::*;
    }
    #[cfg(feature = "alloc")]
    /// The stages in order.
    pub mod run {
        pub use crate::run::*;
    }
    #[cfg(feature = "alloc")]
    /// What is asked of an operating system.
    pub mod source {
        pub use crate::source::*;
    }
}
