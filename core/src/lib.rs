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
//! A kernel in memory: no modules of its own, but a list of what is built in.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use depmod_core::{decompress::PureDecoder, host::MemoryHost, index::Index, output::Output, pipeline};
//!
//! let mut host = MemoryHost::new();
//! host.insert(b"/lib/modules/6.1/modules.builtin", *b"kernel/fs/ext4/ext4.ko\n");
//! host.insert(b"/lib/modules/6.1/modules.builtin.modinfo", *b"ext4.alias=fs-ext4\0");
//! host.insert(b"/lib/modules/6.1/modules.order", *b"");
//!
//! let request = pipeline::Request::new(b"/lib/modules/6.1", b"6.1");
//! let mut messages = Vec::new();
//! let files = pipeline::run(&request, &host, &mut PureDecoder::default(), &mut messages)?;
//! assert!(messages.is_empty());
//!
//! let (_, aliases) = files.iter().find(|(output, _)| *output == Output::BuiltinAliasIndex).unwrap();
//! assert_eq!(Index::parse(aliases)?.get(b"fs_ext4")?, Some(&b"ext4"[..]));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of the data
//!
//! | Stage | Module | From → to |
//! |---|---|---|
//! | list | [`config`], [`catalog`] | directories → module files in their final order |
//! | read | [`host`] | what the core asks of an operating system; [`host::MemoryHost`] is one in memory |
//! | decompress | [`decompress`] | gzip, xz, zstd → ELF |
//! | parse | [`elf`], [`module`] | a module → its [`Facts`](module::Facts) |
//! | resolve | [`symbols`], [`graph`] | facts → who needs whom |
//! | emit | [`output`], [`index`] | → bytes of the eleven files |
//!
//! [`pipeline`] is all of it in order. A boot loader reads an [`entry`], turns [`hardware`] into requests,
//! finds a [`plan`] in a module [`tree`] and makes the initrd of it with [`preload`], which goes with the
//! [`base`] initrds; [`pack`] makes a tree
//! one archive, and [`cpio`] is the format of both.
//!
//! # Features
//!
//! * `alloc` (default): everything. Without it there remain the index reader with wildcard lookup, [`name`]s
//!   and [`hardware`] modaliases, for boot loaders that have no allocator.
//! * `gz`, `lz4`, `xz`, `zst` (default): decoders in Rust alone. A host that brings its own, as the Linux command
//!   does, can leave them out.
//!
//! References to `reference/page.md §n` in these pages name the project's notes on what kmod does.
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

#[cfg(feature = "alloc")]
pub mod base;
#[cfg(feature = "alloc")]
pub mod catalog;
#[cfg(feature = "alloc")]
pub mod config;
#[cfg(feature = "alloc")]
pub mod cpio;
#[cfg(feature = "alloc")]
pub mod decompress;
#[cfg(feature = "alloc")]
pub mod diagnostic;
#[cfg(feature = "alloc")]
pub mod elf;
#[cfg(feature = "alloc")]
pub mod entry;
#[cfg(feature = "alloc")]
pub mod graph;
pub mod hardware;
pub mod hash;
#[cfg(feature = "alloc")]
pub mod host;
pub mod index;
#[cfg(feature = "alloc")]
pub mod inputs;
pub mod limits;
#[cfg(feature = "alloc")]
pub mod module;
pub mod name;
#[cfg(feature = "alloc")]
pub mod output;
#[cfg(feature = "alloc")]
pub mod pack;
#[cfg(feature = "alloc")]
pub mod pipeline;
#[cfg(feature = "alloc")]
pub mod plan;
#[cfg(feature = "alloc")]
pub mod preload;
#[cfg(feature = "alloc")]
pub mod symbols;
#[cfg(feature = "alloc")]
pub mod tree;
#[cfg(feature = "alloc")]
mod walk;
