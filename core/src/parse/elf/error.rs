//! Errors in ELF files.

use core::fmt;

/// An error in an ELF file, with its location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfError {
    /// The file does not start with the ELF magic, or is not longer than an identification.
    NotElf,
    /// A field of the file header is invalid.
    Field {
        /// The field.
        field: Field,
        /// Its offset in the file.
        offset: u64,
        /// Its value.
        value: u64,
    },
    /// `.modinfo` has no bytes in the file: the file has the debugging information of a module.
    DebugOnly,
}

/// Checked fields of the file header, named as in the specification.
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
    /// The section headers extend beyond the end of the file.
    SectionTable,
    /// `e_shstrndx` is not the index of a section, or its section is not a string table.
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
            Self::DebugOnly => f.write_str("only debugging information"),
        }
    }
}

impl core::error::Error for ElfError {}
