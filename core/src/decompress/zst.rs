//! zstd (RFC 8878): frames of blocks.
//!
//! `printf depmod | zstd --stream-size=6`:
//!
//! ```text
//! 28 b5 2f fd          magic
//! 24                   flags: content size in one byte, single segment, checksum
//! 06                   content size
//! 31 00 00             block header 0x000031: last, stored, 6 bytes
//! 64 65 70 6d 6f 64    depmod
//! fd b8 6d db          low half of the content's XXH64
//! ```

#[cfg(feature = "pieces")]
mod pieces;

use alloc::vec::Vec;

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{
    compression::Compression,
    error::DecodeError,
    grow::grow,
    reader::{Reader, take},
};
use crate::limits::Limits;

const MAGIC: &[u8] = Compression::Zstd.magic();
/// Bytes to decode before draining the decoder.
const STEP: usize = 1 << 20;

/// A decoder's working memory, reused for every frame.
#[derive(Default)]
pub(super) struct Frames(FrameDecoder);

impl Frames {
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let mut rest = input;
        let mut frames = 0usize;
        loop {
            if let Some(after) = skippable(rest)? {
                rest = after;
                continue;
            }
            if !rest.starts_with(MAGIC) {
                // Bytes after the last frame are ignored; a file without frames is not a zstd file.
                return if frames > 0 { Ok(()) } else { Err(error("Unknown frame descriptor")) };
            }
            rest = self.first(rest, limits, out)?;
            frames = frames.saturating_add(1);
        }
    }

    /// Decodes the first frame alone; returns the bytes after it.
    pub(super) fn first<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], DecodeError> {
        let frame = Frame::measure(input)?;
        let (bytes, rest) = input.split_at_checked(frame.size).ok_or_else(cut)?;
        self.frame(bytes, &frame, limits, out)?;
        Ok(rest)
    }

    fn frame(
        &mut self,
        bytes: &[u8],
        frame: &Frame,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let mut rest = bytes;
        let mut read = |into: &mut [u8]| take(&mut rest, into);
        let mut reader = Reader(&mut read);
        let start = out.len();
        self.0.set_max_window_size(limits.decoder_memory);
        self.0.reset(&mut reader).map_err(|error| explain(&error, limits))?;
        grow(Compression::Zstd, bytes, frame.content_size.unwrap_or(0), limits, out)?;
        let room = usize::try_from(limits.module_size).unwrap_or(usize::MAX);
        while !self.0.is_finished() || self.0.can_collect() > 0 {
            if !self.0.is_finished() {
                let step = BlockDecodingStrategy::UptoBytes(STEP);
                self.0.decode_blocks(&mut reader, step).map_err(|error| explain(&error, limits))?;
            }
            let ready = self.0.can_collect();
            if ready > room.saturating_sub(out.len()) {
                return Err(DecodeError::too_large(Compression::Zstd, limits));
            }
            out.try_reserve(ready).map_err(|_| DecodeError::no_memory(Compression::Zstd))?;
            self.0.collect_to_writer(&mut *out).map_err(|_| error("Data corruption detected"))?;
        }
        self.check(frame.content_size, out.len().saturating_sub(start) as u64)
    }

    /// Compares the size and checksum of a frame's decoded bytes with those in the frame.
    fn check(&self, content_size: Option<u64>, size: u64) -> Result<(), DecodeError> {
        if content_size.is_some_and(|expected| expected != size) {
            return Err(error("Data corruption detected"));
        }
        let checksum = self.0.get_checksum_from_data();
        if checksum.is_some() && checksum != self.0.get_calculated_checksum() {
            return Err(error("Restored data doesn't match checksum"));
        }
        Ok(())
    }
}

/// The content size in the header of the first frame.
pub(super) fn content_size(file: &[u8]) -> Option<u64> {
    Header::parse(file.strip_prefix(MAGIC).map(|_| file)?).ok()?.content_size
}

/// A frame's header.
struct Header {
    /// Bytes of the header.
    size: usize,
    content_size: Option<u64>,
    has_checksum: bool,
    /// Bytes in which the decoder looks back.
    #[cfg(feature = "pieces")]
    window: u64,
}

impl Header {
    /// The longest header.
    #[cfg(feature = "pieces")]
    const MOST: usize = 18;

    fn parse(input: &[u8]) -> Result<Self, DecodeError> {
        let flags = *input.get(4).ok_or_else(cut)?;
        if flags & 8 != 0 {
            return Err(error("Unsupported frame parameter"));
        }
        let single_segment = flags & 0x20 != 0;
        let window = usize::from(!single_segment);
        let dictionary = match flags & 3 {
            3 => 4,
            len => usize::from(len),
        };
        let content = match flags >> 6 {
            0 => usize::from(single_segment),
            power => 1usize << power,
        };
        let at = 5usize.saturating_add(window).saturating_add(dictionary);
        let size = at.saturating_add(content);
        let mut number = [0; 8];
        let field = input.get(at..size).ok_or_else(cut)?;
        for (to, from) in number.iter_mut().zip(field) {
            *to = *from;
        }
        let bias = if content == 2 { 256 } else { 0 };
        let content_size = (content > 0).then(|| u64::from_le_bytes(number).saturating_add(bias));
        Ok(Self {
            size,
            content_size,
            has_checksum: flags & 4 != 0,
            #[cfg(feature = "pieces")]
            window: match input.get(5) {
                Some(&window) if !single_segment => window_size(window),
                _ => content_size.unwrap_or(0),
            },
        })
    }
}

/// A frame's extent, from its headers alone.
struct Frame {
    /// Bytes from magic to checksum.
    size: usize,
    content_size: Option<u64>,
}

