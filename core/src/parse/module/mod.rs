//! One module file → its facts.
//!
//! [`Loader`] reads a module from any [`ReadAt`](crate::source::ReadAt): it parses the headers, determines
//! the needed ranges, reads only these, and converts them into [`Facts`], one flat block of bytes that a
//! cache can store unchanged.
//!
//! ```
//! use depmod_core::{Limits, parts::{decompress::PureDecoder, parse::module::Loader}};
//!
//! let limits = Limits::DEFAULT;
//! let mut decoder = PureDecoder::default();
//! let mut loader = Loader::new(&limits, &mut decoder);
//! let error = loader.load(&mut &b"#!/bin/sh"[..]).unwrap_err();
//! assert_eq!(error.cause().text(), "Exec format error");
//! ```

#[cfg(feature = "answers")]
mod details;
mod error;
#[cfg(test)]
pub(crate) mod examples;
mod exports;
mod facts;
mod facts_builder;
mod loader;
mod modinfo;
mod needs;
mod pieces;
mod ranges;

pub use crate::diagnostic::NeedsDiscarded;
pub use error::LoadError;
#[cfg(feature = "answers")]
pub use facts::{Detail, ExportDetail};
pub use facts::{Export, Facts, FactsError, ModinfoKey, Need};
pub use facts_builder::FactsBuilder;
pub use loader::Loader;
