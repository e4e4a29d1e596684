//! The facts of one module, as one flat block.
//!
//! The block is position-independent and owns its data, so that a cache stores it unchanged and a symbol
//! needs no allocation. All words are little-endian:
//!
//! ```text
//! 0   flags: u32          bit 0: exports unusable; bit 1: unterminated symbol name; bit 2: with details;
//!                         bits 8..16: NeedsDiscarded
//! 4   needs: u32          offset of the needs
//! 8   modinfo: u32        offset of the modinfo entries
//! 12  exports             crc: u64, length: u32, name
//! …   needs               crc: u64, length: u32 (top bit: weak), name
//! …   modinfo             key: u8, length: u32, value
//! …   details             flags: u8, length: u32, namespace; one for each export, in their order
//! …   details: u32        where the details begin
//! ```
//!
//! The last two exist only with details (`Detail::Full`), so that answers cost a classic run nothing.
//!
//! ```
//! use depmod_core::parts::parse::module::{Facts, FactsBuilder, ModinfoKey};
//!
//! let mut builder = FactsBuilder::default();
//! builder.export(b"snd_card_new", 0x1234);
//! builder.need(b"_printk", 0x92997ed8, false);
//! builder.modinfo(ModinfoKey::Alias, b"snd-card-*");
//! let facts = builder.finish().unwrap();
//! assert_eq!(facts.exports().next().unwrap().name, b"snd_card_new");
//! assert_eq!(facts.aliases().next(), Some(&b"snd-card-*"[..]));
//! assert_eq!(Facts::from_bytes(facts.as_bytes().to_vec()), Ok(facts));
//! ```

use alloc::vec::Vec;
use core::fmt;

use bstr::BStr;
use scroll::{LE, Pread};

use super::NeedsDiscarded;

pub(super) const HEADER_LEN: usize = 12;
pub(super) const WORD_LEN: usize = 4;
pub(super) const EXPORTS_INVALID: u32 = 1;
pub(super) const NAME_UNENDED: u32 = 2;
pub(super) const NEEDS_DISCARDED_SHIFT: u32 = 8;
/// The block ends with details.
pub(super) const DETAILED: u32 = 4;
/// Of an export's details: only modules under the GPL may use it.
#[cfg(feature = "answers")]
pub(super) const GPL_ONLY: u8 = 1;
/// Of an export's details: an export table contains it.
#[cfg(feature = "answers")]
pub(super) const IN_TABLE: u8 = 2;
pub(super) const WEAK: u32 = 1 << 31;

/// An exported symbol of the module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Export<'facts> {
    /// Its name, never empty.
    pub name: &'facts [u8],
    /// Its version, 0 if it has none.
    pub crc: u64,
}

/// Names as text.
impl fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("name", &BStr::new(self.name)).field("crc", &self.crc).finish()
    }
}

/// A needed symbol of the module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Need<'facts> {
    /// Its name, never empty.
    pub name: &'facts [u8],
    /// The version that the module was built against, 0 if there is none.
    pub crc: u64,
    /// Whether the module also loads without it.
    pub weak: bool,
}

/// Names as text.
impl fmt::Debug for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Need")
            .field("name", &BStr::new(self.name))
            .field("crc", &self.crc)
            .field("weak", &self.weak)
            .finish()
    }
}

/// Details of an export from the export tables.
#[cfg(feature = "answers")]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportDetail<'facts> {
    /// Only modules under the GPL may use it.
    pub gpl_only: bool,
    /// An export table contains it. Otherwise it may be a namespace in place of a symbol
    /// ([`reference::modules`](crate::reference::modules) §7.4).
    pub in_table: bool,
    /// The namespace that users must import; usually empty.
    pub namespace: &'facts [u8],
}

/// The namespace as text.
#[cfg(feature = "answers")]
impl fmt::Debug for ExportDetail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportDetail")
            .field("gpl_only", &self.gpl_only)
            .field("in_table", &self.in_table)
            .field("namespace", &BStr::new(self.namespace))
            .finish()
    }
}

/// The extent of a module's facts.
#[cfg(feature = "answers")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Facts for the index files.
    #[default]
    Classic,
    /// Also facts for answers: license and other keys, GPL-only marks, namespaces, extended versions.
    Full,
}

/// Relevant keys of `.modinfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ModinfoKey {
    /// `alias`: a pattern that identifies the module.
    Alias = 1,
    /// `softdep`: modules to load before and after.
    Softdep = 2,
    /// `weakdep`: modules that may be needed later.
    Weakdep = 3,
    /// `firmware`: a file that the driver requests.
    Firmware = 4,
    /// `vermagic`: the kernel it was built for.
    Vermagic = 5,
    /// `import_ns`: a symbol namespace it uses.
    ImportNamespace = 6,
    /// `license`: whether it may use GPL-only symbols.
    #[cfg(feature = "answers")]
    License = 7,
    /// `depends`: the modules it was linked against.
    #[cfg(feature = "answers")]
    Depends = 8,
    /// `name`: its name in the kernel.
    #[cfg(feature = "answers")]
    Name = 9,
    /// `intree`: it was built with the kernel.
    #[cfg(feature = "answers")]
    Intree = 10,
    /// `version`: its own version.
    #[cfg(feature = "answers")]
    Version = 11,
}

