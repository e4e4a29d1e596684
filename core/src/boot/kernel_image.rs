//! What firmware is asked to start: a kernel with an EFI stub, which is a program in the format PE.
//!
//! ```text
//! 4d 5a … 3c: offset      a program of DOS
//! 50 45 00 00 64 86 …     at that offset: PE, and the processor
//! 01 08 4c 01 entry       in the section .compat: where another processor's firmware enters
//! 1f 8b …                 or all of that in gzip, as some distributions have it for AArch64
//! ```

use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

use scroll::{LE, Pread};

use crate::decompress::{Compression, DecodeError, Decoder};
use crate::limits::Limits;

const DOS: &[u8] = b"MZ";
/// Offset of the offset of [`PE`].
const PE_OFFSET: usize = 0x3c;
const PE: &[u8] = b"PE\0\0";

/// Why a file cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelImageError {
    /// It is no program for UEFI.
    NotEfi,
    /// It cannot be decompressed.
    Decode(DecodeError),
}

impl fmt::Display for KernelImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEfi => f.write_str("this is no kernel with an EFI stub"),
            Self::Decode(_) => f.write_str("the kernel cannot be decompressed"),
        }
    }
}

impl core::error::Error for KernelImageError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NotEfi => None,
            Self::Decode(cause) => Some(cause),
        }
    }
}

/// The program in a kernel's file.
///
/// # Errors
/// When there is none.
pub fn kernel_image<'k>(
    file: &'k [u8],
    decoder: &mut dyn Decoder,
    limits: &Limits,
) -> Result<Cow<'k, [u8]>, KernelImageError> {
    let image = match Compression::detect(file) {
        Some(format @ Compression::Gzip) => {
            let limits = Limits { module_size: limits.boot_file_size, ..limits.clone() };
            let mut plain = Vec::new();
            decoder.decode(format, file, &limits, &mut plain).map_err(KernelImageError::Decode)?;
            Cow::Owned(plain)
        }
        _ => Cow::Borrowed(file),
    };
    if is_pe(&image) { Ok(image) } else { Err(KernelImageError::NotEfi) }
}

fn is_pe(image: &[u8]) -> bool {
    image.starts_with(DOS) && pe_header(image).is_some_and(|header| header.starts_with(PE))
}

fn pe_header(image: &[u8]) -> Option<&[u8]> {
    image.get(usize::try_from(image.pread_with::<u32>(PE_OFFSET, LE).ok()?).ok()?..)
}

/// Whether this is a unified kernel image with an initrd inside, whose stub takes no initrd besides: it ends, or crashes,
/// where another program provides one.
#[must_use]
pub fn refuses_initrd(image: &[u8]) -> bool {
    section(image, b".initrd").is_some() && stub_version(image).is_none_or(|version| version < COMBINING)
}

/// The first version of systemd-stub that adds its initrds to those that are there.
const COMBINING: u32 = 261;
const STUB: &[u8] = b"systemd-stub ";

