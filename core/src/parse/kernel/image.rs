//! The kernel image: every symbol that it exports, with CRC, license and namespace.
//!
//! What boot loaders load is a small program around the kernel proper, an ELF file that is mostly compressed. Builds
//! take its symbol table away, not its sections, so the tables that the kernel itself looks into when it loads a
//! module are found by name:
//!
//! ```text
//! bzImage, or EFI zboot ──► gzip, xz, zstd, lz4 ──► ELF ──► __ksymtab, __ksymtab_gpl    who is exported
//! or plain vmlinux ────────────────────────────────► │      __kcrctab, __kcrctab_gpl    the CRC of each
//!                                                           __kflagstab                  since Linux 7.1: GPL-only
//!                                                           __ksymtab_strings            names and namespaces
//! ```
//!
//! An entry of `__ksymtab` holds the places of the value, the name and, since Linux 5.4, the namespace: as 32-bit
//! distances from each field itself, or as addresses. Which of them it is, the names tell: all must lie in
//! `__ksymtab_strings`.
//!
//! Flat images, as arm64 and riscv64 have them, have no sections: nothing says where the tables are.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use bstr::BString;

use super::{KernelExport, KernelExports};
use crate::{
    decompress::{Compression, DecodeError, Decoder},
    limits::Limits,
    parse::elf::{ByteOrder, Class, ElfError, FileHeader, SectionTable},
};

/// Why an image does not tell what it exports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageError {
    /// It is no kernel image of a kind that is known.
    NotKernel,
    /// A flat image of this architecture: nothing says where its tables are.
    Flat(&'static str),
    /// The file ends before the compressed kernel does.
    Cut,
    /// The kernel is compressed with something that is not read.
    Compression(&'static str),
    /// The compressed kernel is broken, or beyond a limit.
    Decode(DecodeError),
    /// The same of lz4.
    Lz4(&'static str),
    /// The kernel proper is a broken ELF file.
    Elf(ElfError),
    /// The kernel proper has no sections: they have been taken away.
    NoSections,
    /// It has no export tables: it was built without modules.
    NoExports,
    /// Its export tables have a form that is not known.
    Tables,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKernel => f.write_str("this is no kernel image"),
            Self::Flat(architecture) => {
                write!(f, "a flat {architecture} image does not say where its export tables are")
            }
            Self::Cut => f.write_str("the image ends before the kernel inside does"),
            Self::Compression(format) => write!(f, "kernels compressed with {format} are not read"),
            Self::Decode(_) => f.write_str("the kernel inside cannot be decompressed"),
            Self::Lz4(cause) => write!(f, "the kernel inside cannot be decompressed: lz4: {cause}"),
            Self::Elf(_) => f.write_str("the kernel inside is no usable ELF file"),
            Self::NoSections => f.write_str("the sections of the kernel inside have been taken away"),
            Self::NoExports => f.write_str("the kernel exports nothing: it was built without modules"),
            Self::Tables => f.write_str("the kernel's export tables have an unknown form"),
        }
    }
}

