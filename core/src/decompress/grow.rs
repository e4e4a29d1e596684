//! Memory for output of unverified size.

use alloc::vec::Vec;

use super::{compression::Compression, error::DecodeError};
use crate::limits::Limits;

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

/// A buffer for a piece of decoded bytes.
#[cfg(all(feature = "pieces", any(feature = "xz", feature = "zst")))]
pub(super) fn piece(format: Compression) -> Result<Vec<u8>, DecodeError> {
    const SIZE: usize = 128 << 10;

    let mut out = Vec::new();
    out.try_reserve_exact(SIZE).map_err(|_| DecodeError::no_memory(format))?;
    crate::zeros::grow_to(&mut out, SIZE);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

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
