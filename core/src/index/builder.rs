//! Collecting what an index shall hold, and sorting it.

use alloc::vec::Vec;
use core::{cmp::Reverse, fmt};

use super::{
    format::BYTE_END,
    writer::{self, IndexTooLarge},
};
use crate::{diagnostic::Diagnostic, limits::Limits};

/// Collects keys with values and makes the file. Keys are copied, values borrowed.
///
/// The shape of the trie depends on the set of keys alone. So nothing is built while collecting;
/// the entries are sorted at the end, and the trie is written straight from the sorted list.
#[derive(Debug, Default)]
pub struct IndexBuilder<'v> {
    /// All keys, back to back.
    keys: Vec<u8>,
    entries: Vec<Entry<'v>>,
    /// The keys together exceed 4 GiB.
    is_too_large: bool,
}

/// A key with a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'v> {
    /// The eight bytes of the key that are being sorted by.
    head: u64,
    pub(super) value: &'v [u8],
    /// Where the key begins in the text of all keys.
    start: u32,
    len: u32,
    pub(super) priority: u32,
    /// Number of entries inserted before.
    ordinal: u32,
}

impl Entry<'_> {
    /// This entry's key in the text of all keys.
    pub(super) fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        let from_start = keys.get(self.start as usize..).unwrap_or_default();
        from_start.get(..self.len as usize).unwrap_or_default()
    }
}

impl<'v> IndexBuilder<'v> {
    /// Without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With room for `entries` entries whose keys have `key_bytes` bytes together.
    #[must_use]
    pub fn with_capacity(entries: usize, key_bytes: usize) -> Self {
        Self {
            keys: Vec::with_capacity(key_bytes),
            entries: Vec::with_capacity(entries),
            is_too_large: false,
        }
    }

