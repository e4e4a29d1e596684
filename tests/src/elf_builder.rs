//! Assembles tiny kernel modules with just the parts that depmod reads.
//!
//! A module is an ELF file. Its facts are in sections: `.modinfo` has aliases and soft dependencies;
//! `.symtab` with `.strtab` has exports (`__crc_NAME`) and needs (undefined symbols); `__versions` has the
//! CRCs of the needs. Every header field can be overridden, so the same builder makes malformed files to test
//! the parser.
//!
//! ```
//! use depmod_tests::elf_builder::{Crc, Elf};
//!
//! let module = Elf::new()
//!     .modinfo("alias=pci:v00008086d*")
//!     .export("e1000_probe", Crc::Absolute(0x1234_5678))
//!     .need("printk")
//!     .version("printk", 0x9275_4a1d)
//!     .build();
//! assert!(module.starts_with(b"\x7fELF"));
//! ```

/// Width of addresses, which selects the ELF layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 32 bits.
    Elf32,
    /// 64 bits.
    Elf64,
}

/// Byte order of every number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// All four combinations.
pub const KINDS: [(Class, Order); 4] = [
    (Class::Elf64, Order::Little),
    (Class::Elf64, Order::Big),
    (Class::Elf32, Order::Little),
    (Class::Elf32, Order::Big),
];

/// The location of an export's CRC.
#[derive(Clone, Copy, Debug)]
pub enum Crc {
    /// As the value of an absolute `__crc_` symbol (kernels before 5.19).
    Absolute(u64),
    /// As a word in `__kcrctab`, at the value of the `__crc_` symbol (newer kernels).
    InSection(u32),
    /// As the value of an undefined `__crc_` symbol.
    Undefined(u64),
    /// With any section index; the value is then an offset.
    At {
        /// `st_shndx`; may be beyond the last section.
        section: u16,
        /// `st_value`.
        value: u64,
    },
}

/// `st_info` bindings.
#[derive(Clone, Copy, Debug)]
pub enum Binding {
    /// `STB_LOCAL`.
    Local,
    /// `STB_GLOBAL`.
    Global,
    /// `STB_WEAK`.
    Weak,
}

/// A raw symbol table entry; `name` is an offset into `.strtab`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawSymbol {
    /// `st_name`.
    pub name: u32,
    /// `st_info`: binding and type.
    pub info: u8,
    /// `st_shndx`.
    pub section: u16,
    /// `st_value`.
    pub value: u64,
}

/// Fields of the ELF header that can be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the ELF specification, without the prefix e_")]
pub enum Header {
    Class,
    Data,
    Type,
    Machine,
    Version,
    Entry,
    Phoff,
    Shoff,
    Flags,
    Ehsize,
    Phentsize,
    Phnum,
    Shentsize,
    Shnum,
    Shstrndx,
}

impl Header {
    /// Every field.
    pub const ALL: [Self; 15] = [
        Self::Class,
        Self::Data,
        Self::Type,
        Self::Machine,
        Self::Version,
        Self::Entry,
        Self::Phoff,
        Self::Shoff,
        Self::Flags,
        Self::Ehsize,
        Self::Phentsize,
        Self::Phnum,
        Self::Shentsize,
        Self::Shnum,
        Self::Shstrndx,
    ];

    /// Offset and size in bytes.
    fn place(self, class: Class) -> (usize, usize) {
        let (word, after) = if class == Class::Elf64 { (8, 48) } else { (4, 36) };
        match self {
            Self::Class => (4, 1),
            Self::Data => (5, 1),
            Self::Type => (16, 2),
            Self::Machine => (18, 2),
            Self::Version => (20, 4),
            Self::Entry => (24, word),
            Self::Phoff => (24 + word, word),
            Self::Shoff => (24 + 2 * word, word),
            Self::Flags => (after, 4),
            Self::Ehsize => (after + 4, 2),
            Self::Phentsize => (after + 6, 2),
            Self::Phnum => (after + 8, 2),
            Self::Shentsize => (after + 10, 2),
            Self::Shnum => (after + 12, 2),
            Self::Shstrndx => (after + 14, 2),
        }
    }
}

/// Fields of a section header that can be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the ELF specification, without the prefix sh_")]
pub enum SectionField {
    Name,
    Type,
    Flags,
    Addr,
    Offset,
    Size,
    Link,
    Info,
    Addralign,
    Entsize,
}

