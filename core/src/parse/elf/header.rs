//! The file header.

use core::ops::Range;

use scroll::{Endian, Pread};
use static_assertions::const_assert_eq;

use super::{ElfError, Field};

/// 32 or 64 bit: determines the size of every structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `ELFCLASS32`
    Elf32,
    /// `ELFCLASS64`
    Elf64,
}

/// `EI_DATA`: the byte order of every word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// `ELFDATA2LSB`
    Little,
    /// `ELFDATA2MSB`
    Big,
}

impl ByteOrder {
    pub(super) fn endian(self) -> Endian {
        match self {
            Self::Little => Endian::Little,
            Self::Big => Endian::Big,
        }
    }

    /// The 32-bit word at the start of `bytes`.
    #[must_use]
    pub fn u32(self, bytes: &[u8]) -> Option<u32> {
        bytes.pread_with(0, self.endian()).ok()
    }

    /// The 64-bit word at the start of `bytes`.
    #[must_use]
    pub fn u64(self, bytes: &[u8]) -> Option<u64> {
        bytes.pread_with(0, self.endian()).ok()
    }
}

const MAGIC: [u8; 4] = *b"\x7fELF";
const EI_NIDENT: u64 = 16;
const EI_CLASS: u64 = 4;
const EI_DATA: u64 = 5;
const E_MACHINE: usize = 18;

/// Offsets of a header's fields, named as in the specification.
struct Layout {
    e_shoff: usize,
    e_shentsize: usize,
    e_shnum: usize,
    e_shstrndx: usize,
    length: u64,
}

const ELF32: Layout = Layout { e_shoff: 32, e_shentsize: 46, e_shnum: 48, e_shstrndx: 50, length: 52 };
const ELF64: Layout = Layout { e_shoff: 40, e_shentsize: 58, e_shnum: 60, e_shstrndx: 62, length: 64 };
const_assert_eq!(ELF32.length.wrapping_sub(2), ELF32.e_shstrndx as u64);
const_assert_eq!(ELF64.length.wrapping_sub(2), ELF64.e_shstrndx as u64);

impl Class {
    fn layout(self) -> Layout {
        match self {
            Self::Elf32 => ELF32,
            Self::Elf64 => ELF64,
        }
    }

    /// Bytes of one section header.
    #[must_use]
    pub const fn section_header_size(self) -> u64 {
        match self {
            Self::Elf32 => 40,
            Self::Elf64 => 64,
        }
    }

    /// Bytes of one symbol.
    #[must_use]
    pub const fn symbol_size(self) -> usize {
        match self {
            Self::Elf32 => 16,
            Self::Elf64 => 24,
        }
    }

    /// Bytes of a CRC in `__versions`; the name field fills the entry up to 64.
    #[must_use]
    pub const fn version_crc_size(self) -> usize {
        match self {
            Self::Elf32 => 4,
            Self::Elf64 => 8,
        }
    }
}

/// The relevant fields of the file header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// 32 or 64 bit.
    pub class: Class,
    /// Byte order of every word in the file.
    pub byte_order: ByteOrder,
    /// `e_machine`.
    pub machine: u16,
    /// `e_shstrndx`: index of the section with the section names, between 1 and `sections` − 1.
    pub names_index: u16,
    /// `e_shnum`: number of section headers.
    pub sections: u16,
    offset: u64,
}

impl FileHeader {
    /// Size of the longest header; a host reads this many bytes first.
    pub const MAX_LEN: usize = 64;

    /// Whether these are the first bytes of an ELF file.
    #[must_use]
    pub fn is_elf(head: &[u8]) -> bool {
        head.starts_with(&MAGIC)
    }

