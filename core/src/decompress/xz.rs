//! xz (the .xz file format 1.2): a stream of blocks, followed by an index and a footer.
//!
//! `printf depmod | xz -9 --check=crc32`:
//!
//! ```text
//! fd 37 7a 58 5a 00 00 01 69 22 de 36   stream header: magic, flags (check: CRC-32), their CRC-32
//! 02 00 21 01 1c 00 00 00 10 cf 58 cc   block header: LZMA2 with a dictionary of 64 MiB, CRC-32
//! 01 00 05 64 65 70 6d 6f 64 00         LZMA2: one stored chunk of six bytes, end
//! 00 00                                 padding to four bytes
//! 14 3e ff f0                           the block's check
//! 00 01 1a 06 c5 ea c8 79               index: one block, 26 bytes stored, 6 decoded; its CRC-32
//! 90 42 99 0d 01 00 00 00 00 01 59 5a   stream footer: CRC-32, size of the index, flags, `YZ`
//! ```

use alloc::vec::Vec;

use lzma_rust2::{Error, Read, XzReader};

use super::{
    compression::Compression,
    error::DecodeError,
    grow::grow,
    reader::{Reader, take},
};
#[cfg(feature = "pieces")]
use super::{feed::Feed, grow::piece};
use crate::{limits::Limits, zeros};

pub(super) fn decode(input: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    streams(input, true, limits, out).map(|_| ())
}

/// Decodes only the first stream; returns the bytes after it.
pub(super) fn first<'a>(
    input: &'a [u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], DecodeError> {
    streams(input, false, limits, out)
}

fn streams<'a>(
    input: &'a [u8],
    all: bool,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], DecodeError> {
    let mut rest = input;
    let mut read = |into: &mut [u8]| take(&mut rest, into);
    let mut reader = XzReader::new_mem_limit(Reader(&mut read), all, kibibytes(limits));
    let claim = xz_decoded_size(input).unwrap_or(0).saturating_add(1);
    let mut written = out.len();
    loop {
        grow(Compression::Xz, input, claim, limits, out)?;
        zeros::grow_to(out, out.capacity());
        while let Some(room) = out.get_mut(written..).filter(|room| !room.is_empty()) {
            let read = reader.read(room).map_err(|error| explain(error, limits))?;
            written = written.saturating_add(read);
            if read == 0 {
                out.truncate(written);
                return if u64::try_from(written).is_ok_and(|size| size > limits.module_size) {
                    Err(DecodeError::too_large(Compression::Xz, limits))
                } else {
                    Ok(rest)
                };
            }
        }
    }
}

/// The limit of memory, in the library's unit.
fn kibibytes(limits: &Limits) -> u32 {
    u32::try_from(limits.decoder_memory >> 10).unwrap_or(u32::MAX)
}

/// Decodes in pieces, as [`Decoder::pieces`](super::Decoder::pieces).
#[cfg(feature = "pieces")]
pub(super) fn pieces(
    mut input: Feed<'_>,
    limits: &Limits,
    each: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), DecodeError> {
    let mut read = |into: &mut [u8]| input.read(into);
    let mut reader = XzReader::new_mem_limit(Reader(&mut read), true, kibibytes(limits));
    let mut out = piece(Compression::Xz)?;
    loop {
        let read = reader.read(&mut out).map_err(|error| explain(error, limits))?;
        if read == 0 || !each(out.get(..read).unwrap_or_default()) {
            return Ok(());
        }
    }
}

/// The decoded size of the last stream according to its index; not verified.
///
/// `None` when the file does not end with an index and a stream footer.
#[must_use]
pub fn xz_decoded_size(file: &[u8]) -> Option<u64> {
    const FOOTER: usize = 12;
    let (before, footer) = file.split_last_chunk::<FOOTER>()?;
    if !footer.ends_with(b"YZ") {
        return None;
    }
    let words = u32::from_le_bytes(*footer.get(4..)?.first_chunk()?);
    let size = usize::try_from(u64::from(words).checked_add(1)?.checked_mul(4)?).ok()?;
    let mut index = before.get(before.len().checked_sub(size)?..)?.strip_prefix(b"\0")?;
    let mut total = 0u64;
    for _ in 0..number(&mut index)? {
        number(&mut index)?;
        total = total.checked_add(number(&mut index)?)?;
    }
    Some(total)
}