    /// Adds a value to a key, in front of those with the same or a higher priority. Nothing is
    /// deduplicated.
    ///
    /// # Errors
    /// When key or value has a byte from `0x80` on (`reference/index-format.md` §3.4), or a NUL,
    /// which would end it. The entry is then not inserted.
    pub fn insert(
        &mut self,
        key: impl IntoIterator<Item = u8>,
        value: &'v [u8],
        priority: u32,
    ) -> Result<(), BadCharacter> {
        let start = self.keys.len();
        self.keys.extend(key);
        let key = self.keys.get(start..).unwrap_or_default();
        if let Err(bad) = check_text(key).and_then(|()| check_text(value)) {
            self.keys.truncate(start);
            return Err(bad);
        }
        let offset = |n: usize| u32::try_from(n).ok();
        match (offset(start), offset(key.len()), offset(self.entries.len())) {
            (Some(start), Some(len), Some(ordinal)) => {
                self.entries.push(Entry { head: 0, value, start, len, priority, ordinal });
            }
            _ => {
                self.keys.truncate(start);
                self.is_too_large = true;
            }
        }
        Ok(())
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Key and value of an insertion, counted from 0.
    #[must_use]
    pub fn entry(&self, ordinal: usize) -> Option<(&[u8], &'v [u8])> {
        self.entries.get(ordinal).map(|entry| (entry.key(&self.keys), entry.value))
    }

    /// Which insertions repeated a key and value that were there already, whatever the priority:
    /// ascending, counted from 0.
    #[must_use]
    pub fn duplicates(&self) -> Vec<usize> {
        let mut entries: Vec<_> =
            self.entries.iter().map(|entry| (entry.key(&self.keys), entry.value, entry.ordinal)).collect();
        entries.sort_unstable();
        let repeated = entries.windows(2).filter_map(|pair| match *pair {
            [(key, value, _), (next_key, next_value, ordinal)] => {
                (key == next_key && value == next_value).then_some(ordinal as usize)
            }
            _ => None,
        });
        let mut repeated: Vec<usize> = repeated.collect();
        repeated.sort_unstable();
        repeated
    }

    /// The file, with the nodes in the order of kmod 34 (`reference/index-format.md` §2.3).
    ///
    /// # Errors
    /// When it would be larger than [`Limits::index_size`] or than references can reach.
    pub fn finish(mut self, limits: &Limits) -> Result<Vec<u8>, IndexTooLarge> {
        if self.is_too_large {
            return Err(IndexTooLarge { limit: limits.index_size });
        }
        sort(&mut self.entries, &self.keys);
        writer::write(&self.entries, &self.keys, limits)
    }
}

/// Sorts by key, priority, and latest insertion.
///
/// Keys share long beginnings (`pci:v00008086d0000…`). So they are sorted by eight bytes, as one
/// number, and what is equal then by the next eight: no byte is looked at twice.
fn sort(entries: &mut [Entry<'_>], keys: &[u8]) {
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

fn check_text(text: &[u8]) -> Result<(), BadCharacter> {
    let is_bad = |&byte: &u8| byte == 0 || byte >= BYTE_END;
    // Without an early end this is a loop that a compiler can vectorise.
    if !text.iter().fold(false, |bad, byte| bad | is_bad(byte)) {
        return Ok(());
    }
    let byte = text.iter().copied().find(is_bad).unwrap_or_default();
    Err(BadCharacter { byte, text: text.to_vec() })
}

/// A byte that no index can hold (`reference/index-format.md` §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCharacter {
    /// The first one.
    pub byte: u8,
    /// The whole key or value.
    pub text: Vec<u8>,
}

impl fmt::Display for BadCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {:#04x} cannot be in an index: {}", self.byte, self.text.escape_ascii())
    }
}

impl core::error::Error for BadCharacter {}

impl From<BadCharacter> for Diagnostic {
    fn from(bad: BadCharacter) -> Self {
        let hex = alloc::format!("{:x}", bad.byte).into_bytes();
        Self::BadCharacter { byte: Vec::from([bad.byte]), hex, text: bad.text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn bad_characters() {
        let mut builder = IndexBuilder::new();
        let bad = |byte, text: &[u8]| Err(BadCharacter { byte, text: text.to_vec() });
        assert_eq!(builder.insert(*b"caf\xc3\xa9", b"\xff", 0), bad(0xc3, b"caf\xc3\xa9"));
        assert_eq!(builder.insert(*b"key", b"a\x80", 0), bad(0x80, b"a\x80"));
        assert_eq!(builder.insert(*b"a\0b", b"", 0), bad(0, b"a\0b"));
        assert!(builder.is_empty());
        builder.insert(*b"\x01 \n\x7f", b"\x7f", 0).unwrap();
        assert_eq!(builder.len(), 1);
        let bytes = builder.finish(&Limits::DEFAULT).unwrap();
        assert_eq!(Index::parse(&bytes).unwrap().get(b"\x01 \n\x7f"), Ok(Some(&b"\x7f"[..])));
    }

    #[test]
    fn bad_characters_in_the_words_of_kmod() {
        let error = IndexBuilder::new().insert(*b"a\xe9", b"", 0).unwrap_err();
        assert_eq!(error.to_string(), "byte 0xe9 cannot be in an index: a\\xe9");
        assert_eq!(
            Diagnostic::from(error).message(),
            b"Module index: bad character '\xe9'=0xe9 - only 7-bit ASCII is supported:\na\xe9"
        );
    }

    #[test]
    fn duplicates_are_repeated_values_of_a_key() {
        let mut builder = IndexBuilder::with_capacity(8, 8);
        for (key, value, priority) in
            [("a", "x", 0), ("b", "x", 1), ("a", "y", 1), ("a", "x", 7), ("b", "x", 1), ("a", "x", 0)]
        {
            builder.insert(key.bytes(), value.as_bytes(), priority).unwrap();
        }
        assert_eq!(builder.duplicates(), [3, 4, 5]);
    }

    proptest! {
        #[test]
        fn sorted_as_bytes_are(keys in prop::collection::vec(("[ab]{0,20}", 0..3_u32), 0..60)) {
            let mut builder = IndexBuilder::new();
            for (key, priority) in &keys {
                builder.insert(key.bytes(), b"", *priority).unwrap();
            }
            sort(&mut builder.entries, &builder.keys);
            let mut expected: Vec<_> = keys.iter().enumerate().map(|(i, (key, p))| (key, *p, Reverse(i))).collect();
            expected.sort_unstable();
            let sorted = builder.entries.iter().map(|entry| entry.ordinal as usize);
            prop_assert!(sorted.eq(expected.iter().map(|entry| entry.2.0)));
        }
    }
}
