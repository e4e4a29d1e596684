//! gzip (RFC 1952): a header, a deflate stream, then CRC-32 and length of the decoded data.
//!
//! `printf depmod | gzip -n`, byte by byte:
//!
//! ```text
//! 1f 8b          magic
//! 08             method: deflate
//! 00             flags: no name, no comment, no extra field
//! 00 00 00 00    modification time: none
//! 00 03          compression level unknown, made on Unix
//! 4b … 01 00     the deflate stream
//! 14 3e ff f0    CRC-32 of `depmod`, little-endian
//! 06 00 00 00    length of `depmod` modulo 2^32
//! ```

use alloc::{boxed::Box, vec::Vec};

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::{compression::Compression, crc32::Crc32, error::DecodeError, feed::Feed, grow::grow};
use crate::{limits::Limits, zeros};

const MAGIC: &[u8] = b"\x1f\x8b";

/// Bytes of the window in which a decoder in pieces looks back.
const WINDOW: usize = 64 << 10;

/// A decoder's working memory, allocated at first use.
#[derive(Default)]
pub struct Inflater(Option<Box<DecompressorOxide>>);

impl Inflater {
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        // The file ends with the length of the last member, unless other bytes follow.
        let claim = input.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        grow(Compression::Gzip, input, u64::from(claim).saturating_add(1), limits, out)?;
        let mut rest = input;
        loop {
            rest = self.member(rest, limits, out)?;
            if !rest.starts_with(MAGIC) {
                return Ok(());
            }
        }
    }

    /// Decodes in pieces, as [`Decoder::pieces`](super::Decoder::pieces).
    ///
    /// # Errors
    /// When the input is corrupt or truncated.
    pub fn pieces(
        &mut self,
        mut input: Feed<'_>,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), DecodeError> {
        let state = self.0.get_or_insert_default();
        let mut window = Vec::new();
        window.try_reserve_exact(WINDOW).map_err(|_| DecodeError::no_memory(Compression::Gzip))?;
        zeros::grow_to(&mut window, WINDOW);
        loop {
            state.init();
            let mut file = input.some();
            if skip_header(file).is_err() {
                file = input.fill();
            }
            let header = file.len().saturating_sub(skip_header(file)?.len());
            input.consume(header);
            let (mut at, mut size, mut crc) = (0usize, 0u32, Crc32::new());
            loop {
                input.some();
                let has_more = if input.has_ended() { 0 } else { inflate_flags::TINFL_FLAG_HAS_MORE_INPUT };
                let bytes = input.some();
                let (status, read, wrote) = decompress(state, bytes, &mut window, at, has_more);
                input.consume(read);
                let end = at.saturating_add(wrote);
                let piece = window.get(at..end).unwrap_or_default();
                at = end % WINDOW;
                crc.update(piece);
                size = size.wrapping_add(u32::try_from(wrote).unwrap_or(u32::MAX));
                if !each(piece) {
                    return Ok(());
                }
                match status {
                    TINFLStatus::Done => break,
                    TINFLStatus::HasMoreOutput => {}
                    TINFLStatus::NeedsMoreInput if !input.has_ended() => {
                        input.fill();
                    }
                    TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
                        return Err(cut());
                    }
                    _ => return Err(error("invalid compressed data")),
                }
            }
            check_trailer(input.at_least(TRAILER), crc.finish(), size)?;
            input.consume(TRAILER);
            if !input.at_least(MAGIC.len()).starts_with(MAGIC) {
                return Ok(());
            }
        }
    }

    /// Decodes only the first member; returns the bytes after it.
    pub(super) fn first<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], DecodeError> {
        grow(Compression::Gzip, input, 0, limits, out)?;
        self.member(input, limits, out)
    }

    /// Decodes one member; returns the bytes after it.
    fn member<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], DecodeError> {
        let state = self.0.get_or_insert_default();
        state.init();
        let mut rest = skip_header(input)?;
        let start = out.len();
        let mut written = start;
        loop {
            // The decoder writes to the bytes beyond `written`.
            zeros::grow_to(out, out.capacity());
            let window = out.get_mut(start..).unwrap_or_default();
            let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
            let (status, read, wrote) = decompress(state, rest, window, written.saturating_sub(start), flags);
            rest = rest.get(read..).unwrap_or_default();
            written = written.saturating_add(wrote);
            out.truncate(written);
            match status {
                TINFLStatus::Done => break,
                TINFLStatus::HasMoreOutput => grow(Compression::Gzip, input, 0, limits, out)?,
                TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => return Err(cut()),
                _ => return Err(error("invalid compressed data")),
            }
        }
        if u64::try_from(written).is_ok_and(|size| size > limits.module_size) {
            return Err(DecodeError::too_large(Compression::Gzip, limits));
        }
        let member = out.get(start..).unwrap_or_default();
        let size = u32::try_from(member.len() & 0xffff_ffff).unwrap_or(u32::MAX);
        check_trailer(rest, Crc32::of(member), size)?;
        Ok(rest.get(TRAILER..).unwrap_or_default())
    }
}

