//! The kernel image: every symbol that it exports, with CRC, license and namespace.
//!
//! A boot image is a small program around the kernel proper, an ELF file that is usually compressed. Builds strip its
//! symbol table, not its sections, so the kernel's export tables are found by name:
//!
//! ```text
//! bzImage, or EFI zboot ──► gzip, xz, zstd, lz4 ──► ELF ──► __ksymtab, __ksymtab_gpl    exported symbols
//! or plain vmlinux ────────────────────────────────► │      __kcrctab, __kcrctab_gpl    the CRC of each
//!                                                           __kflagstab                  since Linux 7.1: GPL-only
//!                                                           __ksymtab_strings            names and namespaces
//! ```
//!
//! An entry of `__ksymtab` refers to the value, the name and, since Linux 5.4, the namespace: by 32-bit distances
//! from each field itself, or by addresses. In the right interpretation, all names lie in `__ksymtab_strings`.
//!
//! Flat images, as on arm64 and riscv64, have no sections, so their tables cannot be found.

mod error;
mod payload;
mod tables;

pub use error::ImageError;

use alloc::vec::Vec;

use self::{
    payload::{Layer, decompress, inside},
    tables::elf_exports,
};
use super::{KernelExport, KernelExports};
use crate::{decompress::Decoder, limits::Limits};

/// The exported symbols of a kernel image.
///
/// ```
/// use depmod_core::{Limits, parts::{decompress::PureDecoder, parse::kernel::{ImageError, image_exports}}};
///
/// let error = image_exports(b"MZ, but no kernel", &mut PureDecoder::new(), &Limits::DEFAULT).unwrap_err();
/// assert_eq!(error.to_string(), "this is no kernel image");
/// ```
///
/// # Errors
/// When this is not a kernel image, or its exports are unreadable.
pub fn image_exports(
    image: &[u8],
    decoder: &mut dyn Decoder,
    limits: &Limits,
) -> Result<KernelExports, ImageError> {
    // A program with a compressed flat image with an ELF file has the most layers.
    const LAYERS: usize = 3;
    let mut decoded: Option<Vec<u8>> = None;
    for _ in 0..LAYERS {
        match inside(decoded.as_deref().unwrap_or(image))? {
            Layer::Elf(elf) => return elf_exports(elf),
            Layer::Compressed(payload) => {
                let mut out = Vec::new();
                decompress(payload, decoder, limits, &mut out)?;
                decoded = Some(out);
            }
        }
    }
    Err(ImageError::NotKernel)
}

#[cfg(test)]
mod tests {
    use super::tables::{Form, Place};
    use super::*;
    use crate::{decompress::PureDecoder, parse::elf::examples::elf};
    use alloc::string::ToString;
    use alloc::vec;

    /// A 64-bit vmlinux with two exports, in any form.
    struct Vmlinux {
        form: Form,
        crc_size: usize,
        flags: bool,
    }

    const ADDRESS: u64 = 0xffff_ffff_8200_0000;
    const STRINGS: &[u8] = b"printk\0usb_add\0USB\0";

    impl Vmlinux {
        fn build(&self) -> Vec<u8> {
            let mut sections: Vec<(&str, Vec<u8>)> = Vec::new();
            let mut add = |name, bytes| sections.push((name, bytes));
            add("__ksymtab_strings", STRINGS.to_vec());
            // Where the first and the second table will lie: behind header and strings.
            let first = 64 + STRINGS.len() as u64;
            let entry = |at: u64, name: u64, namespace: u64| {
                let mut bytes = Vec::new();
                let words = [0u64, name, namespace];
                let words = &words[..if self.form.with_namespace { 3 } else { 2 }];
                for (number, &string) in words.iter().enumerate() {
                    let target = ADDRESS + 64 + string;
                    match self.form.place {
                        Place::Distance => {
                            let field = ADDRESS + at + 4 * number as u64;
                            bytes.extend((target.wrapping_sub(field) as u32).to_le_bytes());
                        }
                        Place::Address(_) => bytes.extend(target.to_le_bytes()),
                    }
                }
                bytes
            };
            let size = self.form.size() as u64;
            let crc = |crc: u64| crc.to_le_bytes()[..self.crc_size].to_vec();
            // Offset 6 of the strings is a NUL: no namespace.
            if self.flags {
                add("__ksymtab", [entry(first, 0, 6), entry(first + size, 7, 15)].concat());
                add("__kflagstab", vec![0, 1]);
                add("__kcrctab", [crc(7), crc(8)].concat());
            } else {
                add("__ksymtab", entry(first, 0, 6));
                add("__ksymtab_gpl", entry(first + size, 7, 15));
                add("__kcrctab", crc(7));
                add("__kcrctab_gpl", crc(8));
            }
            let text = b"xLinux version 6.1.0-x (gcc)\0y6.1.0-x (odd)\0z6.1.0-x SMP mod_unload \0";
            add(".rodata", text.to_vec());
            elf(ADDRESS, sections)
        }
    }

