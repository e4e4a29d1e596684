//! Firmware side of depmod as a library, for `depmod.efi` and other boot loaders.
//!
//! * [`pci`], [`usb`], [`tables`] and [`cpu`] enumerate the hardware, for modaliases; [`hardware`] makes requests of it;
//! * [`disks`] reads superblocks, for requests on the way to the root file system;
//! * [`volume`] reads files through the firmware, [`modules`] module directories on volumes and in archives;
//! * [`existing`] unpacks existing initrds, [`initrd`] hands initrds to a Linux kernel, [`kernel`] loads and
//!   starts it;
//! * [`stage`] combines these to boot an entry; after a panic [`fallback`] starts the kernel, and [`memory`]
//!   frees the program's memory; [`progress`] and [`watchdog`] are for slow machines;
//! * [`tool`] writes index files, for the UEFI shell.
//!
//! A boot loader that only hands over an initrd:
//!
//! ```no_run
//! use depmod_uefi::{initrd::Initrd, kernel::Kernel, volume::Volume};
//!
//! # fn main() -> Result<(), depmod_uefi::Error> {
//! let volume = Volume::of_program()?;
//! let kernel = Kernel::load(&volume.read_file("/vmlinuz")?, "root=/dev/vda1 ro")?;
//! let initrd = Initrd::publish(vec![volume.read_file("/initrd.img")?])?;
//! let error = kernel.start(); // returns only on failure
//! drop(initrd); // withdraws it
//! # Err(error) }
//! ```
//!
//! A boot loader that makes an initrd with the modules for the machine's PCI devices, from an archive of
//! `depmod pack`:
//!
//! ```no_run
//! use depmod_core::parts::boot::initrd::{ExistingInitrds, InitrdBuilder, Wanted};
//! use depmod_core::parts::boot::{hardware::children, locate};
//! use depmod_core::{Limits, Request, parts::decompress::PureDecoder};
//! use depmod_uefi::{modules::ModuleStore, pci, volume::Volume};
//!
//! # fn main() -> Result<(), depmod_uefi::Error> {
//! let mut wanted = Wanted::default();
//! for (address, function) in pci::functions()? {
//!     let origin = format!("PCI {address}");
//!     wanted.requests.push(Request::new(function.modalias().as_str(), &*origin));
//!     let above = children(&function); // a virtio disk has no PCI modalias
//!     wanted.requests.extend(above.iter().map(|child| Request::new(child.modalias.as_str(), &*origin)));
//! }
//! let (volume, limits) = (Volume::of_program()?, Limits::DEFAULT);
//! let store = ModuleStore::open(&volume, "/modules.cpio.zst", &limits)?;
//! let modules = store.modules(&limits)?;
//! let source = modules.source();
//! let location = locate(&source, store.root().as_bytes(), Some("6.1.0-50-cloud-amd64"))?;
//! let existing = ExistingInitrds::default(); // none; see `existing`
//! let builder = InitrdBuilder::new(&source, &location, &existing, &limits);
//! let mut messages = Vec::new();
//! let built = builder.build(&wanted, &mut PureDecoder::default(), &mut messages)?;
//! # let _ = built.archive; Ok(()) }
//! ```
//!
//! The program chooses its allocator: [`memory::Allocator`], or any other.
//!
//! The crate builds on other systems than UEFI, for lints and tests; calls to the firmware panic there.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Memory, files and hardware fail in firmware; none of that may end in a panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod clock;
pub mod console;
pub mod cpu;
pub mod disks;
mod error;
pub mod existing;
pub mod fallback;
pub mod hardware;
pub mod initrd;
pub mod kernel;
pub mod memory;
pub mod modules;
pub mod network;
pub mod options;
pub mod pci;
pub mod progress;
pub mod shell;
pub mod stage;
pub mod tables;
pub mod tcg;
pub mod tool;
pub mod usb;
pub mod volume;
pub mod watchdog;

pub use error::{Error, Result};
