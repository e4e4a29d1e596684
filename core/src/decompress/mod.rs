//! Compressed module files.
//!
//! A module is stored plain or as one gzip, xz or zstd file. The first bytes determine the format, never the
//! name ([`reference::modules`](crate::reference::modules) §7.1):
//!
//! ```
//! use depmod_core::parts::decompress::Compression;
//!
//! assert_eq!(Compression::detect(b"\x7fELF\x02\x01"), None);
//! assert_eq!(Compression::detect(b"\x28\xb5\x2f\xfd\x24\x00"), Some(Compression::Zstd));
//! ```
//!
//! [`Decoder`] is the trait for a host's libraries; [`PureDecoder`] is the core's own implementation in pure
//! Rust. Both decode whole files, a host's also in pieces, and both treat their input as hostile: declared sizes are only hints, every
//! output has a limit, and allocations can fail.
//!
//! | Format | Several members | Bytes after the last one | Truncated |
//! |---|---|---|---|
//! | gzip | concatenated | ignored | an error |
//! | xz | concatenated, padding between them allowed | an error | an error |
//! | zstd | concatenated, skippable frames skipped | ignored | an error |

#[cfg(feature = "gz")]
pub(crate) mod crc32;
mod feed;
#[cfg(feature = "gz")]
mod gz;
#[cfg(feature = "lz4")]
pub(crate) mod lz4;
mod pure;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zst")]
mod zst;

pub use feed::Feed;
#[cfg(feature = "gz")]
pub use gz::Inflater;
pub use pure::PureDecoder;
#[cfg(feature = "xz")]
pub use xz::xz_decoded_size;

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use crate::limits::{Exceeded, Limits, NO_MEMORY};

/// The first bytes of lz4's legacy format, in which kernels and initrds are compressed.
pub(crate) const LZ4_MAGIC: &[u8] = b"\x02\x21\x4c\x18";

/// Compression format of a module file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The .xz file format.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// Number of bytes that [`Self::detect`] needs.
    pub const MAGIC_LEN: usize = 6;

    /// Detects the format from the first bytes of a file ([`reference::modules`](crate::reference::modules)
    /// §7.1); `None` for an uncompressed file.
    #[must_use]
    pub fn detect(head: &[u8]) -> Option<Self> {
        [Self::Zstd, Self::Xz, Self::Gzip].into_iter().find(|format| head.starts_with(format.magic()))
    }

    /// The first bytes of a file in this format.
    #[must_use]
    pub const fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => b"\x1f\x8b",
            Self::Xz => b"\xfd7zXZ\0",
            Self::Zstd => b"\x28\xb5\x2f\xfd",
        }
    }

    /// The name at the beginning of messages: `gzip`, `xz`, `zstd`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

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

/// The decoded size that a file claims in its first and last bytes. It is not verified.
#[must_use]
#[cfg_attr(not(feature = "zst"), expect(unused_variables, reason = "only zstd has its size at the begin"))]
pub fn claimed_size(format: Compression, first: &[u8], last: &[u8]) -> Option<u64> {
    match format {
        Compression::Gzip => last.last_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
        #[cfg(feature = "xz")]
        Compression::Xz => xz_decoded_size(last),
        #[cfg(feature = "zst")]
        Compression::Zstd => zst::content_size(first),
        #[cfg(not(all(feature = "xz", feature = "zst")))]
        _ => None,
    }
}

/// A decoding error, in the words of kmod's libraries.
///
/// `Display` is `xz: File is corrupt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    format: Compression,
    kind: Kind,
}

/// The kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The file is corrupt, in the library's words.
    Broken(&'static str),
    /// Decoding reached a limit; the file may be valid.
    Limit(Exceeded),
    /// Memory is exhausted.
    NoMemory,
    /// This build has no decoder for the format.
    Unsupported,
}

impl DecodeError {
    /// An error in the library's own words.
    pub fn new(format: Compression, text: &'static str) -> Self {
        Self { format, kind: Kind::Broken(text) }
    }

    /// The decoded file exceeds `limits.module_size`.
    #[must_use]
    pub fn too_large(format: Compression, limits: &Limits) -> Self {
        Self { format, kind: Kind::Limit(Exceeded::Decompressed { limit: limits.module_size }) }
    }

