//! `.modinfo`: NUL-separated `key=value` strings (`reference/modules.md` §7.3).

use super::{FactsBuilder, ModinfoKey};

/// Keeps the entries that matter, in file order. Empty strings are skipped, the last one need not
/// end, and a string without `=` is a key with an empty value.
pub(super) fn collect(section: &[u8], facts: &mut FactsBuilder) {
    for entry in section.split(|&b| b == 0).filter(|entry| !entry.is_empty()) {
        let mut parts = entry.splitn(2, |&b| b == b'=');
        let key = parts.next().and_then(ModinfoKey::from_name);
        if let Some(key) = key {
            facts.modinfo(key, parts.next().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_their_edges() {
        let mut facts = FactsBuilder::default();
        collect(b"\0\0license=GPL\0alias=a=b\0alias\0\0aliasx=no\0softdep=pre: x\0alias=", &mut facts);
        let facts = facts.finish().unwrap();
        assert!(facts.aliases().eq([&b"a=b"[..], b"", b""]));
        assert!(facts.values(ModinfoKey::Softdep).eq([&b"pre: x"[..]]));
    }
}
