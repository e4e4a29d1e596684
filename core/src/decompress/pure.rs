//! The pure Rust decoders.

use alloc::vec::Vec;

#[cfg(feature = "pieces")]
use super::feed::Feed;
use super::{compression::Compression, decoder::Decoder, error::DecodeError};
use crate::limits::Limits;

/// Decodes with the pure Rust codecs of the features `gz`, `xz` and `zst`; a format whose feature is
/// off is an error.
///
/// ```
/// # #[cfg(feature = "gz")] {
/// use depmod_core::{Limits, parts::decompress::{Compression, Decoder, PureDecoder}};
///
/// // `printf depmod | gzip -n`
/// let file = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x49\x2d\xc8\xcd\x4f\x01\0\x14\x3e\xff\xf0\x06\0\0\0";
/// let mut out = Vec::new();
/// PureDecoder::default().decode(Compression::Gzip, file, &Limits::DEFAULT, &mut out).unwrap();
/// assert_eq!(out, b"depmod");
/// # }
/// ```
#[derive(Default)]
pub struct PureDecoder {
    #[cfg(feature = "gz")]
    gz: super::gz::Inflater,
    #[cfg(feature = "zst")]
    zst: super::zst::Frames,
}

impl PureDecoder {
    /// A decoder without allocated memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl PureDecoder {
    /// Decodes only the first member, stream or frame, as if the file ended there; returns the bytes after
    /// it.
    ///
    /// # Errors
    /// As for [`Decoder::decode`].
    #[cfg_attr(
        not(all(feature = "gz", feature = "xz", feature = "zst")),
        allow(unused_variables, reason = "a build without codecs reads none of them")
    )]
    pub fn decode_first<'a>(
        &mut self,
        format: Compression,
        input: &'a [u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], DecodeError> {
        out.clear();
        match format {
            #[cfg(feature = "gz")]
            Compression::Gzip => self.gz.first(input, limits, out),
            #[cfg(feature = "xz")]
            Compression::Xz => super::xz::first(input, limits, out),
            #[cfg(feature = "zst")]
            Compression::Zstd => self.zst.first(input, limits, out),
            #[cfg(not(all(feature = "gz", feature = "xz", feature = "zst")))]
            _ => Err(DecodeError::not_supported(format)),
        }
    }
}

impl core::fmt::Debug for PureDecoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PureDecoder").finish_non_exhaustive()
    }
}

impl Decoder for PureDecoder {
    #[cfg_attr(
        not(all(feature = "gz", feature = "xz", feature = "zst")),
        allow(unused_variables, reason = "a build without codecs reads none of them")
    )]
    fn decode(
        &mut self,
        format: Compression,
        input: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        out.clear();
        match format {
            #[cfg(feature = "gz")]
            Compression::Gzip => self.gz.decode(input, limits, out),
            #[cfg(feature = "xz")]
            Compression::Xz => super::xz::decode(input, limits, out),
            #[cfg(feature = "zst")]
            Compression::Zstd => self.zst.decode(input, limits, out),
            #[cfg(not(all(feature = "gz", feature = "xz", feature = "zst")))]
            _ => Err(DecodeError::not_supported(format)),
        }
    }

    #[cfg(feature = "pieces")]
    fn decodes_in_pieces(&self) -> bool {
        true
    }

    #[cfg(feature = "pieces")]
    #[cfg_attr(
        not(all(feature = "gz", feature = "xz", feature = "zst")),
        allow(unused_variables, reason = "a build without codecs reads none of them")
    )]
    fn pieces(
        &mut self,
        format: Compression,
        input: Feed<'_>,
        limits: &Limits,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), DecodeError> {
        // The memory kept for the next module may be as large as the memory for this one.
        *self = Self::default();
        match format {
            #[cfg(feature = "gz")]
            Compression::Gzip => self.gz.pieces(input, each),
            #[cfg(feature = "xz")]
            Compression::Xz => super::xz::pieces(input, limits, each),
            #[cfg(feature = "zst")]
            Compression::Zstd => {
                let pieces = self.zst.pieces(input, limits, each);
                self.zst = super::zst::Frames::default();
                pieces
            }
            #[cfg(not(all(feature = "gz", feature = "xz", feature = "zst")))]
            _ => Err(DecodeError::not_supported(format)),
        }
    }
}
