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
//! The last two are there only with details (`Detail::Full`): what only answers want costs a classic run nothing.
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

const HEADER_LEN: usize = 12;
const WORD_LEN: usize = 4;
const EXPORTS_INVALID: u32 = 1;
const NAME_UNENDED: u32 = 2;
const NEEDS_DISCARDED_SHIFT: u32 = 8;
/// The block ends with details.
const DETAILED: u32 = 4;
/// Of an export's details: only modules under the GPL may use it.
#[cfg(feature = "answers")]
const GPL_ONLY: u8 = 1;
/// Of an export's details: it stands in an export table, and is no mere string beside one.
#[cfg(feature = "answers")]
const IN_TABLE: u8 = 2;
const WEAK: u32 = 1 << 31;

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

/// What an export's table says besides its name and CRC.
#[cfg(feature = "answers")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportDetail<'facts> {
    /// Only modules under the GPL may use it.
    pub gpl_only: bool,
    /// It stands in an export table. Where it does not, it may be a namespace that was taken for a symbol
    /// ([`reference::modules`](crate::reference::modules) §7.4).
    pub in_table: bool,
    /// What a module must import before it may use the symbol; mostly empty.
    pub namespace: &'facts [u8],
}

/// How much of a module is kept.
#[cfg(feature = "answers")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What the index files are made of.
    #[default]
    Classic,
    /// Also what answers want: the license and the like, what is GPL-only, namespaces, extended versions.
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
    /// `license`: whether it may use what is GPL-only.
    #[cfg(feature = "answers")]
    License = 7,
    /// `depends`: the modules that it was linked against.
    #[cfg(feature = "answers")]
    Depends = 8,
    /// `name`: what the kernel calls it.
    #[cfg(feature = "answers")]
    Name = 9,
    /// `intree`: it was built with the kernel.
    #[cfg(feature = "answers")]
    Intree = 10,
    /// `version`: its own.
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

    /// The key of this name, if it is one that is kept for answers alone.
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
    /// Invariant: made by [`FactsBuilder::finish`], or checked by [`Facts::from_bytes`].
    block: Vec<u8>,
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

    /// Where the details begin; without any, the end.
    fn details_start(&self) -> usize {
        if self.is_detailed() { self.word(self.details_end()) } else { self.block.len() }
    }

    /// Where the word stands that tells where the details begin.
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
struct SymbolRecords<'facts>(&'facts [u8]);

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

/// Collects the facts of one module after the other, with reused buffers.
#[derive(Debug, Default)]
pub struct FactsBuilder {
    flags: u32,
    exports: Vec<u8>,
    needs: Vec<u8>,
    modinfo: Vec<u8>,
    #[cfg(feature = "answers")]
    details: Vec<u8>,
}

impl FactsBuilder {
    /// Adds an exported symbol; empty names are ignored
    /// ([`reference::known_bugs`](crate::reference::known_bugs) C3).
    pub fn export(&mut self, name: &[u8], crc: u64) {
        if !name.is_empty() {
            push_symbol(&mut self.exports, name, crc, 0);
        }
    }

    /// Discards all exports.
    pub fn clear_exports(&mut self) {
        self.exports.clear();
    }

    /// Whether there is any export.
    #[must_use]
    pub fn has_exports(&self) -> bool {
        !self.exports.is_empty()
    }

    /// Marks the export table as unusable.
    pub fn set_exports_invalid(&mut self) {
        self.flags |= EXPORTS_INVALID;
    }

    /// Records an unterminated symbol name.
    pub fn set_name_unended(&mut self) {
        self.flags |= NAME_UNENDED;
    }

    /// Adds a needed symbol.
    pub fn need(&mut self, name: &[u8], crc: u64, weak: bool) {
        push_symbol(&mut self.needs, name, crc, if weak { WEAK } else { 0 });
    }

    /// Discards all needs, for this reason.
    pub fn discard_needs(&mut self, reason: NeedsDiscarded) {
        self.needs.clear();
        self.flags |= u32::from(reason as u8) << NEEDS_DISCARDED_SHIFT;
    }

    /// Adds a modinfo entry.
    pub fn modinfo(&mut self, key: ModinfoKey, value: &[u8]) {
        let Ok(length) = u32::try_from(value.len()) else { return };
        self.modinfo.push(key as u8);
        self.modinfo.extend_from_slice(&length.to_le_bytes());
        self.modinfo.extend_from_slice(value);
    }

