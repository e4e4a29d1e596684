//! `depmod` for Linux, in pieces: what the command line says, where modules
//! come from ([`codecs`]), how results are put in place and what a person
//! gets to see.
//!
//! The program in `main.rs` puts them around the core's pipeline. Nothing here decides a byte of an
//! output.

#![deny(unsafe_code)]
#![allow(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "this package has an operating system below it"
)]

pub mod args;
pub mod codecs;
pub(crate) mod load;
pub mod publish;
pub mod run;
pub mod settings;
pub mod source;