impl core::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Elf(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ElfError> for ImageError {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

/// What a kernel image exports.
///
/// ```
/// use depmod_core::{Limits, parts::{decompress::PureDecoder, parse::kernel::{ImageError, image_exports}}};
///
/// let error = image_exports(b"MZ, but no kernel", &mut PureDecoder::new(), &Limits::DEFAULT).unwrap_err();
/// assert_eq!(error.to_string(), "this is no kernel image");
/// ```
///
/// # Errors
/// When it is none, or cannot be read.
pub fn image_exports(
    image: &[u8],
    decoder: &mut dyn Decoder,
    limits: &Limits,
) -> Result<KernelExports, ImageError> {
    // A program with a compressed flat image, with an ELF file: none has more layers.
    const LAYERS: usize = 3;
    let mut decoded: Option<Vec<u8>> = None;
    for _ in 0..LAYERS {
        match inside(decoded.as_deref().unwrap_or(image))? {
            Layer::Elf(elf) => return elf_exports(elf),
            Layer::Compressed(payload) => {
                let mut out = Vec::new();
                decompress(payload, decoder, limits, &mut out)?;
                decoded = Some(out);
            }
        }
    }
    Err(ImageError::NotKernel)
}

/// What an image holds.
#[derive(Debug, PartialEq, Eq)]
enum Layer<'a> {
    Elf(&'a [u8]),
    Compressed(&'a [u8]),
}

/// Recognises an image by what it begins with.
fn inside(image: &[u8]) -> Result<Layer<'_>, ImageError> {
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

/// What a kernel can be compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Module(Compression),
    Lz4,
    Other(&'static str),
}

fn format(payload: &[u8]) -> Option<Format> {
    let others: [(&[u8], Format); 4] = [
        (b"\x02\x21\x4c\x18", Format::Lz4),
        (b"BZh", Format::Other("bzip2")),
        (b"\x5d\0\0", Format::Other("lzma")),
        (b"\x89LZO", Format::Other("lzo")),
    ];
    let other = || others.into_iter().find(|(magic, _)| payload.starts_with(magic)).map(|(_, format)| format);
    Compression::detect(payload).map(Format::Module).or_else(other)
}

/// Decodes a payload. All formats but gzip, which has it already, have the decoded size in four bytes behind them.
fn decompress(
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
            // An xz stream ends with these letters.
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

/// Whether four bytes are left behind the last chunk.
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

/// A section's bytes, and its address.
#[derive(Clone, Copy, Default)]
struct Table<'a> {
    bytes: &'a [u8],
    address: u64,
}

/// The export tables of a kernel.
#[derive(Default)]
struct Tables<'a> {
    /// `__ksymtab` and `__ksymtab_gpl`.
    entries: [Option<Table<'a>>; 2],
    /// `__kcrctab` and `__kcrctab_gpl`.
    crcs: [Option<Table<'a>>; 2],
    flags: Option<Table<'a>>,
    strings: Option<Table<'a>>,
}

impl<'a> Tables<'a> {
    fn find(header: FileHeader, elf: &'a [u8]) -> Result<Self, ImageError> {
        let size = u64::try_from(elf.len()).unwrap_or(u64::MAX);
        let get = |range: Range<u64>| range_of(elf, &range);
        let headers = get(header.section_headers()).unwrap_or_default();
        let sections = SectionTable::new(header, headers, size);
        let names = get(sections.names_range()?).unwrap_or_default();
        let mut tables = Self::default();
        let Self { entries: [entries, entries_gpl], crcs: [crcs, crcs_gpl], flags, strings } = &mut tables;
        for index in 1..header.sections {
            let Some(section) = sections.get(index) else { continue };
            let name = usize::try_from(section.name).ok().and_then(|at| names.get(at..)).unwrap_or_default();
            let slot = match name.split(|&byte| byte == 0).next() {
                Some(b"__ksymtab") => &mut *entries,
                Some(b"__ksymtab_gpl") => &mut *entries_gpl,
                Some(b"__kcrctab") => &mut *crcs,
                Some(b"__kcrctab_gpl") => &mut *crcs_gpl,
                Some(b"__kflagstab") => &mut *flags,
                Some(b"__ksymtab_strings") => &mut *strings,
                _ => continue,
            };
            if let Some(bytes) = section.range(size).and_then(get)
                && let Some(address) = sections.address(index)
            {
                slot.get_or_insert(Table { bytes, address });
            }
        }
        Ok(tables)
    }
}

fn range_of<'a>(bytes: &'a [u8], range: &Range<u64>) -> Option<&'a [u8]> {
    bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// How an entry of an export table says where its strings are.
#[derive(Clone, Copy)]
enum Place {
    /// As a 32-bit distance from the field itself.
    Distance,
    /// As an address of so many bytes.
    Address(usize),
}

/// The form of an entry.
#[derive(Clone, Copy)]
struct Form {
    place: Place,
    with_namespace: bool,
}

impl Form {
    /// All that there have been; a 32-bit kernel has no 64-bit addresses.
    fn all(class: Class) -> impl Iterator<Item = Self> {
        let address = match class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        };
        let places = [Place::Distance, Place::Address(address)].into_iter();
        places.flat_map(|place| [true, false].map(|with_namespace| Self { place, with_namespace }))
    }

    fn word_size(self) -> usize {
        match self.place {
            Place::Distance => 4,
            Place::Address(size) => size,
        }
    }

    fn size(self) -> usize {
        self.word_size().saturating_mul(if self.with_namespace { 3 } else { 2 })
    }

    /// The string that a field names: where it begins in the strings. `Some(None)` is a field that names none.
    fn string(self, order: ByteOrder, field: Table<'_>, strings: Table<'_>) -> Option<Option<usize>> {
        let address = match self.place {
            Place::Distance => match order.u32(field.bytes)?.cast_signed() {
                0 => return Some(None),
                distance => field.address.checked_add_signed(i64::from(distance))?,
            },
            Place::Address(4) => u64::from(order.u32(field.bytes)?),
            Place::Address(_) => order.u64(field.bytes)?,
        };
        if address == 0 {
            return Some(None);
        }
        let at = usize::try_from(address.checked_sub(strings.address)?).ok()?;
        (at < strings.bytes.len()).then_some(Some(at))
    }

    /// The exports of a table in this form, without CRCs; `None` if it has another one.
    fn read<'a>(
        self,
        order: ByteOrder,
        table: Table<'_>,
        strings: Table<'a>,
    ) -> Option<Vec<KernelExport<'a>>> {
        if !table.bytes.len().is_multiple_of(self.size()) {
            return None;
        }
        let mut exports = Vec::with_capacity(table.bytes.len().checked_div(self.size())?);
        for at in (0..table.bytes.len()).step_by(self.size()) {
            let text = |number: usize| {
                let at = at.checked_add(self.word_size().checked_mul(number)?)?;
                let field = Table {
                    bytes: table.bytes.get(at..)?,
                    address: table.address.checked_add(u64::try_from(at).ok()?)?,
                };
                Some(match self.string(order, field, strings)? {
                    None => &b""[..],
                    Some(at) => {
                        let rest = strings.bytes.get(at..)?;
                        rest.get(..memchr::memchr(0, rest)?)?
                    }
                })
            };
            let name = text(1).filter(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic))?;
            let namespace = if self.with_namespace { text(2)? } else { b"" };
            exports.push(KernelExport { name, crc: 0, gpl_only: false, namespace });
        }
        Some(exports)
    }
}