impl SectionField {
    /// Every field.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Type,
        Self::Flags,
        Self::Addr,
        Self::Offset,
        Self::Size,
        Self::Link,
        Self::Info,
        Self::Addralign,
        Self::Entsize,
    ];

    /// Offset and size in bytes.
    fn place(self, class: Class) -> (usize, usize) {
        let word = if class == Class::Elf64 { 8 } else { 4 };
        match self {
            Self::Name => (0, 4),
            Self::Type => (4, 4),
            Self::Flags => (8, word),
            Self::Addr => (8 + word, word),
            Self::Offset => (8 + 2 * word, word),
            Self::Size => (8 + 3 * word, word),
            Self::Link => (8 + 4 * word, 4),
            Self::Info => (12 + 4 * word, 4),
            Self::Addralign => (16 + 4 * word, word),
            Self::Entsize => (16 + 5 * word, word),
        }
    }
}

/// A module under construction. Empty sections are left out of the file.
#[derive(Clone, Debug)]
pub struct Elf {
    class: Class,
    order: Order,
    modinfo: Vec<u8>,
    exports: Vec<u8>,
    versions: Vec<u8>,
    crcs: Vec<u8>,
    symbols: Vec<(RawSymbol, SymbolSection)>,
    names: Vec<u8>,
    sections: Vec<(String, Vec<u8>)>,
    omitted: Vec<String>,
    headers: Vec<(Header, u64)>,
    section_headers: Vec<(String, SectionField, u64)>,
    end_with_names: Option<usize>,
}

/// The section of a symbol: a fixed number, or a name to resolve when sections are numbered.
#[derive(Clone, Copy, Debug)]
enum SymbolSection {
    AsGiven,
    CrcTable,
}

const SHN_ABS: u16 = 0xfff1;

impl Default for Elf {
    fn default() -> Self {
        Self::new()
    }
}

impl Elf {
    /// An empty 64-bit little-endian module.
    pub fn new() -> Self {
        Self::of(Class::Elf64, Order::Little)
    }

    /// An empty module of one of the [`KINDS`].
    pub fn of(class: Class, order: Order) -> Self {
        Self {
            class,
            order,
            modinfo: Vec::new(),
            exports: Vec::new(),
            versions: Vec::new(),
            crcs: Vec::new(),
            symbols: Vec::new(),
            names: vec![0],
            sections: Vec::new(),
            omitted: Vec::new(),
            headers: Vec::new(),
            section_headers: Vec::new(),
            end_with_names: None,
        }
    }

    /// Appends an entry `key=value` and its NUL to `.modinfo`.
    pub fn modinfo(mut self, entry: impl AsRef<[u8]>) -> Self {
        self.modinfo.extend_from_slice(entry.as_ref());
        self.modinfo.push(0);
        self
    }

