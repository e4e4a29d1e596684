//! Sizes that files claim.

use super::compression::Compression;

/// The decoded size that a file claims in its first and last bytes. It is not verified.
#[must_use]
#[cfg_attr(not(feature = "zst"), expect(unused_variables, reason = "only zstd has its size at the begin"))]
pub fn claimed_size(format: Compression, first: &[u8], last: &[u8]) -> Option<u64> {
    match format {
        Compression::Gzip => last.last_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
        #[cfg(feature = "xz")]
        Compression::Xz => super::xz::xz_decoded_size(last),
        #[cfg(feature = "zst")]
        Compression::Zstd => super::zst::content_size(first),
        #[cfg(not(all(feature = "xz", feature = "zst")))]
        _ => None,
    }
}
