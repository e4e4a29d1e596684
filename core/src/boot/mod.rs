//! Support for boot loaders: from a boot entry and the hardware to an initrd with this machine's modules.
//!
//! ```text
//! boot entry ──► BootEntry ─╮
//! hardware ──► modaliases ──┼► requests ──╮
//! disks ──► superblocks ────╯             │
//! volume or archive ──► ModuleDirectory ──┼► load order ──► ModuleInitrd: one more initrd for the kernel
//! existing initrds of the entry ──► ExistingInitrds ╯
//! ```
//!
//! Without an allocator, only [`hardware`] is available.

#[cfg(feature = "alloc")]
mod archive;
#[cfg(feature = "alloc")]
mod directory;
#[cfg(feature = "alloc")]
mod entry;
#[cfg(feature = "alloc")]
mod error;
#[cfg(feature = "alloc")]
mod folded;
pub mod hardware;
#[cfg(feature = "alloc")]
mod indexed_facts;
#[cfg(feature = "alloc")]
pub mod initrd;
#[cfg(feature = "alloc")]
mod kernel_image;
#[cfg(feature = "alloc")]
mod kernel_options;
#[cfg(feature = "alloc")]
mod locate;
#[cfg(feature = "alloc")]
mod network;
#[cfg(feature = "alloc")]
mod pack;
#[cfg(feature = "alloc")]
pub mod root;

#[cfg(feature = "alloc")]
pub use self::{
    archive::{Archive, ArchiveError},
    directory::{ModuleDirectory, Provenance, open_archive},
    entry::{BootEntry, Bus, Buses, EntryError, Fault, HardwareUse, OnError, Problem, RootUse},
    error::DirectoryError,
    kernel_image::{KernelImageError, compat_entry, kernel_image, refuses_initrd},
    locate::{Location, locate},
    network::BootFile,
    pack::{PackError, collect},
};