    /// Decoding needs more than `limits.decoder_memory`.
    #[must_use]
    pub fn memory_limit(format: Compression, limits: &Limits) -> Self {
        Self { format, kind: Kind::Limit(Exceeded::DecoderMemory { limit: limits.decoder_memory }) }
    }

    /// An allocation failed.
    #[must_use]
    pub fn no_memory(format: Compression) -> Self {
        Self { format, kind: Kind::NoMemory }
    }

    /// This build has no decoder for the format.
    #[must_use]
    pub fn not_supported(format: Compression) -> Self {
        Self { format, kind: Kind::Unsupported }
    }

    /// Whether decoding was not attempted, or stopped at a limit: the file may be valid.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, Kind::Limit(_) | Kind::Unsupported)
    }

    /// The limit that decoding reached.
    #[must_use]
    pub fn exceeded(&self) -> Option<Exceeded> {
        match self.kind {
            Kind::Limit(exceeded) => Some(exceeded),
            _ => None,
        }
    }

    /// Whether memory was exhausted.
    #[must_use]
    pub fn is_no_memory(&self) -> bool {
        self.kind == Kind::NoMemory
    }

    /// The detected format.
    #[must_use]
    pub fn format(&self) -> Compression {
        self.format
    }

    /// The text after the format's name.
    #[must_use]
    pub fn text(&self) -> String {
        self.kind.to_string()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(text) => f.write_str(text),
            Self::Limit(exceeded) => exceeded.fmt(f),
            Self::NoMemory => f.write_str(NO_MEMORY),
            Self::Unsupported => f.write_str("this program was built without support for it"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.format.name(), self.kind)
    }
}

impl core::error::Error for DecodeError {}

/// Reserves space for output of unverified size: doubles `out`'s capacity, up to `limits.module_size` plus
/// one byte, which detects oversized output.
///
/// A decoder with a declared size calls this first with `claim`, which is limited to a plausible multiple of
/// the input's length, so that a few hostile bytes cannot allocate a gigabyte.
///
/// # Errors
/// When `out` already exceeds the limit, or memory is exhausted.
pub fn grow(
    format: Compression,
    input: &[u8],
    claim: u64,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    const FIRST: usize = 64 << 10;
    let limit = usize::try_from(limits.module_size).unwrap_or(usize::MAX).saturating_add(1);
    if out.len() >= limit {
        return Err(DecodeError::too_large(format, limits));
    }
    let likely = input.len().saturating_mul(64).max(FIRST);
    let claim = usize::try_from(claim).unwrap_or(usize::MAX).min(likely);
    let wanted = out.len().saturating_mul(2).max(FIRST).max(claim).min(limit);
    out.try_reserve_exact(wanted.saturating_sub(out.len())).map_err(|_| DecodeError::no_memory(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_determines_the_format() {
        assert_eq!(Compression::detect(b"\x1f\x8b\x08\0\0\0"), Some(Compression::Gzip));
        assert_eq!(Compression::detect(b"\xfd7zXZ\0"), Some(Compression::Xz));
        assert_eq!(Compression::detect(b"\xfd7zXZ\x01"), None);
        assert_eq!(Compression::detect(b"\x28\xb5\x2f\xfe\0\0"), None);
        assert_eq!(Compression::detect(b""), None);
    }

    #[test]
    fn errors_have_kmods_format() {
        let error = DecodeError::new(Compression::Xz, "File is corrupt");
        assert_eq!(error.to_string(), "xz: File is corrupt");
    }

    #[test]
    fn growth_stops_one_byte_beyond_the_limit() {
        let limits = Limits { module_size: 100_000, ..Limits::DEFAULT };
        let mut out = Vec::new();
        grow(Compression::Gzip, b"x", u64::MAX, &limits, &mut out).unwrap();
        assert_eq!(out.capacity(), 64 << 10, "implausible claims are ignored");
        out.resize(64 << 10, 0);
        grow(Compression::Gzip, b"x", 0, &limits, &mut out).unwrap();
        assert_eq!(out.capacity(), 100_001);
        out.resize(100_001, 0);
        let error = grow(Compression::Gzip, b"x", 0, &limits, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "gzip: more than 100000 bytes when decompressed");
    }
}
