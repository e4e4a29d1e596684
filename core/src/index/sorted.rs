//! Keys with values, and their order in the trie.

use alloc::vec::Vec;
use core::cmp::Reverse;

/// A key with a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'v> {
    /// The eight bytes of the key that are being sorted by; 0 until then.
    pub(super) head: u64,
    pub(super) value: &'v [u8],
    /// Where the key begins in the text of all keys.
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) priority: u32,
    /// Number of entries inserted before.
    pub(super) ordinal: u32,
}

impl Entry<'_> {
    /// This entry's key in the text of all keys.
    pub(super) fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        let from_start = keys.get(self.start as usize..).unwrap_or_default();
        from_start.get(..self.len as usize).unwrap_or_default()
    }
}

/// Sorts by key, priority, and latest insertion.
///
/// Keys share long beginnings (`pci:v00008086d0000…`). So they are sorted by eight bytes, as one
/// number, and what is equal then by the next eight: no byte is looked at twice.
pub(super) fn sort(entries: &mut [Entry<'_>], keys: &[u8]) {
    // Ranges of entries that are equal up to a depth.
    let mut equal = Vec::from([(entries, 0_usize)]);
    while let Some((entries, depth)) = equal.pop() {
        for entry in entries.iter_mut() {
            entry.head = head(entry.key(keys), depth);
        }
        entries.sort_unstable_by_key(|entry| entry.head);
        for range in entries.chunk_by_mut(|a, b| a.head == b.head) {
            let [first, _, ..] = range else { continue };
            // No key contains a NUL: here it is what stands behind the end.
            if first.head.to_be_bytes().ends_with(&[0]) {
                range.sort_unstable_by_key(|entry| (entry.priority, Reverse(entry.ordinal)));
            } else {
                equal.push((range, depth.saturating_add(size_of::<u64>())));
            }
        }
    }
}

/// Eight bytes of `key` from `depth` on, ordered as the bytes are; what the key lacks is 0.
fn head(key: &[u8], depth: usize) -> u64 {
    let rest = key.get(depth..).unwrap_or_default();
    let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; size_of::<u64>()];
        padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        padded
    });
    u64::from_be_bytes(bytes)
}
