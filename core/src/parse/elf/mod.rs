//! As much of ELF as a kernel module shows to depmod: headers, section names, symbols.
//!
//! Both classes and both byte orders, checked as kmod checks them ([`reference::modules`](crate::reference::modules) §7.2): type,
//! machine and version do not matter, section links are not followed, and whatever lies outside
//! of the file is as good as absent.
//!
//! A module is read in two steps, because it needs only a sixth of its bytes: the file header tells where
//! the section headers are, the section headers tell where the needed sections are.
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
mod header;
mod section;
mod symbol;

pub use error::{ElfError, Field};
pub use header::{ByteOrder, Class, FileHeader};
pub use section::{Section, SectionTable};
pub use symbol::{Symbol, Symbols, binding, section_index, symbol_type};

/// Machines with a rule of their own.
pub mod machine {
    /// SPARC.
    pub const SPARC: u16 = 2;
    /// SPARC V9.
    pub const SPARCV9: u16 = 43;
}
