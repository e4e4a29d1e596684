//! Section headers and their names.

use core::ops::Range;

use scroll::Pread;

use super::{ByteOrder, Class, ElfError, Field, FileHeader};

/// `SHT_NOBITS`: the type of sections whose bytes are not in the file.
const NO_BYTES: u32 = 8;

/// The relevant fields of one section header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// `sh_name`: offset in the section name table.
    pub name: u32,
    /// Whether its bytes are in the file (`sh_type` is not `SHT_NOBITS`).
    pub has_bytes: bool,
    /// `sh_offset`: offset of the data in the file; unchecked.
    pub offset: u64,
    /// `sh_size`, in bytes.
    pub size: u64,
}

impl Section {
    /// The section's range in a file of `file_size` bytes; `None` if it is partly outside, or not in the
    /// file at all.
    #[must_use]
    pub fn range(&self, file_size: u64) -> Option<Range<u64>> {
        let end = self.offset.checked_add(self.size)?;
        (self.has_bytes && end <= file_size).then_some(self.offset..end)
    }

    fn parse(class: Class, byte_order: ByteOrder, bytes: &[u8]) -> Option<Self> {
        let endian = byte_order.endian();
        let word = |at: usize| bytes.pread_with::<u32>(at, endian).ok();
        let long = |at: usize| bytes.pread_with::<u64>(at, endian).ok();
        let (offset, size) = match class {
            Class::Elf32 => (u64::from(word(16)?), u64::from(word(20)?)),
            Class::Elf64 => (long(24)?, long(32)?),
        };
        Some(Self { name: word(0)?, has_bytes: word(4)? != NO_BYTES, offset, size })
    }
}

/// The section headers of one file.
#[derive(Clone, Copy, Debug)]
pub struct SectionTable<'data> {
    header: FileHeader,
    bytes: &'data [u8],
    file_size: u64,
}

impl<'data> SectionTable<'data> {
    /// A table of the bytes at [`FileHeader::section_headers`].
    #[must_use]
    pub fn new(header: FileHeader, bytes: &'data [u8], file_size: u64) -> Self {
        Self { header, bytes, file_size }
    }

    /// The section with this index; its range is unchecked.
    #[must_use]
    pub fn get(&self, index: u16) -> Option<Section> {
        let size = usize::try_from(self.header.class.section_header_size()).ok()?;
        let start = usize::from(index).checked_mul(size)?;
        let bytes = self.bytes.get(start..start.checked_add(size)?)?;
        Section::parse(self.header.class, self.header.byte_order, bytes)
    }

    /// `sh_addr`: where the section of this index is meant to lie in memory.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn address(&self, index: u16) -> Option<u64> {
        let size = usize::try_from(self.header.class.section_header_size()).ok()?;
        let bytes = self.bytes.get(usize::from(index).checked_mul(size)?..)?.get(..size)?;
        let order = self.header.byte_order;
        match self.header.class {
            Class::Elf32 => bytes.get(12..).and_then(|at| order.u32(at)).map(u64::from),
            Class::Elf64 => bytes.get(16..).and_then(|at| order.u64(at)),
        }
    }

    /// The range of the section names.
    ///
    /// # Errors
    /// When the range is outside the file or empty, or does not contain its own section's name.
    pub fn names_range(&self) -> Result<Range<u64>, ElfError> {
        let index = self.header.names_index;
        let bad = |section: Section| ElfError::Field {
            field: Field::SectionNames,
            offset: section.offset,
            value: u64::from(index),
        };
        let section = self.get(index).unwrap_or(Section { name: 0, has_bytes: false, offset: 0, size: 0 });
        // kmod reads this section's header like any other, which fails without a name.
        let range = section.range(self.file_size).filter(|_| u64::from(section.name) < section.size);
        range.ok_or_else(|| bad(section))
    }

    /// The sections from index 1 on, each with the rest of the name table beginning with its
    /// name: a section has a name if these bytes start with the name and a NUL. `names` are the bytes of
    /// [`Self::names_range`].
    pub fn named<'names>(
        &self,
        names: &'names [u8],
    ) -> impl Iterator<Item = (&'names [u8], Section)> + use<'names, '_, 'data> {
        (1..self.header.sections).filter_map(move |index| {
            let section = self.get(index)?;
            let name = names.get(usize::try_from(section.name).ok()?..)?;
            Some((name, section))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_outside_of_the_file_are_absent() {
        let mut file = std::vec![0u8; 64];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[40] = 64;
        file[58] = 64;
        file[60] = 4;
        file[62] = 1;
        let size = 64 + 4 * 64 + 8;
        let header = FileHeader::parse(&file, size).unwrap();
        let mut table = std::vec![0u8; 256];
        let mut put = |index: usize, name: u8, offset: u64, length: u64| {
            table[index * 64] = name;
            table[index * 64 + 24..][..8].copy_from_slice(&offset.to_le_bytes());
            table[index * 64 + 32..][..8].copy_from_slice(&length.to_le_bytes());
        };
        put(1, 0, 320, 8);
        put(2, 1, 320, 9);
        put(3, 9, u64::MAX, 2);
        let sections = SectionTable::new(header, &table, size);
        assert_eq!(sections.names_range(), Ok(320..328));
        let names = |(name, section): (_, Section)| (name, section.range(size));
        let named: alloc::vec::Vec<_> = sections.named(b"\0.strtab\0").map(names).collect();
        let (all, own) = (&b"\0.strtab\0"[..], &b".strtab\0"[..]);
        assert_eq!(named, [(all, Some(320..328)), (own, None), (&b""[..], None)]);
        table[68] = 8;
        let sections = SectionTable::new(header, &table, size);
        let named: alloc::vec::Vec<_> = sections.named(b"\0.strtab\0").map(names).collect();
        assert_eq!(named, [(all, None), (own, None), (&b""[..], None)], "its bytes are not in the file");
        assert_eq!(sections.get(4), None);
    }
}