impl ModinfoKey {
    const CLASSIC: [Self; 6] =
        [Self::Alias, Self::Softdep, Self::Weakdep, Self::Firmware, Self::Vermagic, Self::ImportNamespace];
    #[cfg(feature = "answers")]
    const DETAILS: [Self; 5] = [Self::License, Self::Depends, Self::Name, Self::Intree, Self::Version];

    /// The key as spelt in `.modinfo`.
    #[must_use]
    pub fn name(self) -> &'static [u8] {
        match self {
            Self::Alias => b"alias",
            Self::Softdep => b"softdep",
            Self::Weakdep => b"weakdep",
            Self::Firmware => b"firmware",
            Self::Vermagic => b"vermagic",
            Self::ImportNamespace => b"import_ns",
            #[cfg(feature = "answers")]
            Self::License => b"license",
            #[cfg(feature = "answers")]
            Self::Depends => b"depends",
            #[cfg(feature = "answers")]
            Self::Name => b"name",
            #[cfg(feature = "answers")]
            Self::Intree => b"intree",
            #[cfg(feature = "answers")]
            Self::Version => b"version",
        }
    }

    /// The key with this name, if relevant.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::CLASSIC.into_iter().find(|key| key.name() == name)
    }

    /// The key with this name, if relevant only for answers.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn detail_from_name(name: &[u8]) -> Option<Self> {
        Self::DETAILS.into_iter().find(|key| key.name() == name)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        let classic = Self::CLASSIC.into_iter().find(|key| *key as u8 == byte);
        #[cfg(feature = "answers")]
        let classic = classic.or_else(|| Self::DETAILS.into_iter().find(|key| *key as u8 == byte));
        classic
    }
}

/// The facts of one module, in the format of the [module documentation](super).
#[derive(Clone, PartialEq, Eq)]
pub struct Facts {
    /// Invariant: made by [`FactsBuilder::finish`](super::FactsBuilder::finish), or checked by [`Facts::from_bytes`].
    pub(super) block: Vec<u8>,
}

/// An invalid block; in a cache, it counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactsError;

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed block of module facts")
    }
}

impl core::error::Error for FactsError {}

/// The facts as text.
impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exports = self.exports().collect::<Vec<_>>();
        let needs = self.needs().collect::<Vec<_>>();
        let modinfo = self.modinfo().map(|(key, value)| (key, BStr::new(value))).collect::<Vec<_>>();
        f.debug_struct("Facts")
            .field("exports", &exports)
            .field("needs", &needs)
            .field("modinfo", &modinfo)
            .finish_non_exhaustive()
    }
}

impl Facts {
    /// Restores a block from [`Facts::as_bytes`], and checks every record.
    ///
    /// # Errors
    /// When the block is invalid.
    pub fn from_bytes(block: Vec<u8>) -> Result<Self, FactsError> {
        let facts = Self { block };
        let (needs, modinfo) = (facts.word(4), facts.word(8));
        let details = facts.details_start();
        let whole = facts.block.len() >= HEADER_LEN
            && HEADER_LEN <= needs
            && needs <= modinfo
            && modinfo <= details
            && details <= facts.block.len()
            && is_complete(facts.exports_records())
            && is_complete(facts.needs_records())
            && is_complete(facts.modinfo_records());
        #[cfg(feature = "answers")]
        let whole = whole && (!facts.is_detailed() || is_complete(facts.detail_records()));
        if whole { Ok(facts) } else { Err(FactsError) }
    }

