//! Errors of reading a kernel image.

use core::fmt;

use crate::{decompress::DecodeError, parse::elf::ElfError};

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
