//! Base initrds, looked into before something comes on top of them.

use alloc::{string::String, vec::Vec};

use depmod_core::base::{self, Plain};
use depmod_core::decompress::PureDecoder;
use depmod_core::limits::Limits;

use crate::error::{Error, Result};

/// Base initrds without compression, with the paths they come from.
#[derive(Debug)]
pub struct Initrds<'i>(Vec<(&'i str, Plain<'i>)>);

impl<'i> Initrds<'i> {
    /// Decompresses them.
    ///
    /// # Errors
    /// When one cannot be looked into, with its path.
    pub fn read(paths: &'i [String], initrds: &'i [Vec<u8>], limits: &Limits) -> Result<Self> {
        let mut decoder = PureDecoder::default();
        let mut plain = Vec::new();
        for (path, initrd) in paths.iter().zip(initrds) {
            plain.push((&**path, Plain::read(initrd, &mut decoder, limits).map_err(failed(path))?));
        }
        Ok(Self(plain))
    }

    /// All of them unpacked, one over the other.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn unpack(&self, limits: &Limits) -> Result<base::Base<'_>> {
        let mut base = base::Base::default();
        for (path, plain) in &self.0 {
            base.unpack(plain, limits).map_err(failed(path))?;
        }
        Ok(base)
    }
}

fn failed(path: &str) -> impl FnOnce(base::BaseError) -> Error {
    move |cause| Error::Base { path: path.into(), cause }
}
