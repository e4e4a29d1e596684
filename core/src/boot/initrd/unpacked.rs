//! Decompression of initrds.

use alloc::{borrow::Cow, vec::Vec};

use super::ExistingError;
use crate::boot::ArchiveError;
use crate::cpio::{ErrorKind, Members};
#[cfg(feature = "lz4")]
use crate::decompress::lz4;
use crate::decompress::{Compression, LZ4_MAGIC, PureDecoder};
use crate::limits::Limits;

/// The archives of an initrd, decompressed if necessary.
#[derive(Clone, Debug, Default)]
pub struct UnpackedInitrd<'a> {
    archives: Vec<Cow<'a, [u8]>>,
}

/// First bytes of further formats that Linux decompresses (`lib/decompress.c`), in addition to those of
/// [`Compression::detect`].
const UNSUPPORTED: &[(&[u8], &str)] = &[
    (b"BZh", "bzip2"),
    (b"\x5d\0", "lzma"),
    (b"\x89LZO", "lzo"),
    #[cfg(not(feature = "lz4"))]
    (LZ4_MAGIC, "lz4"),
];

impl<'a> UnpackedInitrd<'a> {
    /// Decompresses the compressed parts; the sum of all parts is limited to [`Limits::archive_size`] bytes.
    ///
    /// # Errors
    /// When a part cannot be decompressed, is not an archive, or is corrupt.
    pub fn read(initrd: &'a [u8], decoder: &mut PureDecoder, limits: &Limits) -> Result<Self, ExistingError> {
        let mut archives = Vec::new();
        let mut room = Limits { module_size: limits.archive_size, ..limits.clone() };
        let mut rest = initrd;
        loop {
            let zeros = rest.iter().take_while(|&&b| b == 0).count();
            rest = rest.get(zeros..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Self { archives });
            }
            let offset = initrd.len().saturating_sub(rest.len());
            if rest.first() == Some(&b'0') {
                let (archive, after) = split_archives(rest)?;
                archives.push(Cow::Borrowed(archive));
                rest = after;
                continue;
            }
            let mut out = Vec::new();
            rest = first(rest, offset, decoder, &room, &mut out)?;
            let size = u64::try_from(out.len()).unwrap_or(u64::MAX);
            room.module_size = room.module_size.saturating_sub(size);
            archives.push(Cow::Owned(out));
        }
    }

    /// Sequences of archives, in order.
    pub fn archives(&self) -> impl Iterator<Item = &[u8]> {
        self.archives.iter().map(|archive| &**archive)
    }
}

/// The plain archives at the beginning, and the bytes after them.
fn split_archives(bytes: &[u8]) -> Result<(&[u8], &[u8]), ExistingError> {
    match Members::new(bytes).find_map(Result::err) {
        None => Ok((bytes, &[])),
        // Other data may begin after a trailer, but in the middle of an archive it is an unknown format.
        Some(error) if error.kind == ErrorKind::Magic && error.offset > 0 => {
            bytes.split_at_checked(error.offset).ok_or(ExistingError::Unknown(error.offset))
        }
        Some(error) => Err(ExistingError::Cpio(ArchiveError::Format(error))),
    }
}

/// Decompresses the part at the beginning, and returns the bytes after it.
fn first<'a>(
    input: &'a [u8],
    offset: usize,
    decoder: &mut PureDecoder,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], ExistingError> {
    if let Some(format) = Compression::detect(input) {
        return decoder.decode_first(format, input, limits, out).map_err(ExistingError::Decode);
    }
    #[cfg(feature = "lz4")]
    if input.starts_with(LZ4_MAGIC) {
        return lz4::first(input, limits, out)
            .map_err(|cause| ExistingError::Stream { format: "lz4", cause });
    }
    let known = UNSUPPORTED.iter().find(|(magic, _)| input.starts_with(magic));
    Err(known.map_or(ExistingError::Unknown(offset), |(_, name)| ExistingError::Unsupported(name)))
}

#[cfg(all(test, feature = "gz", feature = "zst"))]
mod tests {
    use super::*;
    use crate::cpio::Builder;
    use alloc::{string::ToString, vec};

    fn archive(name: &[u8]) -> Vec<u8> {
        let mut builder = Builder::new();
        builder.file(name, b"");
        builder.build().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
        out.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
        out.extend(crate::decompress::crc32::Crc32::of(bytes).to_le_bytes());
        out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        out
    }

    /// A frame of one stored block (RFC 8878 §3.1.1).
    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let size = u32::try_from(bytes.len()).unwrap();
        let header = (size << 3 | 1).to_le_bytes();
        [b"\x28\xb5\x2f\xfd\xa0", &size.to_le_bytes()[..], &header[..3], bytes].concat()
    }

    fn read(initrd: &[u8]) -> Result<Vec<Vec<u8>>, ExistingError> {
        let plain = UnpackedInitrd::read(initrd, &mut PureDecoder::default(), &Limits::DEFAULT)?;
        Ok(plain.archives().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn archives_in_every_format_are_read() {
        let [a, b, c] = [archive(b"a"), archive(b"b"), archive(b"c")];
        let early = [&*a, &[0; 500], &*b, &[0; 8]].concat();
        let row = [&*early, &*zstd(&b), &[0; 3], &*gzip(&c), &*zstd(&a), &[0; 8], &*c].concat();
        assert_eq!(read(&row).unwrap(), [&*early, &b, &c, &a, &c]);
        assert_eq!(read(&[]).unwrap(), [b""; 0]);
        assert_eq!(read(&[0; 9]).unwrap(), [b""; 0]);
    }

    #[test]
    fn invalid_initrds_are_errors() {
        let text = |initrd: &[u8]| read(initrd).unwrap_err().to_string();
        let a = archive(b"a");
        assert_eq!(text(b"BZh91AY&SY"), "bzip2 is not supported");
        assert_eq!(text(b"\x5d\0\0\x80\0\xff\xff"), "lzma is not supported");
        assert_eq!(text(b"\x89LZO\0\r\n"), "lzo is not supported");
        assert_eq!(text(&[&*a, b"\0\0\0\0garbage"].concat()), "no archive at offset 0xf0");
        assert_eq!(text(b"\x28\xb5\x2f\xfd\xa0"), "zstd: Src size is incorrect");
        assert_eq!(text(&a[..a.len() - 60]), "cannot read cpio archive");
        let lz4 = if cfg!(feature = "lz4") { "lz4: Unexpected end of file" } else { "lz4 is not supported" };
        assert_eq!(text(b"\x02\x21\x4c\x18\x07\0\0\0\x60depmo"), lz4);
        assert_eq!(a.len(), 0xec);
    }

    #[test]
    fn sum_of_all_parts_is_limited() {
        let limits = Limits { archive_size: 600, ..Limits::DEFAULT };
        let bomb = gzip(&vec![0; 400]);
        let twice = [&*bomb, &bomb].concat();
        assert!(UnpackedInitrd::read(&bomb, &mut PureDecoder::default(), &limits).is_ok());
        let error = UnpackedInitrd::read(&twice, &mut PureDecoder::default(), &limits).unwrap_err();
        assert_eq!(error.to_string(), "gzip: more than 200 bytes when decompressed");
    }
}