    /// The block.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.block
    }

    /// Exported symbols, in the order of insertion into the symbol table.
    pub fn exports(&self) -> impl Iterator<Item = Export<'_>> {
        self.exports_records().map(|(crc, _, name)| Export { name, crc })
    }

    /// Whether it was loaded with details.
    #[must_use]
    pub fn is_detailed(&self) -> bool {
        self.flags() & DETAILED != 0
    }

    /// Exported symbols with their details, in the same order; those without any have none.
    #[cfg(feature = "answers")]
    pub fn exports_in_detail(&self) -> impl Iterator<Item = (Export<'_>, ExportDetail<'_>)> {
        let details = self.detail_records().chain(core::iter::repeat(ExportDetail::default()));
        self.exports().zip(details)
    }

    /// Needed symbols, in the order in which they create dependencies.
    pub fn needs(&self) -> impl Iterator<Item = Need<'_>> {
        self.needs_records().map(|(crc, weak, name)| Need { name, crc, weak })
    }

    /// Relevant modinfo entries, in file order.
    pub fn modinfo(&self) -> impl Iterator<Item = (ModinfoKey, &[u8])> {
        self.modinfo_records()
    }

    /// Whether the file has no modinfo: no kernel module is without its license or its version magic. Asks for
    /// facts with details.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn is_no_module(&self) -> bool {
        self.modinfo_records().next().is_none()
    }

    /// Values of one modinfo key, in file order.
    pub fn values(&self, key: ModinfoKey) -> impl Iterator<Item = &[u8]> {
        self.modinfo_records().filter_map(move |(k, value)| (k == key).then_some(value))
    }

    /// `alias` values, in file order.
    pub fn aliases(&self) -> impl Iterator<Item = &[u8]> {
        self.values(ModinfoKey::Alias)
    }

    /// Whether the export table is malformed: it then counts as empty, with kmod's message.
    #[must_use]
    pub fn exports_invalid(&self) -> bool {
        self.flags() & EXPORTS_INVALID != 0
    }

    /// Whether a symbol name is unterminated, and was cut at the end of `.strtab`; kmod reads beyond it
    /// ([`reference::known_bugs`](crate::reference::known_bugs) A8).
    #[must_use]
    pub fn name_unended(&self) -> bool {
        self.flags() & NAME_UNENDED != 0
    }

    /// The reason for missing needs, if any.
    #[must_use]
    pub fn needs_discarded(&self) -> Option<NeedsDiscarded> {
        NeedsDiscarded::from_byte((self.flags() >> NEEDS_DISCARDED_SHIFT).to_le_bytes()[0])
    }

    fn flags(&self) -> u32 {
        self.block.pread_with(0, LE).unwrap_or(0)
    }

    fn word(&self, at: usize) -> usize {
        self.block.pread_with::<u32>(at, LE).ok().and_then(|word| usize::try_from(word).ok()).unwrap_or(0)
    }

    fn exports_records(&self) -> SymbolRecords<'_> {
        SymbolRecords(self.block.get(HEADER_LEN..self.word(4)).unwrap_or(&[]))
    }

    fn needs_records(&self) -> SymbolRecords<'_> {
        SymbolRecords(self.block.get(self.word(4)..self.word(8)).unwrap_or(&[]))
    }

    fn modinfo_records(&self) -> ModinfoRecords<'_> {
        ModinfoRecords(self.block.get(self.word(8)..self.details_start()).unwrap_or(&[]))
    }

    /// The offset of the details, or the end.
    fn details_start(&self) -> usize {
        if self.is_detailed() { self.word(self.details_end()) } else { self.block.len() }
    }

    /// The end of the details: the offset of the word with their start.
    fn details_end(&self) -> usize {
        self.block.len().saturating_sub(WORD_LEN)
    }

    #[cfg(feature = "answers")]
    fn detail_records(&self) -> DetailRecords<'_> {
        let range = self.details_start()..self.details_end();
        DetailRecords(self.block.get(range).filter(|_| self.is_detailed()).unwrap_or(&[]))
    }
}

/// Whether the records fill their part of the block completely.
fn is_complete<R: Iterator + AsRef<[u8]>>(mut records: R) -> bool {
    records.by_ref().for_each(drop);
    records.as_ref().is_empty()
}

/// `crc`, `length` with the weak bit, name.
#[derive(Clone)]
pub(super) struct SymbolRecords<'facts>(pub(super) &'facts [u8]);

impl<'facts> Iterator for SymbolRecords<'facts> {
    type Item = (u64, bool, &'facts [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (crc, rest) = self.0.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let (name, rest) = rest.split_at_checked(usize::try_from(length & !WEAK).ok()?)?;
        self.0 = rest;
        Some((u64::from_le_bytes(*crc), length & WEAK != 0, name))
    }
}

impl AsRef<[u8]> for SymbolRecords<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

/// `key`, `length`, value.
#[derive(Clone)]
struct ModinfoRecords<'facts>(&'facts [u8]);

impl<'facts> Iterator for ModinfoRecords<'facts> {
    type Item = (ModinfoKey, &'facts [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&key, rest) = self.0.split_first()?;
        let key = ModinfoKey::from_byte(key)?;
        let (length, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some((key, value))
    }
}

impl AsRef<[u8]> for ModinfoRecords<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

/// `flags`, `length`, namespace.
#[cfg(feature = "answers")]
#[derive(Clone)]
struct DetailRecords<'facts>(&'facts [u8]);

#[cfg(feature = "answers")]
impl<'facts> Iterator for DetailRecords<'facts> {
    type Item = ExportDetail<'facts>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&flags, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (namespace, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        self.0 = rest;
        let (gpl_only, in_table) = (flags & GPL_ONLY != 0, flags & IN_TABLE != 0);
        Some(ExportDetail { gpl_only, in_table, namespace })
    }
}

#[cfg(feature = "answers")]
impl AsRef<[u8]> for DetailRecords<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}