    /// Returns the facts and empties the builder.
    ///
    /// # Errors
    /// When the facts exceed 4 GiB, which [`Limits::sections_size`](crate::limits::Limits) normally prevents.
    pub fn finish(&mut self) -> Result<Facts, FactsError> {
        let offset = |length: usize| u32::try_from(length).map_err(|_| FactsError);
        let needs = HEADER_LEN.saturating_add(self.exports.len());
        let modinfo = needs.saturating_add(self.needs.len());
        let length = modinfo.saturating_add(self.modinfo.len());
        offset(length)?;
        let mut block = Vec::with_capacity(length);
        block.extend_from_slice(&self.flags.to_le_bytes());
        block.extend_from_slice(&offset(needs)?.to_le_bytes());
        block.extend_from_slice(&offset(modinfo)?.to_le_bytes());
        block.extend_from_slice(&self.exports);
        block.extend_from_slice(&self.needs);
        block.extend_from_slice(&self.modinfo);
        #[cfg(feature = "answers")]
        if self.flags & DETAILED != 0 {
            let start = offset(length)?;
            offset(length.saturating_add(self.details.len()).saturating_add(WORD_LEN))?;
            block.extend_from_slice(&self.details);
            block.extend_from_slice(&start.to_le_bytes());
        }
        self.reset();
        Ok(Facts { block })
    }

    /// Empties the builder.
    pub fn reset(&mut self) {
        self.flags = 0;
        self.exports.clear();
        self.needs.clear();
        self.modinfo.clear();
        #[cfg(feature = "answers")]
        self.details.clear();
    }

    /// Gives the needs their versions by name, and adds the symbols that have a version alone.
    #[cfg(feature = "answers")]
    pub fn version_needs<'data>(&mut self, versions: impl Iterator<Item = (&'data [u8], u32)>) {
        if self.flags >> NEEDS_DISCARDED_SHIFT != 0 {
            return;
        }
        let mut unused: hashbrown::HashMap<&[u8], u32> = hashbrown::HashMap::new();
        let mut order = Vec::new();
        for (name, crc) in versions.filter(|(name, _)| !name.is_empty()) {
            if unused.insert(name, crc).is_none() {
                order.push(name);
            }
        }
        let old = core::mem::take(&mut self.needs);
        for (crc, weak, name) in SymbolRecords(&old) {
            let crc = unused.remove(name).map_or(crc, u64::from);
            self.need(name, crc, weak);
        }
        for name in order {
            if let Some(&crc) = unused.get(name) {
                self.need(name, u64::from(crc), false);
            }
        }
    }

    /// Adds the details of the exports added so far, in their order, as `detail_of` gives them by name.
    #[cfg(feature = "answers")]
    pub fn detail_exports<'data>(&mut self, mut detail_of: impl FnMut(&[u8]) -> ExportDetail<'data>) {
        self.flags |= DETAILED;
        for (_, _, name) in SymbolRecords(&self.exports) {
            let detail = detail_of(name);
            let Ok(length) = u32::try_from(detail.namespace.len()) else { return };
            let flag = |set: bool, bit: u8| if set { bit } else { 0 };
            self.details.push(flag(detail.gpl_only, GPL_ONLY) | flag(detail.in_table, IN_TABLE));
            self.details.extend_from_slice(&length.to_le_bytes());
            self.details.extend_from_slice(detail.namespace);
        }
    }
}

