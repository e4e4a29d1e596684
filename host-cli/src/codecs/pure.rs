//! The core's decoders, within the memory of all threads.

use super::budget::Share;
use depmod_core::Limits;
use depmod_core::parts::decompress::{Compression, DecodeError, Decoder, Feed, PureDecoder};

/// Decodes in Rust alone. One per thread.
#[derive(Debug, Default)]
pub struct HostDecoder {
    decoder: PureDecoder,
    /// The memory of the current module.
    share: Share,
}

impl HostDecoder {
    /// A decoder that has not yet allocated memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Decoder for HostDecoder {
    fn decode(
        &mut self,
        format: Compression,
        input: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        self.decoder.decode(format, input, limits, out)
    }

    fn decodes_in_pieces(&self) -> bool {
        self.decoder.decodes_in_pieces()
    }

    fn pieces(
        &mut self,
        format: Compression,
        input: Feed<'_>,
        limits: &Limits,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), DecodeError> {
        self.decoder.pieces(format, input, limits, each)
    }

    fn reserve(&mut self, bytes: u64) {
        if self.share.is_some() {
            // It keeps the window of a large module.
            self.decoder = PureDecoder::new();
        }
        // The bytes are in the window, too, until they are in the output.
        self.share.set(bytes.saturating_mul(2));
    }
}
