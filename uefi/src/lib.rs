//! Firmware side of depmod as a library: for `depmod.efi` and for other boot loaders.
//!
//! * [`pci`] and [`usb`] list the hardware as modaliases;
//! * [`volume`] reads files through the firmware;
//! * [`initrd`] hands initrds to a Linux kernel, [`kernel`] loads and starts it;
//! * [`stage`] puts these together: a boot entry in, a running kernel out.
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

pub mod console;
mod error;
pub mod initrd;
pub mod kernel;
pub mod options;
pub mod pci;
pub mod stage;
pub mod tcg;
pub mod usb;
pub mod volume;

pub use error::{Chain, Error, Result};
