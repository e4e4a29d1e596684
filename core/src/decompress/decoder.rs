//! The trait for a host's libraries.

use alloc::vec::Vec;

use super::{compression::Compression, error::DecodeError, feed::Feed};
use crate::limits::Limits;

/// Decodes whole files. One per thread, because it may reuse its working memory.
pub trait Decoder {
    /// Replaces `out` with the decoded bytes of `input`. Reusing `out` with its old length can save clearing
    /// new memory.
    ///
    /// Produces at most `limits.module_size` bytes and uses about `limits.decoder_memory` bytes of working
    /// memory.
    ///
    /// # Errors
    /// When `input` is corrupt or truncated, or exceeds a limit. The content of `out` is then unspecified.
    fn decode(
        &mut self,
        format: Compression,
        input: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError>;

    /// Whether [`Self::pieces`] is there.
    fn decodes_in_pieces(&self) -> bool {
        false
    }

    /// Decodes with little memory, whatever the size of the file: calls `each` with piece after piece of the
    /// decoded bytes, until it returns `false`. The caller counts the bytes.
    ///
    /// # Errors
    /// When the input is corrupt or truncated, or needs more memory than `limits.decoder_memory`.
    fn pieces(
        &mut self,
        format: Compression,
        _input: Feed<'_>,
        _limits: &Limits,
        _each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), DecodeError> {
        Err(DecodeError::not_supported(format))
    }

    /// Called before memory for one module is used, with its amount, and with 0 after the module. A host with
    /// threads waits here until all threads together need no more than it has.
    fn reserve(&mut self, _bytes: u64) {}
}