fn elf_exports(elf: &[u8]) -> Result<KernelExports, ImageError> {
    let size = u64::try_from(elf.len()).unwrap_or(u64::MAX);
    let header = FileHeader::parse(elf, size).map_err(|error| match error {
        ElfError::Field { value: 0, .. } => ImageError::NoSections,
        error => ImageError::Elf(error),
    })?;
    let tables = Tables::find(header, elf)?;
    let Some(strings) = tables.strings else { return Err(ImageError::NoExports) };
    let order = header.byte_order;
    let form = |form: Form| {
        let read = |table: Option<Table<'_>>| match table {
            Some(table) => form.read(order, table, strings),
            None => Some(Vec::new()),
        };
        let [plain, gpl] = tables.entries;
        Some([read(plain)?, read(gpl)?])
    };
    let read = Form::all(header.class).find_map(form).ok_or(ImageError::Tables)?;
    let flags = tables.flags.map(|flags| flags.bytes).unwrap_or_default();
    let mut exports = KernelExports::default();
    (exports.has_details, exports.vermagic) = (true, vermagic(elf));
    for ((table, crcs), in_gpl) in read.into_iter().zip(tables.crcs).zip([false, true]) {
        let crcs = crcs.map(|crcs| crcs.bytes).unwrap_or_default();
        // Words of 32 bits; before Linux 4.11, as long as an address.
        let word = crcs.len().checked_div(table.len()).unwrap_or(0);
        for (number, export) in table.into_iter().enumerate() {
            let crc = crcs.get(number.saturating_mul(word)..).and_then(|crc| match word {
                4 => order.u32(crc).map(u64::from),
                8 => order.u64(crc),
                _ => None,
            });
            let flagged = !in_gpl && flags.get(number).is_some_and(|flags| flags & 1 != 0);
            exports.push(KernelExport { crc: crc.unwrap_or(0), gpl_only: in_gpl || flagged, ..export });
        }
    }
    if exports.is_empty() { Err(ImageError::NoExports) } else { Ok(exports) }
}

