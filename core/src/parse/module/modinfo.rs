//! `.modinfo`: NUL-separated `key=value` strings ([`reference::modules`](crate::reference::modules) §7.3).

use super::{FactsBuilder, ModinfoKey, exports::until_nul};

/// Collects the relevant entries, in file order. Empty strings are skipped, the last string may be
/// unterminated, and a string without `=` is a key with an empty value.
pub(super) fn collect(mut section: &[u8], facts: &mut FactsBuilder) {
    while !section.is_empty() {
        let entry = until_nul(section);
        section = section.get(entry.len().saturating_add(1)..).unwrap_or_default();
        let equals = memchr::memchr(b'=', entry).unwrap_or(entry.len());
        let (key, value) = entry.split_at_checked(equals).unwrap_or_default();
        if let Some(key) = ModinfoKey::from_name(key) {
            facts.modinfo(key, value.get(1..).unwrap_or_default());
        }
    }
}

/// Keeps, behind them, the entries that only answers want.
#[cfg(feature = "answers")]
pub(super) fn collect_details(section: &[u8], facts: &mut FactsBuilder) {
    for entry in section.split(|&byte| byte == 0) {
        let equals = memchr::memchr(b'=', entry).unwrap_or(entry.len());
        let (key, value) = entry.split_at_checked(equals).unwrap_or_default();
        if let Some(key) = ModinfoKey::detail_from_name(key) {
            facts.modinfo(key, value.get(1..).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_split_into_keys_and_values() {
        let mut facts = FactsBuilder::default();
        collect(b"\0\0license=GPL\0alias=a=b\0alias\0\0aliasx=no\0softdep=pre: x\0alias=", &mut facts);
        let facts = facts.finish().unwrap();
        assert!(facts.aliases().eq([&b"a=b"[..], b"", b""]));
        assert!(facts.values(ModinfoKey::Softdep).eq([&b"pre: x"[..]]));
    }
}
