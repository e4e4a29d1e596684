//! The kernel inside an image: boot formats and compression.

use alloc::vec::Vec;

use super::error::ImageError;
use crate::{
    decompress::{Compression, Decoder, LZ4_MAGIC},
    limits::Limits,
};

/// The content of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layer<'a> {
    Elf(&'a [u8]),
    Compressed(&'a [u8]),
}

/// Recognises an image by its first bytes.
pub(super) fn inside(image: &[u8]) -> Result<Layer<'_>, ImageError> {
    let at = |offset: usize, text: &[u8]| image.get(offset..).is_some_and(|rest| rest.starts_with(text));
    if at(0, b"\x7fELF") {
        Ok(Layer::Elf(image))
    } else if at(0x202, b"HdrS") {
        bzimage_payload(image).map(Layer::Compressed)
    } else if at(0, b"MZ") && at(4, b"zimg") {
        let payload = range(image, u64::from(word(image, 8)?), u64::from(word(image, 12)?));
        payload.map(Layer::Compressed).ok_or(ImageError::Cut)
    } else if at(0x38, b"ARM\x64") {
        Err(ImageError::Flat("arm64"))
    } else if at(0x38, b"RSC\x05") || at(0x30, b"RISCV\0") {
        Err(ImageError::Flat("riscv"))
    } else if format(image).is_some() {
        Ok(Layer::Compressed(image))
    } else {
        Err(ImageError::NotKernel)
    }
}

/// The boot protocol of x86: `setup_sects` at 0x1f1, `version` at 0x206, `payload_offset` and `payload_length` at
/// 0x248; the payload is counted from behind the sectors of the setup code.
fn bzimage_payload(image: &[u8]) -> Result<&[u8], ImageError> {
    const SECTOR: u64 = 512;
    const WITH_PAYLOAD: u16 = 0x208;
    let version = image.get(0x206..).and_then(<[u8]>::first_chunk).map(|bytes| u16::from_le_bytes(*bytes));
    if version.is_none_or(|version| version < WITH_PAYLOAD) {
        return Err(ImageError::NotKernel);
    }
    let sectors = match image.get(0x1f1) {
        None | Some(0) => 4,
        Some(&sectors) => u64::from(sectors),
    };
    let start =
        sectors.saturating_add(1).saturating_mul(SECTOR).saturating_add(u64::from(word(image, 0x248)?));
    range(image, start, u64::from(word(image, 0x24c)?)).ok_or(ImageError::Cut)
}

fn word(image: &[u8], at: usize) -> Result<u32, ImageError> {
    let bytes = image.get(at..).and_then(<[u8]>::first_chunk).ok_or(ImageError::Cut)?;
    Ok(u32::from_le_bytes(*bytes))
}

fn range(image: &[u8], start: u64, length: u64) -> Option<&[u8]> {
    let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    image.get(start..)?.get(..length)
}

/// Compression formats of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Module(Compression),
    Lz4,
    Other(&'static str),
}

fn format(payload: &[u8]) -> Option<Format> {
    let others: [(&[u8], Format); 4] = [
        (LZ4_MAGIC, Format::Lz4),
        (b"BZh", Format::Other("bzip2")),
        (b"\x5d\0\0", Format::Other("lzma")),
        (b"\x89LZO", Format::Other("lzo")),
    ];
    let other = || others.into_iter().find(|(magic, _)| payload.starts_with(magic)).map(|(_, format)| format);
    Compression::detect(payload).map(Format::Module).or_else(other)
}

/// Decodes a payload. The decoded size follows it in four bytes, except for gzip, which contains it.
pub(super) fn decompress(
    payload: &[u8],
    decoder: &mut dyn Decoder,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImageError> {
    const SIZE: usize = 4;
    let without_size = payload.len().checked_sub(SIZE).and_then(|length| payload.get(..length));
    match format(payload) {
        None => Err(ImageError::NotKernel),
        Some(Format::Other(name)) => Err(ImageError::Compression(name)),
        Some(Format::Module(format)) => {
            // An xz stream ends with these bytes.
            let bare = format == Compression::Xz && !payload.ends_with(b"YZ");
            let payload = without_size.filter(|_| bare).unwrap_or(payload);
            decoder.decode(format, payload, limits, out).map_err(ImageError::Decode)
        }
        Some(Format::Lz4) => {
            let payload = without_size.filter(|_| lz4_has_size(payload)).unwrap_or(payload);
            lz4(payload, limits, out).map_err(ImageError::Lz4)
        }
    }
}

/// Whether four bytes follow the last chunk.
fn lz4_has_size(payload: &[u8]) -> bool {
    let mut rest = payload.get(4..).unwrap_or_default();
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
        match after.get(size..) {
            Some(after) if size > 0 => rest = after,
            _ => return after.is_empty(),
        }
    }
    false
}

#[cfg(feature = "lz4")]
fn lz4(payload: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), &'static str> {
    crate::decompress::lz4::first(payload, limits, out).map(|_| ())
}

#[cfg(not(feature = "lz4"))]
fn lz4(_: &[u8], _: &Limits, _: &mut Vec<u8>) -> Result<(), &'static str> {
    Err("this program was built without support for it")
}