/// The version magic of the kernel's modules: the string that begins with the release which `Linux version …` names.
///
/// ```text
/// 6.12.117+deb13-amd64 SMP preempt mod_unload modversions
/// ```
fn vermagic(elf: &[u8]) -> Option<BString> {
    const BANNER: &[u8] = b"Linux version ";
    const LONGEST: usize = 512;
    let at = memchr::memmem::find_iter(elf, BANNER).find_map(|at| {
        let rest = elf.get(at.checked_add(BANNER.len())?..)?;
        let rest = rest.get(..LONGEST.min(rest.len()))?;
        let release = rest.get(..memchr::memchr(b' ', rest)?)?;
        release.first().filter(|byte| byte.is_ascii_digit())?;
        Some([release, b" "].concat())
    })?;
    let found = memchr::memmem::find_iter(elf, &at).find_map(|start| {
        let rest = elf.get(start..)?;
        let text = rest.get(..memchr::memchr(0, rest.get(..LONGEST.min(rest.len()))?)?)?;
        let words = text.get(at.len()..)?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" _-.".contains(byte);
        (text.ends_with(b" ") || words.windows(4).any(|four| four == b"mod_"))
            .then_some(text)
            .filter(|_| words.iter().all(plain))
    });
    found.map(BString::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompress::PureDecoder;
    use alloc::string::ToString;
    use alloc::vec;

    /// A 64-bit vmlinux with two exports, in any form.
    struct Vmlinux {
        form: Form,
        crc_size: usize,
        flags: bool,
    }

    const ADDRESS: u64 = 0xffff_ffff_8200_0000;
    const STRINGS: &[u8] = b"printk\0usb_add\0USB\0";

    impl Vmlinux {
        fn build(&self) -> Vec<u8> {
            let mut names = vec![0];
            let mut sections: Vec<(usize, Vec<u8>)> = Vec::new();
            let mut add = |name: &str, bytes: Vec<u8>| {
                sections.push((names.len(), bytes));
                names.extend(name.bytes().chain([0]));
            };
            add("__ksymtab_strings", STRINGS.to_vec());
            // Where the first and the second table will lie: behind header and strings.
            let first = 64 + STRINGS.len() as u64;
            let entry = |at: u64, name: u64, namespace: u64| {
                let mut bytes = Vec::new();
                let words = [0u64, name, namespace];
                let words = &words[..if self.form.with_namespace { 3 } else { 2 }];
                for (number, &string) in words.iter().enumerate() {
                    let target = ADDRESS + 64 + string;
                    match self.form.place {
                        Place::Distance => {
                            let field = ADDRESS + at + 4 * number as u64;
                            bytes.extend((target.wrapping_sub(field) as u32).to_le_bytes());
                        }
                        Place::Address(_) => bytes.extend(target.to_le_bytes()),
                    }
                }
                bytes
            };
            let size = self.form.size() as u64;
            let crc = |crc: u64| crc.to_le_bytes()[..self.crc_size].to_vec();
            // Offset 6 of the strings is a NUL: no namespace.
            if self.flags {
                add("__ksymtab", [entry(first, 0, 6), entry(first + size, 7, 15)].concat());
                add("__kflagstab", vec![0, 1]);
                add("__kcrctab", [crc(7), crc(8)].concat());
            } else {
                add("__ksymtab", entry(first, 0, 6));
                add("__ksymtab_gpl", entry(first + size, 7, 15));
                add("__kcrctab", crc(7));
                add("__kcrctab_gpl", crc(8));
            }
            let text = b"xLinux version 6.1.0-x (gcc)\0y6.1.0-x (odd)\0z6.1.0-x SMP mod_unload \0";
            add(".rodata", text.to_vec());
            let shstrtab = names.len();
            names.extend(b".shstrtab\0");
            sections.push((shstrtab, names));
            let mut file = vec![0; 64];
            let mut headers = vec![0; 64];
            let count = sections.len() as u8;
            for (name, bytes) in sections {
                let mut header = [0; 64];
                header[..4].copy_from_slice(&(name as u32).to_le_bytes());
                header[16..24].copy_from_slice(&(ADDRESS + file.len() as u64).to_le_bytes());
                header[24..32].copy_from_slice(&(file.len() as u64).to_le_bytes());
                header[32..40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
                headers.extend(header);
                file.extend(bytes);
            }
            let table = file.len() as u64;
            file.extend(headers);
            file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
            file[40..48].copy_from_slice(&table.to_le_bytes());
            file[58] = 64;
            file[60] = count + 1;
            file[62] = count;
            file
        }
    }

    fn read(image: &[u8]) -> Result<KernelExports, ImageError> {
        image_exports(image, &mut PureDecoder::new(), &Limits::DEFAULT)
    }

    fn usual() -> Vec<u8> {
        Vmlinux { form: Form { place: Place::Distance, with_namespace: true }, crc_size: 4, flags: false }
            .build()
    }

    #[test]
    fn all_generations_of_export_tables() {
        for (place, with_namespace, crc_size, flags) in [
            (Place::Distance, true, 4, false),
            (Place::Distance, true, 4, true),
            (Place::Distance, false, 4, false),
            (Place::Address(8), true, 4, false),
            (Place::Address(8), false, 8, false),
        ] {
            let form = Form { place, with_namespace };
            let exports = read(&Vmlinux { form, crc_size, flags }.build()).unwrap();
            let namespace: &[u8] = if with_namespace { b"USB" } else { b"" };
            let expected = [
                KernelExport { name: b"printk", crc: 7, gpl_only: false, namespace: b"" },
                KernelExport { name: b"usb_add", crc: 8, gpl_only: true, namespace },
            ];
            assert!(exports.iter().eq(expected), "{:?}", exports.iter().collect::<Vec<_>>());
            assert!(exports.has_crcs && exports.has_details);
            assert_eq!(exports.vermagic.unwrap(), "6.1.0-x SMP mod_unload ");
        }
    }

    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024 + 16];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
        image[0x248] = 16;
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image
    }

    #[cfg(feature = "lz4")]
    fn lz4_of(elf: &[u8]) -> Vec<u8> {
        // Literals alone: 15 and a row of bytes that add up to the rest of their number.
        let more = elf.len() - 15;
        let mut block = vec![0xf0];
        block.extend(vec![255; more / 255]);
        block.push((more % 255) as u8);
        block.extend(elf);
        [b"\x02\x21\x4c\x18".as_slice(), &(block.len() as u32).to_le_bytes(), &block].concat()
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn a_bzimage_and_a_zboot_image() {
        let elf = usual();
        let size = (elf.len() as u32).to_le_bytes();
        for payload in [lz4_of(&elf), [lz4_of(&elf), size.to_vec()].concat(), elf.clone()] {
            let read = read(&bzimage(&payload));
            match payload == elf {
                true => assert_eq!(read.unwrap_err(), ImageError::NotKernel, "an x86 payload is compressed"),
                false => assert_eq!(read.unwrap().len(), 2),
            }
        }
        let payload = lz4_of(&elf);
        let mut zboot = b"MZ\0\0zimg".to_vec();
        zboot.extend([16u32, payload.len() as u32].map(u32::to_le_bytes).concat());
        zboot.extend(&payload);
        assert_eq!(read(&zboot).unwrap().len(), 2);
        zboot.pop();
        assert_eq!(read(&zboot).unwrap_err(), ImageError::Cut);
        let image = bzimage(&payload);
        for end in 0..image.len() {
            assert!(read(&image[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_no_kernel_is_called_that() {
        let mut flat = vec![0; 64];
        flat[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert_eq!(
            read(&flat).unwrap_err().to_string(),
            "a flat arm64 image does not say where its export tables are"
        );
        flat[0x38..0x3c].copy_from_slice(b"RSC\x05");
        assert_eq!(read(&flat).unwrap_err(), ImageError::Flat("riscv"));
        for bytes in [&b""[..], b"MZ", b"#!/bin/sh\n", &[0; 4096]] {
            assert_eq!(read(bytes).unwrap_err(), ImageError::NotKernel);
        }
        assert_eq!(read(&bzimage(b"BZh91AY")).unwrap_err(), ImageError::Compression("bzip2"));
        let mut elf = usual();
        elf[58..64].fill(0);
        assert_eq!(read(&elf).unwrap_err(), ImageError::NoSections);
    }

    #[test]
    fn any_damage_is_an_error_or_another_answer() {
        let elf = usual();
        for at in 0..elf.len() {
            for bits in [0xff, 1, 0x80] {
                let mut damaged = elf.clone();
                damaged[at] ^= bits;
                let _ = read(&damaged);
            }
            let _ = read(&elf[..at]);
        }
    }
}
