//! Decoding errors.

use alloc::string::{String, ToString};
use core::fmt;

use super::compression::Compression;
use crate::limits::{Exceeded, Limits, NO_MEMORY};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_kmods_format() {
        let error = DecodeError::new(Compression::Xz, "File is corrupt");
        assert_eq!(error.to_string(), "xz: File is corrupt");
    }
}