    /// Appends bytes to `.modinfo` unchanged.
    pub fn modinfo_raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.modinfo.extend_from_slice(bytes.as_ref());
        self
    }

    /// Exports a symbol by `__crc_NAME`.
    pub fn export(mut self, name: impl AsRef<[u8]>, crc: Crc) -> Self {
        let name = self.name(&[b"__crc_", name.as_ref()].concat());
        let symbol = |section, value| RawSymbol { name, info: 0x10, section, value };
        match crc {
            Crc::Absolute(value) => self.symbols.push((symbol(SHN_ABS, value), SymbolSection::AsGiven)),
            Crc::Undefined(value) => self.symbols.push((symbol(0, value), SymbolSection::AsGiven)),
            Crc::At { section, value } => self.symbols.push((symbol(section, value), SymbolSection::AsGiven)),
            Crc::InSection(crc) => {
                let offset = self.crcs.len() as u64;
                let crc = self.number(u64::from(crc), 4);
                self.crcs.extend(crc);
                self.symbols.push((symbol(0, offset), SymbolSection::CrcTable));
            }
        }
        self
    }

    /// Adds a strong need of a symbol.
    pub fn need(self, name: impl AsRef<[u8]>) -> Self {
        self.need_as(name, Binding::Global, 0)
    }

    /// Adds a need of a symbol with a binding and an `STT_…` type.
    pub fn need_as(mut self, name: impl AsRef<[u8]>, binding: Binding, kind: u8) -> Self {
        let name = self.name(name.as_ref());
        self.raw_symbol(RawSymbol { name, info: ((binding as u8) << 4) | kind, section: 0, value: 0 })
    }

    /// Appends a symbol table entry unchanged.
    pub fn raw_symbol(mut self, symbol: RawSymbol) -> Self {
        self.symbols.push((symbol, SymbolSection::AsGiven));
        self
    }

    /// Appends an entry to `__versions`.
    pub fn version(self, name: impl AsRef<[u8]>, crc: u32) -> Self {
        self.version_raw(u64::from(crc), name)
    }

    /// Appends an entry to `__versions` whose name field is truncated or padded with NULs to its size: 56
    /// bytes (60 in 32-bit files). A name of at least that size is unterminated.
    pub fn version_raw(mut self, crc: u64, name: impl AsRef<[u8]>) -> Self {
        let word = self.word();
        let mut entry = self.number(crc, word);
        entry.extend_from_slice(name.as_ref());
        entry.resize(64, 0);
        self.versions.extend(entry);
        self
    }

    /// Appends bytes to `__versions` unchanged.
    pub fn versions_raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.versions.extend_from_slice(bytes.as_ref());
        self
    }

    /// Appends bytes to `__ksymtab_strings`, including NULs.
    pub fn ksymtab_strings(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.exports.extend_from_slice(bytes.as_ref());
        self
    }

    /// Adds a section of any name.
    pub fn section(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.sections.push((name.to_owned(), bytes.as_ref().to_vec()));
        self
    }

    /// Leaves a section out, even with content.
    pub fn omit(mut self, name: &str) -> Self {
        self.omitted.push(name.to_owned());
        self
    }

    /// `e_machine`.
    pub fn machine(self, machine: u16) -> Self {
        self.header(Header::Machine, u64::from(machine))
    }

    /// Overrides a field of the ELF header.
    pub fn header(mut self, field: Header, value: u64) -> Self {
        self.headers.push((field, value));
        self
    }

    /// Overrides a field in the header of the first section of this name.
    pub fn section_header(mut self, section: &str, field: SectionField, value: u64) -> Self {
        self.section_headers.push((section.to_owned(), field, value));
        self
    }

    /// Makes `.strtab` the end of the file, without its last NUL, at a multiple of `page` bytes.
    pub fn end_with_unterminated_names(mut self, page: usize) -> Self {
        self.end_with_names = Some(page);
        self
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        let Some(page) = self.end_with_names else { return self.assemble(0) };
        let excess = self.assemble(0).len() % page;
        self.assemble((page - excess) % page)
    }

    /// Lays out the file: header, section contents, section headers; then `padding` bytes, and `.strtab` if
    /// it shall end the file.
    fn assemble(&self, padding: usize) -> Vec<u8> {
        let sections = self.numbered_sections();
        let mut names = vec![0];
        let name_offsets: Vec<u64> = sections
            .iter()
            .map(|(name, _)| {
                let offset = names.len() as u64;
                names.extend_from_slice(name.as_bytes());
                names.push(0);
                offset
            })
            .collect();

        let (header_size, entry_size) = if self.class == Class::Elf64 { (64, 64) } else { (52, 40) };
        let table_size = entry_size * (sections.len() + 1);
        let mut file = vec![0; header_size];
        let table_first = self.end_with_names.is_some();
        if table_first {
            file.resize(header_size + table_size + padding, 0);
        }
        let mut places = Vec::new();
        for (name, content) in &sections {
            let content = if name == ".shstrtab" { &names } else { content };
            if !table_first {
                file.resize(file.len().next_multiple_of(8), 0);
            }
            places.push((file.len(), content.len()));
            file.extend_from_slice(content);
        }
        let table = if table_first { header_size } else { file.len().next_multiple_of(8) };
        file.resize(file.len().max(table + table_size), 0);

        for (index, ((name, _), (offset, size))) in sections.iter().zip(places).enumerate() {
            let header = table + entry_size * (index + 1);
            let mut set = |field: SectionField, value: u64| {
                let (at, width) = field.place(self.class);
                self.put(&mut file, header + at, width, value);
            };
            set(SectionField::Name, name_offsets[index]);
            set(SectionField::Type, section_type(name));
            set(SectionField::Offset, offset as u64);
            set(SectionField::Size, size as u64);
            let first = sections.iter().position(|(other, _)| other == name) == Some(index);
            for (_, field, value) in self.section_headers.iter().filter(|(wild, _, _)| wild == name && first)
            {
                set(*field, *value);
            }
        }

        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        let name_table = sections.iter().position(|(name, _)| name == ".shstrtab").map_or(0, |at| at + 1);
        let fields = [
            (Header::Class, if self.class == Class::Elf64 { 2 } else { 1 }),
            (Header::Data, if self.order == Order::Little { 1 } else { 2 }),
            (Header::Type, 1),
            (Header::Machine, 62),
            (Header::Version, 1),
            (Header::Shoff, table as u64),
            (Header::Ehsize, header_size as u64),
            (Header::Shentsize, entry_size as u64),
            (Header::Shnum, sections.len() as u64 + 1),
            (Header::Shstrndx, name_table as u64),
        ];
        for (field, value) in fields.into_iter().chain(self.headers.iter().copied()) {
            let (at, width) = field.place(self.class);
            self.put(&mut file, at, width, value);
        }
        file
    }

    /// All sections except the null section, in the order of their numbers.
    fn numbered_sections(&self) -> Vec<(String, Vec<u8>)> {
        let mut sections: Vec<(String, Vec<u8>)> = Vec::new();
        let mut add = |name: &str, bytes: &[u8]| {
            if !bytes.is_empty() && self.omitted.iter().all(|omitted| omitted != name) {
                sections.push((name.to_owned(), bytes.to_vec()));
            }
            sections.len()
        };
        let crc_table = add("__kcrctab", &self.crcs);
        add(".modinfo", &self.modinfo);
        add("__ksymtab_strings", &self.exports);
        add("__versions", &self.versions);
        for (name, bytes) in &self.sections {
            add(name, bytes);
        }
        // Its content follows when all names are known.
        add(".shstrtab", b"later");
        if !self.symbols.is_empty() {
            let mut table = self.symbol(RawSymbol::default());
            for (symbol, section) in &self.symbols {
                let mut symbol = *symbol;
                if let SymbolSection::CrcTable = section {
                    symbol.section = u16::try_from(crc_table).expect("few sections");
                }
                table.extend(self.symbol(symbol));
            }
            add(".symtab", &table);
            let cut = usize::from(self.end_with_names.is_some());
            add(".strtab", &self.names[..self.names.len() - cut]);
        }
        sections
    }

    fn symbol(&self, symbol: RawSymbol) -> Vec<u8> {
        let (name, section) = (self.number(u64::from(symbol.name), 4), self.number(symbol.section.into(), 2));
        if self.class == Class::Elf64 {
            [name, vec![symbol.info, 0], section, self.number(symbol.value, 8), vec![0; 8]].concat()
        } else {
            [name, self.number(symbol.value, 4), vec![0; 4], vec![symbol.info, 0], section].concat()
        }
    }

    fn name(&mut self, name: &[u8]) -> u32 {
        let offset = u32::try_from(self.names.len()).expect("few names");
        self.names.extend_from_slice(name);
        self.names.push(0);
        offset
    }

    fn word(&self) -> usize {
        if self.class == Class::Elf64 { 8 } else { 4 }
    }

    fn number(&self, value: u64, width: usize) -> Vec<u8> {
        match self.order {
            Order::Little => value.to_le_bytes()[..width].to_vec(),
            Order::Big => value.to_be_bytes()[8 - width..].to_vec(),
        }
    }

    fn put(&self, file: &mut [u8], at: usize, width: usize, value: u64) {
        file[at..at + width].copy_from_slice(&self.number(value, width));
    }
}

