//! Why bytes are no usable ELF file.

use core::fmt;

/// What is wrong with an ELF file, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfError {
    /// It does not start with the ELF magic, or is not longer than an identification.
    NotElf,
    /// A field of the file header has a value that no module has.
    Field {
        /// The field.
        field: Field,
        /// Its offset in the file.
        offset: u64,
        /// Its value.
        value: u64,
    },
}

/// Fields of the file header that can be wrong, by their names in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `EI_CLASS`: neither 32 nor 64 bit.
    Class,
    /// `EI_DATA`: neither little- nor big-endian.
    Data,
    /// The file ends inside its header.
    HeaderLength,
    /// `e_shentsize` is not the size of a section header.
    SectionEntrySize,
    /// The section headers reach beyond the end of the file.
    SectionTable,
    /// `e_shstrndx` names no section, or its section holds no string table.
    SectionNames,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Class => "EI_CLASS",
            Self::Data => "EI_DATA",
            Self::HeaderLength => "file length",
            Self::SectionEntrySize => "e_shentsize",
            Self::SectionTable => "e_shoff",
            Self::SectionNames => "e_shstrndx",
        })
    }
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("not an ELF file"),
            Self::Field { field, offset, value } => {
                write!(f, "invalid ELF {field} {value} (at offset {offset:#x})")
            }
        }
    }
}

impl core::error::Error for ElfError {}
