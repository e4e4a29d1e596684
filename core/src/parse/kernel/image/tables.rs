//! The export tables of a kernel's ELF file.

use alloc::vec::Vec;
use core::ops::Range;

use bstr::BString;

use super::{KernelExport, KernelExports, error::ImageError};
use crate::parse::elf::{ByteOrder, Class, ElfError, FileHeader, SectionTable, export_table};

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
                Some(export_table::ENTRIES) => &mut *entries,
                Some(export_table::ENTRIES_GPL) => &mut *entries_gpl,
                Some(export_table::CRCS) => &mut *crcs,
                Some(export_table::CRCS_GPL) => &mut *crcs_gpl,
                Some(export_table::FLAGS) => &mut *flags,
                Some(export_table::STRINGS) => &mut *strings,
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

/// The kind of references from an entry of an export table.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// A 32-bit distance from the field itself.
    Distance,
    /// An address of this number of bytes.
    Address(usize),
}

/// The form of an entry.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) place: Place,
    pub(super) with_namespace: bool,
}

impl Form {
    /// All forms of Linux's history; a 32-bit kernel has no 64-bit addresses.
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

    pub(super) fn size(self) -> usize {
        self.word_size().saturating_mul(if self.with_namespace { 3 } else { 2 })
    }

    /// The offset of a field's string in the strings; `Some(None)` for an empty field.
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

    /// The exports of a table in this form, without CRCs; `None` if the table has another form.
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

pub(super) fn elf_exports(elf: &[u8]) -> Result<KernelExports, ImageError> {
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
        // Words of 32 bits; before Linux 4.11, of the size of an address.
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

/// The version magic of the kernel's modules: the string that begins with the release from `Linux version …`.
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
