//! Decoding of zstd in pieces.

use alloc::vec::Vec;

use ruzstd::decoding::BlockDecodingStrategy;
use ruzstd::io::Read;

use super::super::{
    compression::Compression,
    error::DecodeError,
    feed::Feed,
    grow::piece,
    reader::{Reader, take},
};
use super::{Frames, Header, MAGIC, cut, error, explain, skippable_size};
use crate::limits::Limits;

impl Frames {
    /// Decodes in pieces, as [`Decoder::pieces`](super::super::Decoder::pieces).
    pub(in crate::decompress) fn pieces(
        &mut self,
        mut input: Feed<'_>,
        limits: &Limits,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), DecodeError> {
        let mut out = piece(Compression::Zstd)?;
        let mut frames = 0usize;
        loop {
            let file = input.at_least(Header::MOST);
            if let Some(size) = skippable_size(file) {
                skip(&mut input, size?)?;
                continue;
            }
            if !file.starts_with(MAGIC) {
                return if frames > 0 { Ok(()) } else { Err(error("Unknown frame descriptor")) };
            }
            let header = Header::parse(file)?;
            // Whether the decoder wanted more than there is.
            let mut ended = false;
            let mut read = |into: &mut [u8]| {
                let read = input.read(into);
                ended |= read == 0 && !into.is_empty();
                read
            };
            let more = self.frame_in_pieces(&header, &mut Reader(&mut read), limits, &mut out, each);
            match more {
                Ok(true) => frames = frames.saturating_add(1),
                Ok(false) => return Ok(()),
                Err(_) if ended => return Err(cut()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Decodes a frame block by block; returns whether `each` wants more.
    fn frame_in_pieces(
        &mut self,
        header: &Header,
        source: &mut Reader<'_>,
        limits: &Limits,
        out: &mut [u8],
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, DecodeError> {
        self.make_room(header, limits)?;
        self.0.reset(&mut *source).map_err(|error| explain(&error, limits))?;
        let mut size = 0u64;
        while !self.0.is_finished() {
            let block = BlockDecodingStrategy::UptoBlocks(1);
            self.0.decode_blocks(&mut *source, block).map_err(|error| explain(&error, limits))?;
            while self.0.can_collect() > 0 {
                let read = self.0.read(out).map_err(|_| error("Data corruption detected"))?;
                size = size.saturating_add(read as u64);
                if !each(out.get(..read).unwrap_or_default()) {
                    return Ok(false);
                }
            }
        }
        self.check(header.content_size, size).map(|()| true)
    }

    /// Lets the decoder reserve its window at once: it would double it step by step, and hold one and a half
    /// windows at the last step. It aborts if there is no memory, so that is found out before.
    fn make_room(&mut self, header: &Header, limits: &Limits) -> Result<(), DecodeError> {
        /// A frame without bytes.
        const EMPTY: &[u8] = b"\x28\xb5\x2f\xfd\x20\0\x01\0\0";

        self.0.set_max_window_size(limits.decoder_memory);
        if header.window > limits.decoder_memory {
            return Err(DecodeError::memory_limit(Compression::Zstd, limits));
        }
        let mut empty = EMPTY;
        self.0
            .reset(&mut Reader(&mut |into| take(&mut empty, into)))
            .map_err(|error| explain(&error, limits))?;
        let window = usize::try_from(header.window).unwrap_or(usize::MAX);
        Vec::<u8>::new().try_reserve_exact(window).map_err(|_| DecodeError::no_memory(Compression::Zstd))
    }
}

/// Skips bytes of a file.
fn skip(input: &mut Feed<'_>, mut bytes: u64) -> Result<(), DecodeError> {
    while bytes > 0 {
        let here = input.some().len();
        if here == 0 {
            return Err(cut());
        }
        let now = here.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        input.consume(now);
        bytes = bytes.saturating_sub(now as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompress::zst::tests::{SIZED, SKIPPED, UNSIZED};
    use alloc::vec;

    fn decode(mut file: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let limits = Limits::DEFAULT.decoder_memory(8 << 20);
        let mut read = |into: &mut [u8]| take(&mut file, into);
        let (feed, mut out) = (Feed::new(&mut read).unwrap(), Vec::new());
        let mut each = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            out.len() < 1 << 20
        };
        Frames::default().pieces(feed, &limits, &mut each).map(|()| out)
    }

    #[test]
    fn frames_are_concatenated() {
        let long = [&b"\x50\x2a\x4d\x18\x00\x00\x04\0"[..], &[7; 4 << 16]].concat();
        for skipped in [SKIPPED, &long] {
            let all = [skipped, UNSIZED, skipped, SIZED, b"garbage"].concat();
            assert_eq!(decode(&all).unwrap(), b"depmoddepmod");
            let cut = [UNSIZED, &skipped[..skipped.len() - 1]].concat();
            assert_eq!(decode(&cut).unwrap_err().text(), "Src size is incorrect");
        }
    }

    #[test]
    fn cut_frames_are_errors() {
        for file in [SIZED, UNSIZED] {
            for end in MAGIC.len()..file.len() {
                assert_eq!(decode(&file[..end]).unwrap_err().text(), "Src size is incorrect", "{end}");
            }
        }
        assert_eq!(decode(b"").unwrap_err().text(), "Unknown frame descriptor");
    }

    #[test]
    fn sizes_checksums_and_windows_are_checked() {
        let damaged = |file: &[u8], at: usize, byte: u8| {
            let mut file = file.to_vec();
            file[at] = byte;
            decode(&file).unwrap_err()
        };
        assert_eq!(damaged(SIZED, 5, 7).text(), "Data corruption detected");
        assert_eq!(damaged(SIZED, 10, b'f').text(), "Restored data doesn't match checksum");
        assert_eq!(damaged(UNSIZED, 5, 0xf8).text(), "more than 8388608 bytes of memory needed");
        assert_eq!(damaged(UNSIZED, 5, 0x69).text(), "more than 8388608 bytes of memory needed");
    }

    #[test]
    fn decoding_ends_when_no_more_is_wanted() {
        // Run-length blocks of 128 KiB each, without an end.
        let mut file = UNSIZED[..6].to_vec();
        let block = (128u32 << 10) << 3 | 1 << 1;
        for _ in 0..40 {
            file.extend_from_slice(&block.to_le_bytes()[..3]);
            file.push(0);
        }
        assert_eq!(decode(&file).unwrap(), vec![0; 1 << 20]);
    }
}
