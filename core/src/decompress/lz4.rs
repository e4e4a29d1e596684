//! LZ4 as used by Linux: the legacy frame format (`lz4 -l`), a sequence of chunks of up to 8 MiB each.
//!
//! `printf depmod | lz4 -l`:
//!
//! ```text
//! 02 21 4c 18             magic; may be repeated before any chunk
//! 07 00 00 00             size of the chunk
//! 60 64 65 70 6d 6f 64    LZ4 block: six literals
//! ```
//!
//! The sequence ends only at the end of the file or at a chunk of size zero (`lib/decompress_unlz4.c`).

use alloc::vec::Vec;

use super::compression::LZ4_MAGIC;
use crate::{
    limits::{Limits, NO_MEMORY},
    zeros,
};

/// Decodes the whole sequence; returns the bytes after it.
pub(crate) fn first<'a>(
    input: &'a [u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], &'static str> {
    /// Decoded size of a chunk, at most.
    const CHUNK: usize = 8 << 20;
    /// Decoded bytes per byte of a block, at most: a length is a sum of bytes.
    const GROWTH: usize = 255;

    let room = usize::try_from(limits.module_size).unwrap_or(usize::MAX);
    let mut rest = input;
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        if size == LZ4_MAGIC {
            rest = after;
            continue;
        }
        let size = usize::try_from(u32::from_le_bytes(*size)).map_err(|_| CUT)?;
        if size == 0 {
            break;
        }
        let (chunk, after) = after.split_at_checked(size).ok_or(CUT)?;
        rest = after;
        let written = out.len();
        // No more than the chunk can need: clearing 8 MiB for every small chunk would be slow.
        let space = size.saturating_mul(GROWTH).min(CHUNK);
        out.try_reserve(space).map_err(|_| NO_MEMORY)?;
        zeros::grow_to(out, written.saturating_add(space));
        let window = out.get_mut(written..).unwrap_or_default();
        let got = lz4_flex::block::decompress_into(chunk, window).map_err(|_| "Decoding failed")?;
        out.truncate(written.saturating_add(got));
        if out.len() > room {
            return Err("too large when decompressed");
        }
    }
    Ok(rest)
}

const CUT: &str = "Unexpected end of file";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const DEPMOD: &[u8] = b"\x02\x21\x4c\x18\x07\0\0\0\x60depmod";

    fn decode(input: &[u8]) -> Result<(Vec<u8>, &[u8]), &'static str> {
        let limits = Limits { module_size: 100, ..Limits::DEFAULT };
        let mut out = Vec::new();
        first(input, &limits, &mut out).map(|rest| (out, rest))
    }

    #[test]
    fn chunks_are_concatenated() {
        assert_eq!(decode(DEPMOD).unwrap(), (b"depmod".to_vec(), &b""[..]));
        let twice = [DEPMOD, DEPMOD, b"\0\0\0\0next"].concat();
        assert_eq!(decode(&twice).unwrap(), (b"depmoddepmod".to_vec(), &b"\0\0\0\0next"[..]));
        assert_eq!(decode(&[DEPMOD, b"\0\0\0"].concat()).unwrap().1, b"\0\0\0");
    }

    #[test]
    fn repetitive_chunks_reach_the_highest_growth() {
        // One literal, then a match of distance 1 with a length of repeated 255s, then five literals.
        let mut block = b"\x1fa\x01\0".to_vec();
        block.extend([255; 1000]);
        block.extend(b"\0\x50aaaaa");
        let size = u32::try_from(block.len()).unwrap().to_le_bytes();
        let input = [LZ4_MAGIC, &size, &block].concat();
        let limits = Limits { module_size: 1 << 20, ..Limits::DEFAULT };
        let mut out = Vec::new();
        first(&input, &limits, &mut out).unwrap();
        assert_eq!(out, vec![b'a'; 1 + 4 + 15 + 255_000 + 5]);
    }

    #[test]
    fn corrupt_chunks_are_errors() {
        let text = |input: &[u8]| decode(input).unwrap_err();
        assert_eq!(text(&DEPMOD[..DEPMOD.len() - 1]), "Unexpected end of file");
        assert_eq!(text(&[DEPMOD, b"\0\x30\x37\x30\x37\x30"].concat()), "Unexpected end of file");
        assert_eq!(text(b"\x02\x21\x4c\x18\x01\0\0\0\x60"), "Decoding failed");
        let long = vec![DEPMOD; 20].concat();
        assert_eq!(text(&long), "too large when decompressed");
    }
}
