//! libdepmod: kmod's index files for programs in C.
//!
//! `include/depmod.h` is generated from this package and says what a caller must know. The functions of the
//! interface are in one file, `interface.rs`, with all unsafe code; the others are ordinary Rust.

#![deny(unsafe_code)]
#![allow(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "a library for operating systems"
)]

mod failure;
mod index;
pub mod interface;
mod list;

pub use crate::index::Index;
pub use crate::list::List;
