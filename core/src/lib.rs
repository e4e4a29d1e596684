//! Linux kernel modules in, kmod's index files out.
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
pub mod cpio;
#[cfg(feature = "alloc")]
pub mod decompress;
#[cfg(feature = "alloc")]
pub mod diagnostic;
#[cfg(feature = "alloc")]
pub mod elf;
#[cfg(feature = "alloc")]
pub mod entry;
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