fn section_type(name: &str) -> u64 {
    match name {
        ".symtab" => 2,
        ".strtab" | ".shstrtab" => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_64_bit_module_has_the_expected_bytes() {
        let file = Elf::new().modinfo("alias=a").build();
        assert_eq!(file[..6], *b"\x7fELF\x02\x01");
        assert_eq!(file[64..72], *b"alias=a\0");
        assert_eq!(file[72..92], *b"\0.modinfo\0.shstrtab\0");
        // The table begins at the next multiple of eight; its first entry is the null section.
        assert_eq!(file[40], 96);
        assert_eq!(file.len(), 96 + 3 * 64);
        assert_eq!(file[96..160], [0; 64]);
        assert_eq!(file[160..168], [1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!((file[160 + 24], file[160 + 32]), (64, 8));
    }

    #[test]
    fn numbers_follow_the_byte_order() {
        let file = Elf::of(Class::Elf32, Order::Big).export("x", Crc::InSection(0x0102_0304)).build();
        assert_eq!(file[56..60], [1, 2, 3, 4]);
        assert_eq!(file[18..20], [0, 62]);
    }

    #[test]
    fn an_unterminated_name_table_can_end_the_file() {
        let file = Elf::new().need("abc").end_with_unterminated_names(4096).build();
        assert_eq!(file.len(), 4096);
        assert!(file.ends_with(b"\0abc"));
    }
}
