//! Compressed module files.
//!
//! A module is stored plain or as one gzip, xz or zstd file. Which of them is told by the first
//! bytes, never by the name ([`reference::modules`](crate::reference::modules) §7.1):
//!
//! ```
//! use depmod_core::parts::decompress::Compression;
//!
//! assert_eq!(Compression::detect(b"\x7fELF\x02\x01"), None);
//! assert_eq!(Compression::detect(b"\x28\xb5\x2f\xfd\x24\x00"), Some(Compression::Zstd));
//! ```
//!
//! [`Decoder`] is the trait that a host's libraries implement; [`PureDecoder`] is the one that the
//! core brings along, in Rust alone. Both take whole files and both treat their input as hostile:
//! sizes that a file claims are hints, every output has a ceiling, and memory is asked for in ways
//! that can fail.
//!
//! | Format | Several members | Bytes after the last one | Cut short |
//! |---|---|---|---|
//! | gzip | joined | ignored | an error |
//! | xz | joined, padding between them allowed | an error | an error |
//! | zstd | joined, skippable frames left out | ignored | an error |

#[cfg(feature = "gz")]
mod gz;
#[cfg(feature = "lz4")]
pub(crate) mod lz4;
mod pure;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zst")]
mod zst;

pub use pure::PureDecoder;
#[cfg(feature = "xz")]
pub use xz::xz_decoded_size;

use alloc::{borrow::Cow, format, vec::Vec};
use core::fmt;

use crate::limits::Limits;

/// How a module file is compressed.
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
    /// How many bytes [`Self::detect`] wants to see.
    pub const MAGIC_LEN: usize = 6;

    /// Tells the format by the first bytes of a file ([`reference::modules`](crate::reference::modules) §7.1); `None` is a
    /// file that is not compressed.
    #[must_use]
    pub fn detect(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"\x28\xb5\x2f\xfd") {
            Some(Self::Zstd)
        } else if head.starts_with(b"\xfd7zXZ\0") {
            Some(Self::Xz)
        } else if head.starts_with(b"\x1f\x8b") {
            Some(Self::Gzip)
        } else {
            None
        }
    }

    /// The name that messages begin with: `gzip`, `xz`, `zstd`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

/// Decodes whole files. One per thread: it may keep its working memory from file to file.
pub trait Decoder {
    /// Puts the decoded bytes of `input` into `out`, whatever it held: its memory, and the length it
    /// has, may save a decoder the clearing of new memory.
    ///
    /// At most `limits.module_size` bytes are produced and about `limits.decoder_memory` bytes are
    /// used besides.
    ///
    /// # Errors
    /// When `input` is broken or cut short, or would exceed a limit. What `out` then holds is
    /// unspecified.
    fn decode(
        &mut self,
        format: Compression,
        input: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError>;
}

/// Why a file could not be decoded, in the words that kmod's libraries use.
///
/// `Display` is `xz: File is corrupt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    format: Compression,
    text: Cow<'static, str>,
    kind: Kind,
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The file is broken.
    Broken,
    /// A ceiling ended the decoding; nothing is known to be wrong with the file.
    Ceiling,
    /// There is no memory.
    NoMemory,
    /// This build has no decoder.
    Unsupported,
}