    fn read(image: &[u8]) -> Result<KernelExports, ImageError> {
        image_exports(image, &mut PureDecoder::new(), &Limits::DEFAULT)
    }

    fn usual() -> Vec<u8> {
        Vmlinux { form: Form { place: Place::Distance, with_namespace: true }, crc_size: 4, flags: false }
            .build()
    }

    #[test]
    fn all_generations_of_export_tables() {
        for (place, with_namespace, crc_size, flags) in [
            (Place::Distance, true, 4, false),
            (Place::Distance, true, 4, true),
            (Place::Distance, false, 4, false),
            (Place::Address(8), true, 4, false),
            (Place::Address(8), false, 8, false),
        ] {
            let form = Form { place, with_namespace };
            let exports = read(&Vmlinux { form, crc_size, flags }.build()).unwrap();
            let namespace: &[u8] = if with_namespace { b"USB" } else { b"" };
            let expected = [
                KernelExport { name: b"printk", crc: 7, gpl_only: false, namespace: b"" },
                KernelExport { name: b"usb_add", crc: 8, gpl_only: true, namespace },
            ];
            assert!(exports.iter().eq(expected), "{:?}", exports.iter().collect::<Vec<_>>());
            assert!(exports.has_crcs && exports.has_details);
            assert_eq!(exports.vermagic.unwrap(), "6.1.0-x SMP mod_unload ");
        }
    }

    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024 + 16];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
        image[0x248] = 16;
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image
    }

    #[cfg(feature = "lz4")]
    fn lz4_of(elf: &[u8]) -> Vec<u8> {
        // Literals alone: 15 and a row of bytes that add up to the rest of their number.
        let more = elf.len() - 15;
        let mut block = vec![0xf0];
        block.extend(vec![255; more / 255]);
        block.push((more % 255) as u8);
        block.extend(elf);
        [b"\x02\x21\x4c\x18".as_slice(), &(block.len() as u32).to_le_bytes(), &block].concat()
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn a_bzimage_and_a_zboot_image() {
        let elf = usual();
        let size = (elf.len() as u32).to_le_bytes();
        for payload in [lz4_of(&elf), [lz4_of(&elf), size.to_vec()].concat(), elf.clone()] {
            let read = read(&bzimage(&payload));
            match payload == elf {
                true => assert_eq!(read.unwrap_err(), ImageError::NotKernel, "an x86 payload is compressed"),
                false => assert_eq!(read.unwrap().len(), 2),
            }
        }
        let payload = lz4_of(&elf);
        let mut zboot = b"MZ\0\0zimg".to_vec();
        zboot.extend([16u32, payload.len() as u32].map(u32::to_le_bytes).concat());
        zboot.extend(&payload);
        assert_eq!(read(&zboot).unwrap().len(), 2);
        zboot.pop();
        assert_eq!(read(&zboot).unwrap_err(), ImageError::Cut);
        let image = bzimage(&payload);
        for end in 0..image.len() {
            assert!(read(&image[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_no_kernel_is_called_that() {
        let mut flat = vec![0; 64];
        flat[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert_eq!(
            read(&flat).unwrap_err().to_string(),
            "a flat arm64 image does not say where its export tables are"
        );
        flat[0x38..0x3c].copy_from_slice(b"RSC\x05");
        assert_eq!(read(&flat).unwrap_err(), ImageError::Flat("riscv"));
        for bytes in [&b""[..], b"MZ", b"#!/bin/sh\n", &[0; 4096]] {
            assert_eq!(read(bytes).unwrap_err(), ImageError::NotKernel);
        }
        assert_eq!(read(&bzimage(b"BZh91AY")).unwrap_err(), ImageError::Compression("bzip2"));
        let mut elf = usual();
        elf[58..64].fill(0);
        assert_eq!(read(&elf).unwrap_err(), ImageError::NoSections);
    }

    #[test]
    fn any_damage_is_an_error_or_another_answer() {
        let elf = usual();
        for at in 0..elf.len() {
            for bits in [0xff, 1, 0x80] {
                let mut damaged = elf.clone();
                damaged[at] ^= bits;
                let _ = read(&damaged);
            }
            let _ = read(&elf[..at]);
        }
    }
}