fn push_symbol(list: &mut Vec<u8>, name: &[u8], crc: u64, mark: u32) {
    // A name of 2 GiB would need a section beyond every limit.
    let Ok(length @ 0..WEAK) = u32::try_from(name.len()) else { return };
    list.extend_from_slice(&crc.to_le_bytes());
    list.extend_from_slice(&(length | mark).to_le_bytes());
    list.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn flags_round_trip() {
        let mut builder = FactsBuilder::default();
        builder.need(b"a", 1, true);
        builder.discard_needs(NeedsDiscarded::VersionName);
        builder.set_exports_invalid();
        let facts = builder.finish().unwrap();
        assert!(facts.exports_invalid() && !facts.name_unended() && facts.needs().next().is_none());
        assert_eq!(facts.needs_discarded(), Some(NeedsDiscarded::VersionName));
        builder.set_name_unended();
        let facts = builder.finish().unwrap();
        assert!(facts.name_unended() && !facts.exports_invalid());
        assert_eq!(facts.needs_discarded(), None);
    }

    #[test]
    fn exports_without_a_name_are_ignored() {
        let mut builder = FactsBuilder::default();
        builder.export(b"", 1);
        assert!(!builder.has_exports());
    }

    #[cfg(feature = "answers")]
    #[test]
    fn details_stand_behind_what_a_classic_run_keeps() {
        let fill = |builder: &mut FactsBuilder| {
            builder.export(b"a", 1);
            builder.export(b"b", 2);
            builder.modinfo(ModinfoKey::Alias, b"x");
        };
        let mut builder = FactsBuilder::default();
        fill(&mut builder);
        let classic = builder.finish().unwrap();
        fill(&mut builder);
        builder.detail_exports(|name| ExportDetail {
            gpl_only: name == b"b",
            in_table: true,
            namespace: if name == b"b" { b"NS" } else { b"" },
        });
        let full = Facts::from_bytes(builder.finish().unwrap().as_bytes().to_vec()).unwrap();
        assert!(full.is_detailed() && !classic.is_detailed());
        assert_eq!(full.as_bytes()[4..classic.as_bytes().len()], classic.as_bytes()[4..]);
        assert!(full.modinfo().eq(classic.modinfo()));
        let details: Vec<_> =
            full.exports_in_detail().map(|(e, d)| (e.name, d.gpl_only, d.in_table, d.namespace)).collect();
        assert_eq!(details, [(&b"a"[..], false, true, &b""[..]), (b"b", true, true, b"NS")]);
        let plain: Vec<_> = classic.exports_in_detail().map(|(e, d)| (e.name, d.in_table)).collect();
        assert_eq!(plain, [(&b"a"[..], false), (b"b", false)]);
        for end in 0..full.as_bytes().len() {
            assert!(Facts::from_bytes(full.as_bytes()[..end].to_vec()).is_err(), "{end}");
        }
    }

    #[cfg(feature = "answers")]
    #[test]
    fn versions_of_the_new_form_go_to_the_needs() {
        let mut builder = FactsBuilder::default();
        builder.need(b"a", 0, true);
        builder.need(b"b", 7, false);
        builder.version_needs([(&b"module_layout"[..], 1), (b"a", 2), (b"", 3)].into_iter());
        let facts = builder.finish().unwrap();
        let needs: Vec<_> = facts.needs().map(|need| (need.name, need.crc, need.weak)).collect();
        assert_eq!(needs, [(&b"a"[..], 2, true), (b"b", 7, false), (b"module_layout", 1, false)]);
        builder.discard_needs(NeedsDiscarded::SymbolName);
        builder.version_needs([(&b"a"[..], 2)].into_iter());
        assert_eq!(builder.finish().unwrap().needs().count(), 0);
    }

    proptest! {
        #[test]
        fn facts_round_trip(
            exports in prop::collection::vec(("[a-z]{1,9}", any::<u64>()), 0..9),
            needs in prop::collection::vec(("[a-z]{1,9}", any::<u64>(), any::<bool>()), 0..9),
            aliases in prop::collection::vec(".{0,9}", 0..9),
        ) {
            let mut builder = FactsBuilder::default();
            for (name, crc) in &exports { builder.export(name.as_bytes(), *crc); }
            for (name, crc, weak) in &needs { builder.need(name.as_bytes(), *crc, *weak); }
            for alias in &aliases { builder.modinfo(ModinfoKey::Alias, alias.as_bytes()); }
            let facts = Facts::from_bytes(builder.finish().unwrap().as_bytes().to_vec()).unwrap();
            prop_assert!(facts.exports().map(|e| (e.name, e.crc)).eq(exports.iter().map(|(n, c)| (n.as_bytes(), *c))));
            prop_assert!(facts.needs().map(|n| (n.name, n.crc, n.weak))
                .eq(needs.iter().map(|(n, c, w)| (n.as_bytes(), *c, *w))));
            prop_assert!(facts.aliases().eq(aliases.iter().map(alloc::string::String::as_bytes)));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(facts) = Facts::from_bytes(bytes) {
                facts.exports().count();
                facts.needs().count();
                facts.modinfo().count();
                #[cfg(feature = "answers")]
                facts.exports_in_detail().count();
            }
        }
    }
}