/// Bytes of a member's trailer.
const TRAILER: usize = 8;

/// Compares the trailer at the begin of `rest` with the checksum and the size, modulo 2^32, of a member.
fn check_trailer(rest: &[u8], crc: u32, size: u32) -> Result<(), DecodeError> {
    let trailer = rest.first_chunk::<TRAILER>().ok_or_else(cut)?;
    let word = |at: usize| {
        let word = trailer.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        u32::from_le_bytes(word)
    };
    match (word(0) == crc, word(4) == size) {
        (false, _) => Err(error("incorrect data check")),
        (true, false) => Err(error("incorrect length check")),
        (true, true) => Ok(()),
    }
}

/// The deflate stream after a member's header (RFC 1952 §2.3).
fn skip_header(input: &[u8]) -> Result<&[u8], DecodeError> {
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;

    let (fixed, mut rest) = input.split_first_chunk::<10>().ok_or_else(cut)?;
    let [0x1f, 0x8b, method, flags, ..] = *fixed else {
        return Err(error("incorrect header check"));
    };
    if method != 8 {
        return Err(error("unknown compression method"));
    }
    if flags & RESERVED != 0 {
        return Err(error("unknown header flags set"));
    }
    if flags & EXTRA != 0 {
        let (size, after) = rest.split_first_chunk().ok_or_else(cut)?;
        rest = after.get(usize::from(u16::from_le_bytes(*size))..).ok_or_else(cut)?;
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let text = rest.split(|&byte| byte == 0).next().unwrap_or_default();
            rest = rest.get(text.len().saturating_add(1)..).ok_or_else(cut)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..).ok_or_else(cut)?;
    }
    Ok(rest)
}

fn error(text: &'static str) -> DecodeError {
    DecodeError::new(Compression::Gzip, text)
}

fn cut() -> DecodeError {
    error("unexpected end of file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};

    /// `printf depmod | gzip -n`
    const DEPMOD: &[u8] =
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x49\x2d\xc8\xcd\x4f\x01\0\x14\x3e\xff\xf0\x06\0\0\0";

    fn decode(input: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let limits = Limits { module_size: 1 << 20, ..Limits::DEFAULT };
        let mut out = Vec::new();
        Inflater::default().decode(input, &limits, &mut out).map(|()| out)
    }

    #[test]
    fn members_are_concatenated_and_trailing_garbage_is_ignored() {
        assert_eq!(decode(DEPMOD).unwrap(), b"depmod");
        assert_eq!(decode(&[DEPMOD, DEPMOD].concat()).unwrap(), b"depmoddepmod");
        assert_eq!(decode(&[DEPMOD, b"\0\0garbage"].concat()).unwrap(), b"depmod");
        assert_eq!(decode(&[DEPMOD, b"\x1f"].concat()).unwrap(), b"depmod");
    }

    #[test]
    fn every_header_field_is_skipped() {
        let mut file = DEPMOD[..3].to_vec();
        file.push(0b1_1110);
        file.extend_from_slice(&DEPMOD[4..10]);
        file.extend_from_slice(b"\x03\0abcname\0comment\0\x12\x34");
        file.extend_from_slice(&DEPMOD[10..]);
        assert_eq!(decode(&file).unwrap(), b"depmod");
        file[3] |= 0x80;
        assert_eq!(decode(&file).unwrap_err().to_string(), "gzip: unknown header flags set");
    }

    #[test]
    fn truncated_files_are_errors() {
        let two = [DEPMOD, DEPMOD].concat();
        for end in 0..DEPMOD.len() {
            assert_eq!(decode(&DEPMOD[..end]).unwrap_err().text(), "unexpected end of file", "{end}");
        }
        for end in DEPMOD.len() + 2..two.len() {
            assert_eq!(decode(&two[..end]).unwrap_err().text(), "unexpected end of file", "{end}");
        }
    }

    #[test]
    fn wrong_check_values_are_errors() {
        for (at, text) in [(18, "incorrect data check"), (22, "incorrect length check")] {
            let mut file = DEPMOD.to_vec();
            file[at] ^= 1;
            assert_eq!(decode(&file).unwrap_err().text(), text);
        }
        let mut file = DEPMOD.to_vec();
        file[10] |= 0b110;
        assert_eq!(decode(&file).unwrap_err().text(), "invalid compressed data");
    }

    #[test]
    fn decompression_bombs_stop_at_the_limit() {
        let mut file = DEPMOD[..10].to_vec();
        file.extend(miniz_oxide::deflate::compress_to_vec(&vec![0; 2 << 20], 6));
        let error = decode(&file).unwrap_err();
        assert_eq!(error.text(), "more than 1048576 bytes when decompressed");
        let mut fits = DEPMOD[..10].to_vec();
        fits.extend(miniz_oxide::deflate::compress_to_vec(&vec![0; 1 << 20], 6));
        fits.extend(Crc32::of(&vec![0; 1 << 20]).to_le_bytes());
        fits.extend((1u32 << 20).to_le_bytes());
        assert_eq!(decode(&fits).unwrap().len(), 1 << 20, "the limit itself is allowed");
    }
}
