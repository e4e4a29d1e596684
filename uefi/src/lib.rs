//! Firmware side of depmod as a library: for `depmod.efi` and for other boot loaders.
//!
//! * [`pci`] and [`usb`] list the hardware as modaliases;
//! * [`volume`] reads files through the firmware, [`modules`] module trees on volumes and in archives;
//! * [`initrd`] hands initrds to a Linux kernel, [`kernel`] loads and starts it;
//! * [`stage`] puts these together: a boot entry in, a running kernel out; [`fallback`] is what starts
//!   when it fails;
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

pub mod clock;
pub mod console;
mod error;
pub mod fallback;
pub mod initrd;
pub mod kernel;
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
