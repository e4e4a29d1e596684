//! The exported symbols of a kernel, with the details for checks of modules, from any source.
//!
//! | from | CRCs | GPL-only, namespaces | version magic |
//! |---|---|---|---|
//! | the kernel image ([`image_exports`](super::image_exports)) | yes | yes | yes |
//! | `Module.symvers` ([`KernelExports::from_symvers`]) | yes | yes | no |
//! | `System.map` ([`KernelExports::from_system_map`]) | no | no | no |

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use bstr::{BStr, BString, ByteSlice};

use crate::parse::elf::export_table::SYMBOL_PREFIX;

/// A symbol that the kernel image exports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KernelExport<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its CRC, or 0.
    pub crc: u64,
    /// Only modules under the GPL may use it.
    pub gpl_only: bool,
    /// The namespace that users must import; usually empty.
    pub namespace: &'a [u8],
}

/// Names as text.
impl fmt::Debug for KernelExport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelExport")
            .field("name", &BStr::new(self.name))
            .field("crc", &self.crc)
            .field("gpl_only", &self.gpl_only)
            .field("namespace", &BStr::new(self.namespace))
            .finish()
    }
}

/// All symbols that a kernel image exports.
#[derive(Clone, Default)]
pub struct KernelExports {
    text: Vec<u8>,
    exports: Vec<StoredExport>,
    /// Whether there are CRCs: the kernel has versions of symbols, and the source contains them.
    pub has_crcs: bool,
    /// Whether the source contains GPL-only marks and namespaces.
    pub has_details: bool,
    /// The version magic of the kernel's modules, if the source contains it.
    pub vermagic: Option<BString>,
}

#[derive(Clone, Debug)]
struct StoredExport {
    name: Range<usize>,
    namespace: Range<usize>,
    crc: u64,
    gpl_only: bool,
}

/// Counts instead of all symbols.
impl fmt::Debug for KernelExports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelExports")
            .field("len", &self.len())
            .field("has_crcs", &self.has_crcs)
            .field("has_details", &self.has_details)
            .field("vermagic", &self.vermagic)
            .finish_non_exhaustive()
    }
}

impl KernelExports {
    /// Reads the lines of `Module.symvers` for the kernel image; `None` if there are none.
    ///
    /// ```
    /// use depmod_core::parts::parse::kernel::KernelExports;
    ///
    /// let file = b"0x00000007\tprintk\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n0x1\tx\tfs/ext4/ext4\tEXPORT_SYMBOL\t\n";
    /// let exports = KernelExports::from_symvers(file).unwrap();
    /// let printk = exports.iter().next().unwrap();
    /// assert_eq!((printk.name, printk.crc, printk.namespace), (&b"printk"[..], 7, &b"NS"[..]));
    /// assert!(printk.gpl_only && exports.len() == 1);
    /// ```
    #[must_use]
    pub fn from_symvers(file: &[u8]) -> Option<Self> {
        let mut exports = Self { has_details: true, ..Self::default() };
        for line in file.lines() {
            let mut fields = line.split(|&byte| byte == b'\t');
            let (Some(crc), Some(name), Some(b"vmlinux")) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let gpl_only = fields.next().is_some_and(|kind| kind.starts_with(b"EXPORT_SYMBOL_GPL"));
            let crc = crc
                .strip_prefix(b"0x")
                .and_then(|digits| u64::from_str_radix(digits.to_str().ok()?, 16).ok());
            let crc = crc.unwrap_or(0);
            let namespace = fields.next().unwrap_or_default();
            exports.push(KernelExport { name, crc, gpl_only, namespace });
        }
        exports.finish()
    }

    /// Reads the names of a `System.map`; `None` without any export, such as the placeholder in Debian's packages.
    #[must_use]
    pub fn from_system_map(file: &[u8]) -> Option<Self> {
        let mut exports = Self::default();
        for line in file.lines() {
            let name = line.splitn(3, |&byte| byte == b' ').nth(2);
            if let Some(name) = name.and_then(|name| name.strip_prefix(SYMBOL_PREFIX)) {
                exports.push(KernelExport { name, crc: 0, gpl_only: false, namespace: b"" });
            }
        }
        exports.finish()
    }

    /// Adds an export; an empty name is ignored.
    pub fn push(&mut self, export: KernelExport<'_>) {
        let KernelExport { name, crc, gpl_only, namespace } = export;
        if name.is_empty() {
            return;
        }
        self.has_crcs |= crc != 0;
        let (name, namespace) = (self.keep(name), self.keep(namespace));
        self.exports.push(StoredExport { name, namespace, crc, gpl_only });
    }

    fn keep(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        start..self.text.len()
    }

    fn finish(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }

    /// The exports, in their order.
    pub fn iter(&self) -> impl Iterator<Item = KernelExport<'_>> {
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.exports.iter().map(move |StoredExport { name, namespace, crc, gpl_only }| KernelExport {
            name: text(name),
            crc: *crc,
            gpl_only: *gpl_only,
            namespace: text(namespace),
        })
    }

    /// Number of exports.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exports.len()
    }

    /// Whether there are no exports.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exports.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_none() {
        let debian = b"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n";
        assert!(KernelExports::from_system_map(debian).is_none());
        assert!(KernelExports::from_symvers(b"0x1\tx\tfs/ext4/ext4\tEXPORT_SYMBOL\t\n\n").is_none());
    }

    #[test]
    fn names_of_a_map() {
        let map = b"0 r __ksymtab_printk\n0 T printk\n0 r __ksymtab_b\n0 A __crc_printk\n";
        let exports = KernelExports::from_system_map(map).unwrap();
        assert!(exports.iter().map(|export| export.name).eq([&b"printk"[..], b"b"]));
        assert!(!exports.has_crcs && !exports.has_details && exports.vermagic.is_none());
    }

    #[test]
    fn symvers_without_versions() {
        let exports = KernelExports::from_symvers(b"0x00000000\ta\tvmlinux\tEXPORT_SYMBOL\t\n").unwrap();
        assert!(exports.has_details && !exports.has_crcs);
    }
}