/// The version of systemd-stub: its section `.sdmagic` is `#### LoaderInfo: systemd-stub 257.13-1 ####`.
fn stub_version(image: &[u8]) -> Option<u32> {
    let text = section(image, b".sdmagic")?;
    let start = text.windows(STUB.len()).position(|window| window == STUB)?.checked_add(STUB.len())?;
    let digits = text.get(start..)?.split(|byte| !byte.is_ascii_digit()).next()?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// Where firmware of another processor enters this kernel, as an offset from its start in memory. Kernels for x86-64
/// name one for 32-bit firmware (mixed mode). `machine` is the firmware's, as PE has it. `None` for a kernel of the
/// firmware's own processor, too.
#[must_use]
pub fn compat_entry(image: &[u8], machine: u16) -> Option<u32> {
    if pe_header(image)?.pread_with::<u16>(field::MACHINE, LE).ok()? == machine {
        return None;
    }
    let mut records = section(image, b".compat")?;
    // A type that is not one ends the list.
    while let [COMPAT_TYPE, length, rest @ ..] = records {
        if usize::from(*length) >= COMPAT_LEN && rest.pread_with::<u16>(0, LE).ok()? == machine {
            return rest.pread_with::<u32>(2, LE).ok();
        }
        records = records.get(usize::from(*length).max(1)..)?;
    }
    None
}

/// Type of a record in `.compat`; then come its length, the machine and the entry.
const COMPAT_TYPE: u8 = 1;
const COMPAT_LEN: usize = 8;

/// Fields of a PE header and of a section's header, both from their starts (PE Format, COFF File Header and Section Table).
mod field {
    pub(super) const MACHINE: usize = 4;
    pub(super) const SECTIONS: usize = 6;
    pub(super) const OPTIONAL_HEADER_LEN: usize = 20;
    pub(super) const HEADER_LEN: usize = 24;
    pub(super) const RAW_SIZE: usize = 16;
    pub(super) const RAW_OFFSET: usize = 20;
    pub(super) const SECTION_LEN: usize = 40;
    pub(super) const NAME_LEN: usize = 8;
}

/// The content of a section.
fn section<'i>(image: &'i [u8], name: &[u8]) -> Option<&'i [u8]> {
    let header = pe_header(image)?;
    let count = usize::from(header.pread_with::<u16>(field::SECTIONS, LE).ok()?);
    let optional = usize::from(header.pread_with::<u16>(field::OPTIONAL_HEADER_LEN, LE).ok()?);
    let table = header.get(field::HEADER_LEN.checked_add(optional)?..)?;
    let found = table.chunks_exact(field::SECTION_LEN).take(count).find(|section| {
        let full = section.get(..field::NAME_LEN).unwrap_or_default();
        full.strip_prefix(name).is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
    })?;
    let number = |at| usize::try_from(found.pread_with::<u32>(at, LE).ok()?).ok();
    let start = number(field::RAW_OFFSET)?;
    image.get(start..start.checked_add(number(field::RAW_SIZE)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompress::PureDecoder;
    use alloc::string::ToString;

    fn pe() -> Vec<u8> {
        let mut image = Vec::from([0; 0x80]);
        image[..2].copy_from_slice(DOS);
        image[PE_OFFSET] = 0x60;
        image[0x60..0x64].copy_from_slice(PE);
        image
    }

    fn image(file: &[u8]) -> Result<Vec<u8>, KernelImageError> {
        kernel_image(file, &mut PureDecoder::default(), &Limits::DEFAULT).map(Cow::into_owned)
    }

    #[test]
    fn programs_are_found_plain_and_in_gzip() {
        assert_eq!(image(&pe()).unwrap(), pe());
        let plain = pe();
        // One stored block.
        let length = plain.len() as u16;
        let head =
            [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01"[..], &length.to_le_bytes(), &(!length).to_le_bytes()]
                .concat();
        let crc = crate::decompress::crc32::Crc32::of(&plain);
        let file =
            [head, plain.clone(), crc.to_le_bytes().to_vec(), u32::from(length).to_le_bytes().to_vec()]
                .concat();
        assert_eq!(image(&file).unwrap(), plain);
        assert!(matches!(image(&file[..40]), Err(KernelImageError::Decode(_))));
    }

    /// A program with these sections.
    fn unified(sections: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut image = pe();
        image.resize(0x60 + field::HEADER_LEN, 0);
        image[0x60 + field::SECTIONS] = sections.len() as u8;
        let mut content = image.len() + sections.len() * field::SECTION_LEN;
        for (name, bytes) in sections {
            let mut header = [0; field::SECTION_LEN];
            header[..name.len()].copy_from_slice(name);
            header[field::RAW_SIZE] = bytes.len() as u8;
            header[field::RAW_OFFSET..][..2].copy_from_slice(&(content as u16).to_le_bytes());
            image.extend(header);
            content += bytes.len();
        }
        sections.iter().for_each(|(_, bytes)| image.extend(*bytes));
        image
    }

    #[test]
    fn old_stubs_with_an_initrd_take_no_other() {
        let magic =
            |version: &str| alloc::format!("#### LoaderInfo: systemd-stub {version} ####").into_bytes();
        let with =
            |version| refuses_initrd(&unified(&[(b".sdmagic", &magic(version)), (b".initrd", b"cpio")]));
        assert!(with("257.13-1~deb13u1") && with("260") && with("?"));
        assert!(!with("261") && !with("300.1"));
        assert!(refuses_initrd(&unified(&[(b".linux", b"x"), (b".initrd", b"cpio")])), "another stub");
        assert!(!refuses_initrd(&unified(&[(b".linux", b"x"), (b".initrds", b"")])));
        let whole = unified(&[(b".initrd", b"cpio")]);
        assert!((0..whole.len()).all(|end| !refuses_initrd(&whole[..end])));
    }

    #[test]
    fn entries_for_other_firmware_are_found() {
        const I386: u16 = 0x14c;
        const X64: u16 = 0x8664;
        let with = |records: &[u8]| {
            let mut image = unified(&[(b".text", b"x"), (b".compat", records)]);
            image[0x60 + field::MACHINE..][..2].copy_from_slice(&X64.to_le_bytes());
            image
        };
        let i386 = [1, 8, 0x4c, 1, 0x78, 0x56, 0x34, 0x12];
        let other = [1, 10, 0xff, 0xff, 1, 0, 0, 0, 0, 0];
        assert_eq!(compat_entry(&with(&i386), I386), Some(0x1234_5678));
        let list = [&other[..], &i386, &[0; 4]].concat();
        assert_eq!(compat_entry(&with(&list), I386), Some(0x1234_5678), "not the first");
        assert_eq!(compat_entry(&with(&i386), X64), None, "the kernel's own processor");
        assert_eq!(compat_entry(&with(&[&[0][..], &i386].concat()), I386), None, "after the end");
        assert_eq!(compat_entry(&with(&[1, 4, 0x4c, 1, 0, 0, 0, 0]), I386), None, "a short record");
        assert_eq!(compat_entry(&with(&[1, 0, 1, 0]), I386), None, "no length");
        assert_eq!(compat_entry(&unified(&[]), I386), None);
        let whole = with(&i386);
        assert!((0..whole.len()).all(|end| compat_entry(&whole[..end], I386).is_none()));
    }

    #[test]
    fn other_files_are_no_kernels() {
        let mut elsewhere = pe();
        elsewhere[PE_OFFSET] = 0x7e;
        for file in [&b""[..], b"MZ", b"\x7fELF", &elsewhere, &[0; 0x80]] {
            assert_eq!(image(file), Err(KernelImageError::NotEfi));
        }
        assert_eq!(KernelImageError::NotEfi.to_string(), "this is no kernel with an EFI stub");
    }
}
