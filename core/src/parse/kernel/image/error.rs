//! Errors of reading a kernel image.

use core::fmt;

use crate::{decompress::DecodeError, parse::elf::ElfError};

/// The reason for which the exports of an image are unreadable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageError {
    /// Not a kernel image, or one of an unknown kind.
    NotKernel,
    /// A flat image of this architecture: it does not describe the places of its tables.
    Flat(&'static str),
    /// The file ends before the compressed kernel does.
    Cut,
    /// An unsupported compression format.
    Compression(&'static str),
    /// The compressed kernel is corrupt, or exceeds a limit.
    Decode(DecodeError),
    /// The same for lz4.
    Lz4(&'static str),
    /// The kernel proper is a corrupt ELF file.
    Elf(ElfError),
    /// The kernel proper has no sections; they were stripped.
    NoSections,
    /// No export tables: the kernel was built without support for modules.
    NoExports,
    /// Export tables of an unknown form.
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