impl DecodeError {
    /// An error in the library's own words.
    pub fn new(format: Compression, text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Kind::Broken, format, text)
    }

    /// The decoded file would be larger than `limits.module_size`.
    #[must_use]
    pub fn too_large(format: Compression, limits: &Limits) -> Self {
        Self::of(Kind::Ceiling, format, format!("more than {} bytes when decompressed", limits.module_size))
    }

    /// Decoding would take more than `limits.decoder_memory`.
    #[must_use]
    pub fn memory_limit(format: Compression, limits: &Limits) -> Self {
        Self::of(Kind::Ceiling, format, format!("more than {} bytes of memory needed", limits.decoder_memory))
    }

    /// The allocator refused.
    #[must_use]
    pub fn no_memory(format: Compression) -> Self {
        Self::of(Kind::NoMemory, format, "Cannot allocate memory")
    }

    /// This build has no decoder for the format.
    #[must_use]
    pub fn not_supported(format: Compression) -> Self {
        Self::of(Kind::Unsupported, format, "this program was built without support for it")
    }

    fn of(kind: Kind, format: Compression, text: impl Into<Cow<'static, str>>) -> Self {
        Self { format, text: text.into(), kind }
    }

    /// Whether the file was not even tried, or not to its end: nothing is known to be wrong with it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, Kind::Ceiling | Kind::Unsupported)
    }

    /// Whether a ceiling ended the decoding.
    #[must_use]
    pub fn is_ceiling(&self) -> bool {
        self.kind == Kind::Ceiling
    }

    /// Whether there was no memory for it.
    #[must_use]
    pub fn is_no_memory(&self) -> bool {
        self.kind == Kind::NoMemory
    }

    /// What the file was taken for.
    #[must_use]
    pub fn format(&self) -> Compression {
        self.format
    }

    /// The text after the format's name.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, to be kept.
    #[must_use]
    pub(crate) fn cause(&self) -> Cow<'static, str> {
        self.text.clone()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.format.name(), self.text)
    }
}

impl core::error::Error for DecodeError {}

/// Makes room for output of a size that nobody vouches for: doubles `out`'s capacity, at most up to
/// `limits.module_size` and one byte more (by which an output that is too large shows).
///
/// A decoder that knows a claimed size calls this first with `claim`: it is honoured as far as the
/// input's length makes it likely, so that a few hostile bytes cannot ask for a gigabyte.
///
/// # Errors
/// When `out` already holds more than the limit, or memory runs out.
pub fn grow(
    format: Compression,
    input: &[u8],
    claim: u64,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    const FIRST: usize = 64 << 10;
    let ceiling = usize::try_from(limits.module_size).unwrap_or(usize::MAX).saturating_add(1);
    if out.len() >= ceiling {
        return Err(DecodeError::too_large(format, limits));
    }
    let likely = input.len().saturating_mul(64).max(FIRST);
    let claim = usize::try_from(claim).unwrap_or(usize::MAX).min(likely);
    let wanted = out.len().saturating_mul(2).max(FIRST).max(claim).min(ceiling);
    out.try_reserve_exact(wanted.saturating_sub(out.len())).map_err(|_| DecodeError::no_memory(format))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn content_decides_the_format() {
        assert_eq!(Compression::detect(b"\x1f\x8b\x08\0\0\0"), Some(Compression::Gzip));
        assert_eq!(Compression::detect(b"\xfd7zXZ\0"), Some(Compression::Xz));
        assert_eq!(Compression::detect(b"\xfd7zXZ\x01"), None);
        assert_eq!(Compression::detect(b"\x28\xb5\x2f\xfe\0\0"), None);
        assert_eq!(Compression::detect(b""), None);
    }

    #[test]
    fn an_error_reads_as_kmod_prints_it() {
        let error = DecodeError::new(Compression::Xz, "File is corrupt");
        assert_eq!(error.to_string(), "xz: File is corrupt");
    }

    #[test]
    fn growing_ends_one_byte_beyond_the_limit() {
        let limits = Limits { module_size: 100_000, ..Limits::DEFAULT };
        let mut out = Vec::new();
        grow(Compression::Gzip, b"x", u64::MAX, &limits, &mut out).unwrap();
        assert_eq!(out.capacity(), 64 << 10, "a claim beyond all likelihood is not believed");
        out.resize(64 << 10, 0);
        grow(Compression::Gzip, b"x", 0, &limits, &mut out).unwrap();
        assert_eq!(out.capacity(), 100_001);
        out.resize(100_001, 0);
        let error = grow(Compression::Gzip, b"x", 0, &limits, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "gzip: more than 100000 bytes when decompressed");
    }
}