impl Frame {
    /// Hops from block header to block header (RFC 8878 §3.1.1).
    fn measure(input: &[u8]) -> Result<Self, DecodeError> {
        let Header { mut size, content_size, has_checksum, .. } = Header::parse(input)?;
        loop {
            let [a, b, c] = *input.get(size..).and_then(<[u8]>::first_chunk).ok_or_else(cut)?;
            let header = u32::from_le_bytes([a, b, c, 0]);
            let stored = match (header >> 1) & 3 {
                1 => 1,
                3 => return Err(error("Data corruption detected")),
                _ => usize::try_from(header >> 3).map_err(|_| cut())?,
            };
            size = size.saturating_add(3).saturating_add(stored);
            if header & 1 != 0 {
                break;
            }
        }
        if has_checksum {
            size = size.saturating_add(4);
        }
        Ok(Self { size, content_size })
    }
}

/// The size that a window descriptor stands for (RFC 8878 §3.1.1.1.2).
#[cfg(feature = "pieces")]
fn window_size(descriptor: u8) -> u64 {
    let base = 1024u64 << (descriptor >> 3);
    base.saturating_add((base / 8).saturating_mul(u64::from(descriptor & 7)))
}

/// The bytes of a skippable frame (RFC 8878 §3.1.2), header included, if there is one.
fn skippable_size(input: &[u8]) -> Option<Result<u64, DecodeError>> {
    let [0x50..=0x5f, 0x2a, 0x4d, 0x18, rest @ ..] = input else {
        return None;
    };
    let size = rest.first_chunk().map(|size| u64::from(u32::from_le_bytes(*size)).saturating_add(8));
    Some(size.ok_or_else(cut))
}

/// The bytes after a skippable frame, if there is one.
fn skippable(input: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let Some(size) = skippable_size(input).transpose()? else { return Ok(None) };
    let size = usize::try_from(size).map_err(|_| cut())?;
    input.get(size..).map(Some).ok_or_else(cut)
}

fn explain(error: &FrameDecoderError, limits: &Limits) -> DecodeError {
    let text = match error {
        FrameDecoderError::WindowSizeTooBig { .. } => {
            return DecodeError::memory_limit(Compression::Zstd, limits);
        }
        FrameDecoderError::DictNotProvided { .. } => "Dictionary mismatch",
        _ => "Data corruption detected",
    };
    self::error(text)
}

fn error(text: &'static str) -> DecodeError {
    DecodeError::new(Compression::Zstd, text)
}

fn cut() -> DecodeError {
    error("Src size is incorrect")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// `printf depmod | zstd --stream-size=6`
    pub(super) const SIZED: &[u8] = b"\x28\xb5\x2f\xfd\x24\x06\x31\0\0depmod\xfd\xb8\x6d\xdb";
    /// `printf depmod | zstd --no-check`: without a content size.
    pub(super) const UNSIZED: &[u8] = b"\x28\xb5\x2f\xfd\0\x58\x31\0\0depmod";
    pub(super) const SKIPPED: &[u8] = b"\x53\x2a\x4d\x18\x03\0\0\0abc";

    fn decode(input: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let limits = Limits { module_size: 1 << 20, decoder_memory: 8 << 20, ..Limits::DEFAULT };
        let mut out = Vec::new();
        Frames::default().decode(input, &limits, &mut out).map(|()| out)
    }

    #[test]
    fn frames_are_concatenated() {
        assert_eq!(decode(SIZED).unwrap(), b"depmod");
        assert_eq!(decode(UNSIZED).unwrap(), b"depmod");
        let all = [SKIPPED, UNSIZED, SKIPPED, SIZED, b"garbage"].concat();
        assert_eq!(decode(&all).unwrap(), b"depmoddepmod");
    }

    #[test]
    fn truncated_files_are_errors() {
        for file in [SIZED, UNSIZED] {
            for end in 0..file.len() {
                assert!(decode(&file[..end]).is_err(), "{end}");
            }
        }
        assert_eq!(decode(&SIZED[..9]).unwrap_err().text(), "Src size is incorrect");
        assert_eq!(decode(b"").unwrap_err().text(), "Unknown frame descriptor");
    }

    #[test]
    fn wrong_sizes_and_checksums_are_errors() {
        let mut file = SIZED.to_vec();
        file[5] = 7;
        assert_eq!(decode(&file).unwrap_err().text(), "Data corruption detected");
        let mut file = SIZED.to_vec();
        file[10] ^= 1;
        assert_eq!(decode(&file).unwrap_err().text(), "Restored data doesn't match checksum");
        let mut file = SIZED.to_vec();
        file[4] |= 8;
        assert_eq!(decode(&file).unwrap_err().text(), "Unsupported frame parameter");
        let mut file = UNSIZED.to_vec();
        file[5] = 0xf8;
        assert_eq!(decode(&file).unwrap_err().text(), "more than 8388608 bytes of memory needed");
    }

    #[test]
    fn decompression_bombs_stop_at_the_limit() {
        // Run-length blocks of 128 KiB each.
        let mut file = UNSIZED[..6].to_vec();
        let block = (128u32 << 10) << 3 | 1 << 1;
        for _ in 0..8 {
            file.extend_from_slice(&block.to_le_bytes()[..3]);
            file.push(0);
        }
        let mut fits = file.clone();
        fits.extend_from_slice(&[1, 0, 0]);
        assert_eq!(decode(&fits).unwrap(), vec![0; 1 << 20]);
        file.extend_from_slice(&[1 | 1 << 3, 0, 0, b'x']);
        assert_eq!(decode(&file).unwrap_err().text(), "more than 1048576 bytes when decompressed");
    }
}
