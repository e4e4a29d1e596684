//! Text files that describe the kernel image.
//!
//! | file | read by | content |
//! |---|---|---|
//! | `modules.builtin` | [`builtin_paths`] | modules that are part of the kernel image |
//! | `modules.builtin.modinfo` | [`builtin_aliases`] | their aliases |
//! | `Module.symvers` (`-E`) | [`symvers()`] | exported symbols of the kernel image, with CRCs |
//! | `System.map` (`-F`) | [`system_map()`] | the same without CRCs |
//!
//! kmod reads all but `modules.builtin.modinfo` with C's `fgets` into a buffer of fixed size, so a long line
//! counts as several lines, and treats the pieces as C strings, so a NUL byte ends a piece. The parsers here
//! do the same, in one pass, and borrow from the bytes of the file.
//!
//! ```
//! use depmod_core::parts::parse::kernel::{builtin_aliases, builtin_paths, symvers};
//!
//! let first = builtin_paths(b"kernel/lib/lz4-hc.ko\n").next().unwrap().unwrap();
//! assert!(depmod_core::parts::name::module_name(first).eq(*b"lz4_hc"));
//!
//! let alias = builtin_aliases(b"unix.license=GPL\0unix.alias=net-pf-1\0").next().unwrap().unwrap();
//! assert_eq!((alias.module, alias.value), (&b"unix"[..], &b"net-pf-1"[..]));
//!
//! let file = b"0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n";
//! let symbol = symvers(file, b"Module.symvers", None).next().unwrap().unwrap();
//! assert_eq!((symbol.name, symbol.crc), (&b"printk"[..], 0x1234_5678));
//! ```

mod builtin;
mod builtin_modinfo;
#[cfg(feature = "answers")]
mod exports;
#[cfg(feature = "answers")]
mod image;
mod symvers;
mod system_map;

pub use builtin::{BUILTIN, builtin_paths};
pub use builtin_modinfo::{BUILTIN_MODINFO, BuiltinAlias, builtin_aliases};
#[cfg(feature = "answers")]
pub use exports::{KernelExport, KernelExports};
#[cfg(feature = "answers")]
pub use image::{ImageError, image_exports};
pub use symvers::symvers;
pub use system_map::system_map;

use core::fmt;

use bstr::BStr;

/// Usable bytes of kmod's line buffer for symbols, newline included.
const SYMBOL_LINE: usize = 10_239;

/// An exported symbol of the kernel image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KernelSymbol<'a> {
    /// Its name, without the `-P` prefix character.
    pub name: &'a [u8],
    /// Its CRC; 0 if the file has none.
    pub crc: u64,
}

/// Names as text.
impl fmt::Debug for KernelSymbol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelSymbol").field("name", &BStr::new(self.name)).field("crc", &self.crc).finish()
    }
}

/// `name` without the prefix character of `-P`.
fn without_prefix(name: &[u8], prefix: Option<u8>) -> &[u8] {
    match name {
        [first, rest @ ..] if Some(*first) == prefix => rest,
        _ => name,
    }
}
