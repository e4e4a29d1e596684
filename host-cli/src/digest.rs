//! Comparison of bytes without keeping them.

use twox_hash::XxHash3_128;

/// Size and checksum (128-bit XXH3) of some bytes. Accidental collisions are negligible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Number of bytes.
    pub size: u64,
    /// 128-bit XXH3.
    pub sum: u128,
}

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, sum: XxHash3_128::oneshot(bytes) }
    }
}
