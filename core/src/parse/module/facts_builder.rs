//! Writes the facts of a module: the block that [`Facts`] reads.

use alloc::vec::Vec;

#[cfg(feature = "answers")]
use super::facts::{DETAILED, ExportDetail, GPL_ONLY, IN_TABLE, WORD_LEN};
use super::{
    NeedsDiscarded,
    facts::{
        EXPORTS_INVALID, Facts, FactsError, HEADER_LEN, ModinfoKey, NAME_UNENDED, NEEDS_DISCARDED_SHIFT,
        SymbolRecords, WEAK,
    },
};

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

    /// Gives the needs their versions by name. With `alone`, adds the symbols that have only a version.
    pub fn version_needs<'data>(&mut self, versions: impl Iterator<Item = (&'data [u8], u32)>, alone: bool) {
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
            if alone && let Some(&crc) = unused.get(name) {
                self.need(name, u64::from(crc), false);
            }
        }
    }

    /// Adds the details of the exports so far, in their order; `detail_of` gives them by name.
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

    #[test]
    fn versions_of_the_new_form_go_to_the_needs() {
        let mut builder = FactsBuilder::default();
        builder.need(b"a", 0, true);
        builder.need(b"b", 7, false);
        let versions = || [(&b"module_layout"[..], 1), (b"a", 2), (b"", 3)].into_iter();
        builder.version_needs(versions(), false);
        let facts = builder.finish().unwrap();
        let needs: Vec<_> = facts.needs().map(|need| (need.name, need.crc, need.weak)).collect();
        assert_eq!(needs, [(&b"a"[..], 2, true), (b"b", 7, false)]);
        builder.need(b"a", 0, true);
        builder.need(b"b", 7, false);
        builder.version_needs(versions(), true);
        let facts = builder.finish().unwrap();
        let needs: Vec<_> = facts.needs().map(|need| (need.name, need.crc, need.weak)).collect();
        assert_eq!(needs, [(&b"a"[..], 2, true), (b"b", 7, false), (b"module_layout", 1, false)]);
        builder.discard_needs(NeedsDiscarded::SymbolName);
        builder.version_needs([(&b"a"[..], 2)].into_iter(), true);
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
