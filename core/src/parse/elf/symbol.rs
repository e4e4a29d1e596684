//! The symbol table.

use scroll::Pread;

use super::{ByteOrder, Class};

/// Special section indexes.
pub mod section_index {
    /// Undefined: the module needs the symbol.
    pub const UNDEF: u16 = 0;
    /// The value is absolute.
    pub const ABS: u16 = 0xfff1;
}

/// Symbol bindings.
pub mod binding {
    /// May stay undefined.
    pub const WEAK: u8 = 2;
}

/// Symbol types.
pub mod symbol_type {
    /// On SPARC: a register, not a need.
    pub const REGISTER: u8 = 13;
}

/// One symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// `st_name`: offset in the string table.
    pub name: u32,
    /// `st_info`: binding and type.
    pub info: u8,
    /// `st_shndx`.
    pub section: u16,
    /// `st_value`.
    pub value: u64,
}

impl Symbol {
    /// The upper half of `st_info`.
    #[must_use]
    pub fn binding(&self) -> u8 {
        self.info >> 4
    }

    /// The lower half of `st_info`.
    #[must_use]
    pub fn symbol_type(&self) -> u8 {
        self.info & 0xf
    }

    fn parse(class: Class, byte_order: ByteOrder, bytes: &[u8]) -> Option<Self> {
        let endian = byte_order.endian();
        let name = bytes.pread_with(0, endian).ok()?;
        Some(match class {
            Class::Elf32 => Self {
                name,
                info: *bytes.get(12)?,
                section: bytes.pread_with(14, endian).ok()?,
                value: u64::from(bytes.pread_with::<u32>(4, endian).ok()?),
            },
            Class::Elf64 => Self {
                name,
                info: *bytes.get(4)?,
                section: bytes.pread_with(6, endian).ok()?,
                value: bytes.pread_with(8, endian).ok()?,
            },
        })
    }
}

/// The entries of a symbol table, without the null entry (index 0).
#[derive(Clone, Debug)]
pub struct Symbols<'data> {
    class: Class,
    byte_order: ByteOrder,
    entries: core::slice::ChunksExact<'data, u8>,
}

impl<'data> Symbols<'data> {
    /// Parses a symbol table; `None` if its length is not a multiple of an entry's.
    #[must_use]
    pub fn new(class: Class, byte_order: ByteOrder, table: &'data [u8]) -> Option<Self> {
        let mut entries = table.chunks_exact(class.symbol_size());
        if !entries.remainder().is_empty() {
            return None;
        }
        entries.next();
        Some(Self { class, byte_order, entries })
    }
}

impl<'data> Symbols<'data> {
    /// The symbols with wanted names; a name is an offset in the string table. Nothing else is read of the
    /// others: of the million symbols of a kernel, nearly all are local.
    pub(crate) fn named(self, mut wanted: impl FnMut(u32) -> bool) -> impl Iterator<Item = Symbol> {
        let Self { class, byte_order, entries } = self;
        entries.filter_map(move |entry| {
            let name = byte_order.u32(entry)?;
            if wanted(name) { Symbol::parse(class, byte_order, entry) } else { None }
        })
    }

    /// The undefined symbols, in the same way.
    pub(crate) fn undefined(self) -> impl Iterator<Item = Symbol> {
        let Self { class, byte_order, entries } = self;
        let place = match class {
            Class::Elf32 => 14,
            Class::Elf64 => 6,
        };
        // The same bytes in both byte orders.
        let undefined = section_index::UNDEF.to_ne_bytes();
        entries
            .filter(move |entry| entry.get(place..).is_some_and(|bytes| bytes.starts_with(&undefined)))
            .filter_map(move |entry| Symbol::parse(class, byte_order, entry))
    }
}

impl Iterator for Symbols<'_> {
    type Item = Symbol;

    #[inline]
    fn next(&mut self) -> Option<Symbol> {
        Symbol::parse(self.class, self.byte_order, self.entries.next()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_classes_are_parsed() {
        let mut table = std::vec![0u8; 48];
        table[24] = 7;
        table[28] = 0x2d; // weak, register
        table[30] = 0xf1;
        table[31] = 0xff;
        table[32] = 9;
        let symbol = Symbols::new(Class::Elf64, ByteOrder::Little, &table).unwrap().next().unwrap();
        assert_eq!(symbol, Symbol { name: 7, info: 0x2d, section: section_index::ABS, value: 9 });
        assert_eq!((symbol.binding(), symbol.symbol_type()), (binding::WEAK, symbol_type::REGISTER));

        let mut table = std::vec![0u8; 32];
        table[19] = 7;
        table[23] = 9;
        table[28] = 0x10;
        table[31] = 3;
        let symbol = Symbols::new(Class::Elf32, ByteOrder::Big, &table).unwrap().next().unwrap();
        assert_eq!(symbol, Symbol { name: 7, info: 0x10, section: 3, value: 9 });

        assert!(Symbols::new(Class::Elf64, ByteOrder::Little, &table).is_none());
    }
}