/// A number with seven bits per byte, lowest bits first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn explain(error: Error, limits: &Limits) -> DecodeError {
    let text = match error {
        Error::Eof => "Unexpected end of input",
        Error::InvalidData(_) | Error::InvalidInput(_) | Error::Other(_) => "File is corrupt",
        Error::Unsupported(_) => "Unsupported compression options",
        Error::OutOfMemory(_) => return DecodeError::memory_limit(Compression::Xz, limits),
        _ => "Internal error (bug)",
    };
    DecodeError::new(Compression::Xz, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf depmod | xz -9 --check=crc32`
    const DEPMOD: &[u8] = b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36\x02\0\x21\x01\x1c\0\0\0\x10\xcf\x58\xcc\
        \x01\0\x05depmod\0\0\0\x14\x3e\xff\xf0\0\x01\x1a\x06\xc5\xea\xc8\x79\
        \x90\x42\x99\x0d\x01\0\0\0\0\x01YZ";

    fn decode(input: &[u8], limits: &Limits) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        let whole = super::decode(input, limits, &mut out).map(|()| out);
        #[cfg(feature = "pieces")]
        assert_eq!(pieces(input, limits), whole);
        whole
    }

    #[cfg(feature = "pieces")]
    fn pieces(mut file: &[u8], limits: &Limits) -> Result<Vec<u8>, DecodeError> {
        let mut read = |into: &mut [u8]| take(&mut file, into);
        let (feed, mut out) = (Feed::new(&mut read).unwrap(), Vec::new());
        let mut each = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            true
        };
        super::pieces(feed, limits, &mut each)?;
        // The caller counts the bytes.
        let fits = out.len() as u64 <= limits.module_size;
        if fits { Ok(out) } else { Err(DecodeError::too_large(Compression::Xz, limits)) }
    }

    #[test]
    fn streams_are_concatenated() {
        let limits = Limits::DEFAULT;
        assert_eq!(decode(DEPMOD, &limits).unwrap(), b"depmod");
        assert_eq!(decode(&[DEPMOD, DEPMOD].concat(), &limits).unwrap(), b"depmoddepmod");
        assert_eq!(decode(&[DEPMOD, &[0; 8], DEPMOD].concat(), &limits).unwrap(), b"depmoddepmod");
        let error = decode(&[DEPMOD, b"garbage"].concat(), &limits).unwrap_err();
        assert_eq!(error.text(), "File is corrupt");
    }

    #[test]
    fn truncated_files_are_errors() {
        for end in 0..DEPMOD.len() {
            assert!(decode(&DEPMOD[..end], &Limits::DEFAULT).is_err(), "{end}");
        }
        assert_eq!(decode(&DEPMOD[..30], &Limits::DEFAULT).unwrap_err().text(), "Unexpected end of input");
    }

    #[test]
    fn limits_are_enforced() {
        let small = Limits { module_size: 5, ..Limits::DEFAULT };
        assert_eq!(decode(DEPMOD, &small).unwrap_err().text(), "more than 5 bytes when decompressed");
        let exact = Limits { module_size: 6, ..Limits::DEFAULT };
        assert_eq!(decode(DEPMOD, &exact).unwrap(), b"depmod");
        let poor = Limits { decoder_memory: 1 << 20, ..Limits::DEFAULT };
        assert_eq!(decode(DEPMOD, &poor).unwrap_err().text(), "more than 1048576 bytes of memory needed");
    }

    #[test]
    fn index_holds_the_decoded_size() {
        assert_eq!(xz_decoded_size(DEPMOD), Some(6));
        assert_eq!(xz_decoded_size(&DEPMOD[..DEPMOD.len() - 1]), None);
        for end in 0..DEPMOD.len() {
            assert_eq!(xz_decoded_size(&DEPMOD[..end]), None);
        }
    }

    #[test]
    fn flipped_bits_are_detected() {
        for at in 0..DEPMOD.len() {
            let mut file = DEPMOD.to_vec();
            file[at] ^= 0x10;
            assert!(decode(&file, &Limits::DEFAULT).is_err(), "{at}");
        }
    }
}
