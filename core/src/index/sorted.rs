//! Index entries and their order in the trie.

use alloc::vec::Vec;
use core::cmp::Reverse;

/// A key with a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexEntry<'v> {
    /// The eight bytes of the key to sort by; initially 0.
    pub(super) head: u64,
    pub(super) value: &'v [u8],
    /// Offset of the key in the text of all keys.
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) priority: u32,
    /// Number of entries inserted earlier.
    pub(super) ordinal: u32,
}

impl IndexEntry<'_> {
    /// This entry's key in the text of all keys.
    pub(super) fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        let from_start = keys.get(self.start as usize..).unwrap_or_default();
        from_start.get(..self.len as usize).unwrap_or_default()
    }
}

/// Sorts by key, priority, and latest insertion.
///
/// Keys have long common prefixes (`pci:v00008086d0000…`), so they are sorted by eight bytes as one number,
/// and equal ones by the next eight bytes: no byte is compared twice.
pub(super) fn sort(entries: &mut [IndexEntry<'_>], keys: &[u8]) {
    // Ranges of entries that are equal up to a depth.
    let mut equal = Vec::from([(entries, 0_usize)]);
    while let Some((entries, depth)) = equal.pop() {
        for entry in entries.iter_mut() {
            entry.head = head(entry.key(keys), depth);
        }
        entries.sort_unstable_by_key(|entry| entry.head);
        for range in entries.chunk_by_mut(|a, b| a.head == b.head) {
            let [first, _, ..] = range else { continue };
            // Keys contain no NUL, so a NUL here marks the end of the key.
            if first.head.to_be_bytes().ends_with(&[0]) {
                range.sort_unstable_by_key(|entry| (entry.priority, Reverse(entry.ordinal)));
            } else {
                equal.push((range, depth.saturating_add(size_of::<u64>())));
            }
        }
    }
}

/// Eight bytes of `key` from `depth` on, as a number in byte order; missing bytes are 0.
fn head(key: &[u8], depth: usize) -> u64 {
    let rest = key.get(depth..).unwrap_or_default();
    let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; size_of::<u64>()];
        padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        padded
    });
    u64::from_be_bytes(bytes)
}
