//! The formats of compressed files.

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
}
