//! Telling whether bytes are the same without keeping them.

use twox_hash::XxHash3_128;

/// Size and checksum of some bytes: XXH3, 128 bits, which no accident makes equal for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How many bytes.
    pub size: u64,
    /// Their XXH3 with 128 bits.
    pub sum: u128,
}

impl Digest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, sum: XxHash3_128::oneshot(bytes) }
    }
}
