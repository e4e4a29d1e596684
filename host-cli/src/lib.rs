//! `depmod` for Linux, in pieces.
//!
//! What the command line says: [`args`], judged in [`settings`]. Where modules come from: [`source`],
//! decoded by [`codecs`], or remembered by the [`cache`]; whether there is anything to do: [`uptodate`]. How results are put in place:
//! [`publish`]. What a person gets to see: [`report`], [`progress`], [`hints`].
//!
//! Beside the classic run: [`pack`].
//!
//! The program puts them around the core's pipeline. Nothing here decides a byte of an output.

#![deny(unsafe_code)]
#![allow(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "this package has an operating system below it"
)]

pub mod args;
pub mod cache;
pub mod codecs;
pub mod digest;
pub mod hints;
pub(crate) mod load;
pub mod pack;
pub mod progress;
pub mod publish;
pub mod report;
pub mod run;
pub mod settings;
pub mod source;
pub mod uptodate;
