//! Collecting and sorting of index entries.

use alloc::vec::Vec;
use core::fmt;

use bstr::BString;

use super::{
    format::BYTE_END,
    sorted::{IndexEntry, sort},
    writer::{self, IndexTooLarge, PushValue},
};
use crate::limits::Limits;

/// Collects keys with values and generates the file. Keys are copied, values borrowed.
///
/// The shape of the trie depends only on the set of keys, so the builder only collects entries, sorts them at
/// the end, and writes the trie directly from the sorted list.
#[derive(Debug, Default)]
pub struct IndexBuilder<'v> {
    /// All keys, concatenated.
    keys: Vec<u8>,
    entries: Vec<IndexEntry<'v>>,
    /// Whether all keys together exceed 4 GiB.
    is_too_large: bool,
}

impl<'v> IndexBuilder<'v> {
    /// A builder without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder with capacity for `entries` entries and `key_bytes` bytes of keys.
    #[must_use]
    pub fn with_capacity(entries: usize, key_bytes: usize) -> Self {
        Self {
            keys: Vec::with_capacity(key_bytes),
            entries: Vec::with_capacity(entries),
            is_too_large: false,
        }
    }

    /// Adds a value to a key, before values with the same or a higher priority. Duplicates stay.
    ///
    /// # Errors
    /// When key or value has a byte from `0x80` on
    /// ([`reference::index_format`](crate::reference::index_format) §3.4), or a NUL, the terminator. The
    /// entry is then not inserted.
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
                self.entries.push(IndexEntry { head: 0, value, start, len, priority, ordinal });
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

    /// Insertions that repeated an earlier key and value, with any priority: ascending, counted from 0.
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

    /// The file, with the nodes in the order of kmod 34
    /// ([`reference::index_format`](crate::reference::index_format) §2.3).
    ///
    /// # Errors
    /// When the file exceeds [`Limits::index_size`] or the range of references.
    pub fn finish(self, limits: &Limits) -> Result<Vec<u8>, IndexTooLarge> {
        self.write(limits, None)
    }

    /// Like [`Self::finish`], but `values` appends the value of each insertion, counted from 0, instead of the
    /// inserted one: values that are large together then exist only in the file. They must consist of the same
    /// characters as inserted ones.
    ///
    /// # Errors
    /// Likewise.
    pub(crate) fn finish_with(
        self,
        limits: &Limits,
        values: &mut dyn FnMut(u32, &mut Vec<u8>),
    ) -> Result<Vec<u8>, IndexTooLarge> {
        self.write(limits, Some(values))
    }

    fn write(mut self, limits: &Limits, values: Option<PushValue<'_>>) -> Result<Vec<u8>, IndexTooLarge> {
        if self.is_too_large {
            return Err(IndexTooLarge { limit: limits.index_size });
        }
        sort(&mut self.entries, &self.keys);
        writer::write(&self.entries, &self.keys, values, limits)
    }
}

/// Checks a key or a value.
pub(crate) fn check_text(text: &[u8]) -> Result<(), BadCharacter> {
    let is_bad = |&byte: &u8| byte == 0 || byte >= BYTE_END;
    // No early exit, so that the compiler can vectorise the loop.
    if !text.iter().fold(false, |bad, byte| bad | is_bad(byte)) {
        return Ok(());
    }
    let byte = text.iter().copied().find(is_bad).unwrap_or_default();
    Err(BadCharacter { byte, text: text.into() })
}

/// A byte that an index cannot store ([`reference::index_format`](crate::reference::index_format) §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCharacter {
    /// The first such byte.
    pub byte: u8,
    /// The whole key or value.
    pub text: BString,
}

impl fmt::Display for BadCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {:#04x} cannot be in an index: {}", self.byte, self.text.escape_ascii())
    }
}

impl core::error::Error for BadCharacter {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use alloc::string::ToString;
    use core::cmp::Reverse;
    use proptest::prelude::*;

    #[test]
    fn bad_characters_are_errors() {
        let mut builder = IndexBuilder::new();
        let bad = |byte, text: &[u8]| Err(BadCharacter { byte, text: text.into() });
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
    fn bad_characters_are_displayed_in_hexadecimal() {
        let error = IndexBuilder::new().insert(*b"a\xe9", b"", 0).unwrap_err();
        assert_eq!(error.to_string(), "byte 0xe9 cannot be in an index: a\\xe9");
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
        fn entries_are_sorted_bytewise(keys in prop::collection::vec(("[ab]{0,20}", 0..3_u32), 0..60)) {
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
