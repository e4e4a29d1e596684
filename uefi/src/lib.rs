//! Firmware side of depmod as a library: for `depmod.efi` and for other boot loaders.
//!
//! * [`pci`] and [`usb`] list the hardware as modaliases;
//! * [`volume`] reads files through the firmware, [`modules`] module trees on volumes and in archives;
//! * [`initrd`] hands initrds to a Linux kernel, [`base`] looks into them before, [`kernel`] loads and starts it;
//! * [`stage`] puts these together: a boot entry in, a running kernel out; [`fallback`] is what starts
//!   when it fails, [`memory`] what goes back then;
//! * [`tool`] writes index files for people at the shell.
//!
//! A boot loader that wants the hand-over alone:
//!
//! ```no_run
//! use depmod_uefi::{initrd::Initrd, kernel::Kernel, volume::Volume};
//! use depmod_core::host::Source;
//!
//! # fn main() -> Result<(), depmod_uefi::Error> {
//! let volume = Volume::of_program()?;
//! let kernel = Kernel::load(&volume.read_file("/vmlinuz")?, "root=/dev/vda1 ro")?;
//! let initrd = Initrd::publish(vec![volume.read_file("/initrd.img")?])?;
//! let error = kernel.start(); // comes back only when it fails
//! drop(initrd); // withdrawn, its memory returned
//! # Err(error) }
//! ```
//!
//! One that wants the modules of this machine's PCI devices in an initrd of their own, from an archive that
//! `depmod pack` made:
//!
//! ```no_run
//! use depmod_core::{decompress::PureDecoder, hardware::children, limits::Limits, plan::Request};
//! use depmod_core::{preload::{Wishes, prepare}, tree::locate};
//! use depmod_uefi::{base::Initrds, modules::Stored, pci, volume::Volume};
//!
//! # fn main() -> Result<(), depmod_uefi::Error> {
//! let mut wishes = Wishes::default();
//! for (location, function) in pci::functions()? {
//!     let origin = format!("PCI {location}");
//!     wishes.requests.push(Request::new(function.modalias().as_str(), &*origin));
//!     let above = children(&function); // a virtio disk has no PCI name of its own
//!     wishes.requests.extend(above.iter().map(|child| Request::new(child.modalias.as_str(), &*origin)));
//! }
//! let (volume, limits) = (Volume::of_program()?, Limits::DEFAULT);
//! let stored = Stored::open(&volume, "/modules.cpio.zst", &limits)?;
//! let modules = stored.modules(&limits)?;
//! let place = locate(&modules, stored.root().as_bytes(), Some("6.1.0-50-cloud-amd64"))?;
//! let mut messages = Vec::new();
//! let mut decoder = PureDecoder::default();
//! let initrds = [volume.read_file("/initrd.img")?];
//! let paths = ["/initrd.img".to_string()];
//! let plain = Initrds::read(&paths, &initrds, &limits)?; // what goes on top depends on what is there
//! let base = plain.unpack(&limits)?;
//! let preload = prepare(&modules, &place, &wishes, &base, &mut decoder, &limits, &mut messages)?;
//! let initrds = [&initrds[..], &[preload.archive]].concat();
//! # let _ = initrds; Ok(()) }
//! ```
//!
//! The program chooses its allocator: [`memory::Allocator`], or any other.
//!
//! On other systems than UEFI the crate builds, so that lints and tests reach it, but whatever asks
//! the firmware panics there.
#![no_std]
// Memory, files and hardware fail in firmware; nothing may answer that with a panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod base;
pub mod clock;
pub mod console;
mod error;
pub mod fallback;
pub mod initrd;
pub mod kernel;
pub mod memory;
pub mod modules;
pub mod options;
pub mod pci;
pub mod shell;
pub mod stage;
pub mod tcg;
pub mod tool;
pub mod usb;
pub mod volume;

pub use error::{Chain, Error, Result};
