//! The parts of ELF that depmod needs: headers, section names, symbols.
//!
//! Both classes and both byte orders, with the checks of kmod
//! ([`reference::modules`](crate::reference::modules) §7.2): type, machine and version are ignored, section
//! links are not followed, and sections outside the file count as absent.
//!
//! A module is read in two steps, because only a sixth of its bytes is needed: the file header locates the
//! section headers, the section headers locate the needed sections.
//!
//! ```
//! use depmod_core::parts::parse::elf::{ByteOrder, Class, FileHeader};
//!
//! let mut file = vec![0u8; 64];
//! file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01"); // 64 bit, little-endian
//! file[40] = 64; // e_shoff: section headers follow the file header
//! file[58] = 64; // e_shentsize
//! file[60] = 2; // e_shnum
//! file[62] = 1; // e_shstrndx
//! let header = FileHeader::parse(&file, 64 + 2 * 64).unwrap();
//! assert_eq!((header.class, header.byte_order), (Class::Elf64, ByteOrder::Little));
//! assert_eq!(header.section_headers(), 64..192);
//! ```

mod error;
#[cfg(test)]
pub(crate) mod examples;
mod header;
mod section;
mod symbol;

pub use error::{ElfError, Field};
pub use header::{ByteOrder, Class, FileHeader};
pub use section::{Section, SectionTable};
pub use symbol::{Symbol, Symbols, binding, section_index, symbol_type};

/// Sections and symbols of exported symbols.
pub mod export_table {
    /// An entry for each exported symbol.
    pub const ENTRIES: &[u8] = b"__ksymtab";
    /// An entry for each symbol that is for modules under the GPL.
    pub const ENTRIES_GPL: &[u8] = b"__ksymtab_gpl";
    /// CRCs of [`ENTRIES`].
    pub const CRCS: &[u8] = b"__kcrctab";
    /// CRCs of [`ENTRIES_GPL`].
    pub const CRCS_GPL: &[u8] = b"__kcrctab_gpl";
    /// Flags of [`ENTRIES`], from Linux 7.1 on: bit 0 is GPL-only.
    pub const FLAGS: &[u8] = b"__kflagstab";
    /// Names and namespaces.
    pub const STRINGS: &[u8] = b"__ksymtab_strings";
    /// The symbol at the entry of `foo` is `__ksymtab_foo`.
    pub const SYMBOL_PREFIX: &[u8] = b"__ksymtab_";
}

/// Machines with special rules.
pub mod machine {
    /// SPARC.
    pub const SPARC: u16 = 2;
    /// SPARC V9.
    pub const SPARCV9: u16 = 43;
}