    /// Parses the header from a file's first bytes (`head`: [`Self::MAX_LEN`] bytes, or the whole file) and
    /// the file's size.
    ///
    /// # Errors
    /// In the order of kmod's checks ([`reference::modules`](crate::reference::modules) §7.2).
    pub fn parse(head: &[u8], file_size: u64) -> Result<Self, ElfError> {
        if file_size <= EI_NIDENT || !head.starts_with(&MAGIC) {
            return Err(ElfError::NotElf);
        }
        let field = |field, offset, value| ElfError::Field { field, offset, value };
        let ident = |at: u64| usize::try_from(at).ok().and_then(|at| head.get(at)).copied().unwrap_or(0);
        let class = match ident(EI_CLASS) {
            1 => Class::Elf32,
            2 => Class::Elf64,
            other => return Err(field(Field::Class, EI_CLASS, u64::from(other))),
        };
        let layout = class.layout();
        if file_size <= layout.length {
            return Err(field(Field::HeaderLength, 0, file_size));
        }
        let byte_order = match ident(EI_DATA) {
            1 => ByteOrder::Little,
            2 => ByteOrder::Big,
            other => return Err(field(Field::Data, EI_DATA, u64::from(other))),
        };
        let endian = byte_order.endian();
        let half = |at: usize| head.pread_with::<u16>(at, endian).unwrap_or(0);
        let offset = match class {
            Class::Elf32 => head.pread_with::<u32>(layout.e_shoff, endian).map(u64::from),
            Class::Elf64 => head.pread_with::<u64>(layout.e_shoff, endian),
        }
        .unwrap_or(0);
        let header = Self {
            class,
            byte_order,
            machine: half(E_MACHINE),
            names_index: half(layout.e_shstrndx),
            sections: half(layout.e_shnum),
            offset,
        };
        let entry_size = u64::from(half(layout.e_shentsize));
        if entry_size != class.section_header_size() {
            return Err(field(Field::SectionEntrySize, layout.e_shentsize as u64, entry_size));
        }
        if offset.checked_add(header.table_size()).is_none_or(|end| end > file_size) {
            return Err(field(Field::SectionTable, layout.e_shoff as u64, offset));
        }
        if header.names_index == 0 || header.names_index >= header.sections {
            let at = layout.e_shstrndx as u64;
            return Err(field(Field::SectionNames, at, u64::from(header.names_index)));
        }
        Ok(header)
    }

    fn table_size(&self) -> u64 {
        u64::from(self.sections).saturating_mul(self.class.section_header_size())
    }

    /// The range of the section headers, inside the file.
    #[must_use]
    pub fn section_headers(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.table_size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf64() -> alloc::vec::Vec<u8> {
        let mut file = std::vec![0u8; 64];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[40] = 64;
        file[58] = 64;
        file[60] = 2;
        file[62] = 1;
        file
    }

    fn wrong(file: &[u8], size: u64) -> Field {
        match FileHeader::parse(file, size) {
            Err(ElfError::Field { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_is_checked() {
        assert!(FileHeader::parse(&elf64(), 192).is_ok());
        assert_eq!(FileHeader::parse(b"\x7fELF\x02\x01", 6), Err(ElfError::NotElf));
        assert_eq!(FileHeader::parse(b"", 0), Err(ElfError::NotElf));
        for (at, value, field) in [
            (4, 3, Field::Class),
            (5, 3, Field::Data),
            (58, 40, Field::SectionEntrySize),
            (40, 65, Field::SectionTable),
            (47, 0xff, Field::SectionTable),
            (62, 0, Field::SectionNames),
            (62, 2, Field::SectionNames),
        ] {
            let mut file = elf64();
            file[at] = value;
            assert_eq!(wrong(&file, 192), field);
        }
        assert_eq!(wrong(&elf64(), 64), Field::HeaderLength);
    }

    #[test]
    fn big_endian_32_bit_headers_are_parsed() {
        let mut file = std::vec![0u8; 52];
        file[..6].copy_from_slice(b"\x7fELF\x01\x02");
        file[19] = 2; // SPARC
        file[35] = 52;
        file[47] = 40;
        file[49] = 3;
        file[51] = 2;
        let header = FileHeader::parse(&file, 52 + 120).unwrap();
        assert_eq!((header.machine, header.names_index), (super::super::machine::SPARC, 2));
        assert_eq!(header.section_headers(), 52..172);
    }
}
