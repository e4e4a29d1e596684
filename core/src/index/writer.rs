//! Writes the trie from sorted entries.
//!
//! Entries with a common prefix are adjacent, so a node is a range of entries and a depth: the common bytes
//! of its first and last key from that depth on are its prefix, keys that end there are its values, and the
//! next byte splits the others into children.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use super::{
    format::{HEADER_LEN, MAGIC, NodeRef, Parts, ROOT_SLOT, VERSION, WORD},
    reader::value_len,
    sorted::IndexEntry,
};
use crate::limits::Limits;

/// The index exceeds the limit, or the range of references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexTooLarge {
    /// The limit in bytes.
    pub limit: u64,
}

impl fmt::Display for IndexTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index larger than {} bytes", self.limit)
    }
}

impl core::error::Error for IndexTooLarge {}

/// Appends the value of an insertion, counted from 0.
pub(super) type PushValue<'f> = &'f mut dyn FnMut(u32, &mut Vec<u8>);

/// Generates the file. `entries` are sorted by key, priority, and latest insertion; `values` replaces their
/// values.
pub(super) fn write(
    entries: &[IndexEntry<'_>],
    keys: &[u8],
    values: Option<PushValue<'_>>,
    limits: &Limits,
) -> Result<Vec<u8>, IndexTooLarge> {
    Writer { entries, keys, values, limit: limits.index_size, out: Vec::new() }.write()
}

struct Writer<'a, 'v> {
    entries: &'a [IndexEntry<'a>],
    keys: &'a [u8],
    values: Option<PushValue<'v>>,
    limit: u64,
    out: Vec<u8>,
}

/// A node to be written.
struct Pending {
    entries: Range<usize>,
    /// Bytes of the keys above this node, its edge included.
    depth: usize,
    /// Offset of the reference to it.
    slot: usize,
}

impl Writer<'_, '_> {
    fn write(mut self) -> Result<Vec<u8>, IndexTooLarge> {
        self.reserve(HEADER_LEN)?;
        for word in [MAGIC, VERSION, 0] {
            self.out.extend_from_slice(&word.to_be_bytes());
        }
        let root = Pending { entries: 0..self.entries.len(), depth: 0, slot: ROOT_SLOT };
        let mut pending = Vec::from([root]);
        while let Some(node) = pending.pop() {
            let children = pending.len();
            self.write_node(&node, &mut pending)?;
            // The first child is written next.
            if let Some(children) = pending.get_mut(children..) {
                children.reverse();
            }
        }
        Ok(self.out)
    }

    /// Writes a node and appends its children to `pending`.
    fn write_node(&mut self, node: &Pending, pending: &mut Vec<Pending>) -> Result<(), IndexTooLarge> {
        let at = self.out.len();
        let keys = self.keys;
        let entries = self.entries.get(node.entries.clone()).unwrap_or_default();
        let key = entries.first().map_or(&[][..], |entry| entry.key(keys));
        let last_key = entries.last().map_or(&[][..], |entry| entry.key(keys));

        let prefix = match node.slot {
            ROOT_SLOT => &[],
            _ => common_prefix(tail(key, node.depth), tail(last_key, node.depth)),
        };
        let end = node.depth.saturating_add(prefix.len());
        let values = entries.iter().take_while(|entry| entry.key(keys).len() == end);
        let values = entries.get(..values.count()).unwrap_or_default();
        let others = entries.get(values.len()..).unwrap_or_default();
        let edge = |entry: &IndexEntry<'_>| entry.key(keys).get(end).copied();
        let edges = others.first().and_then(edge).zip(others.last().and_then(edge));

        let parts =
            Parts { prefix: !prefix.is_empty(), children: edges.is_some(), values: !values.is_empty() };
        let reference = NodeRef::pack(at, parts).ok_or(IndexTooLarge { limit: self.limit })?;
        self.put_reference(node.slot, reference);
        if parts.prefix {
            self.reserve(prefix.len().saturating_add(1))?;
            self.out.extend_from_slice(prefix);
            self.out.push(0);
        }
        if let Some((first, last)) = edges {
            let slots = usize::from(last.saturating_sub(first)).saturating_add(1).saturating_mul(WORD);
            self.reserve(slots.saturating_add(2))?;
            self.out.extend_from_slice(&[first, last]);
            let table = self.out.len();
            self.out.resize(table.saturating_add(slots), 0);
            let mut start = node.entries.start.saturating_add(values.len());
            for child in others.chunk_by(|a, b| edge(a) == edge(b)) {
                let nth = child.first().and_then(edge).unwrap_or(first).saturating_sub(first);
                let entries = start..start.saturating_add(child.len());
                start = entries.end;
                let slot = table.saturating_add(usize::from(nth).saturating_mul(WORD));
                pending.push(Pending { entries, depth: end.saturating_add(1), slot });
            }
        }
        if parts.values {
            self.write_values(values)?;
        }
        Ok(())
    }

    fn write_values(&mut self, values: &[IndexEntry<'_>]) -> Result<(), IndexTooLarge> {
        let count = u32::try_from(values.len()).map_err(|_| IndexTooLarge { limit: self.limit })?;
        self.reserve(WORD)?;
        self.out.extend_from_slice(&count.to_be_bytes());
        for entry in values {
            self.reserve(value_len(entry.value))?;
            self.out.extend_from_slice(&entry.priority.to_be_bytes());
            match &mut self.values {
                None => self.out.extend_from_slice(entry.value),
                Some(push) => {
                    push(entry.ordinal, &mut self.out);
                    self.reserve(1)?;
                }
            }
            self.out.push(0);
        }
        Ok(())
    }

    fn put_reference(&mut self, slot: usize, reference: NodeRef) {
        if let Some(slot) = self.out.get_mut(slot..slot.saturating_add(WORD)) {
            slot.copy_from_slice(&reference.word().to_be_bytes());
        }
    }

    /// Ensures that `more` bytes are within the limit.
    fn reserve(&mut self, more: usize) -> Result<(), IndexTooLarge> {
        let len = self.out.len().saturating_add(more);
        if len as u64 > self.limit {
            return Err(IndexTooLarge { limit: self.limit });
        }
        self.out.reserve(more);
        Ok(())
    }
}

fn tail(key: &[u8], depth: usize) -> &[u8] {
    key.get(depth..).unwrap_or_default()
}

fn common_prefix<'a>(a: &'a [u8], b: &[u8]) -> &'a [u8] {
    let len = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    a.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{
        IndexBuilder, Layout, Scratch,
        examples::{ALIASES, DEPENDENCIES, EMPTY},
        model::Trie,
        reader::Index,
    };
    use crate::name::normalize_alias;
    use proptest::prelude::*;

    fn file(entries: &[(&str, &str, u32)]) -> Result<Vec<u8>, IndexTooLarge> {
        limited(entries, u64::MAX)
    }

    fn limited(entries: &[(&str, &str, u32)], index_size: u64) -> Result<Vec<u8>, IndexTooLarge> {
        let mut builder = IndexBuilder::new();
        for (key, value, priority) in entries {
            builder.insert(key.bytes(), value.as_bytes(), *priority).unwrap();
        }
        builder.finish(&Limits { index_size, ..Limits::DEFAULT })
    }

    const SMALL: [(&str, &str, u32); 2] = [("ps_2", "ab", 0), ("p", "cd", 1)];

    #[test]
    fn worked_examples_are_written() {
        let aliases = [
            ("pci:v1*", "ab", 0),
            ("ps_2", "ab", 0),
            ("pci:v1*", "cd", 1),
            ("pci:v1*", "cd", 1),
            ("p", "cd", 1),
            ("pci:v2", "cd", 1),
        ];
        assert_eq!(file(&aliases).unwrap(), ALIASES);
        let dependencies = [
            ("snd", "snd.ko:", 0),
            ("snd_hda", "snd-hda.ko: snd.ko", 1),
            ("soc", "soc.ko: snd.ko", 2),
            ("snd_hdmi", "snd_hdmi.ko: snd.ko", 3),
        ];
        assert_eq!(file(&dependencies).unwrap(), DEPENDENCIES);
        assert_eq!(file(&[]).unwrap(), EMPTY);
    }

    #[test]
    fn example_of_the_module_documentation_is_written() {
        let documented = [
            0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 0x0c, b'p', b'p', 0x60, 0, 0, 0x12, b's', b's',
            0xc0, 0, 0, 0x23, 0, 0, 0, 1, 0, 0, 0, 1, b'c', b'd', 0, b'_', b'2', 0, 0, 0, 0, 1, 0, 0, 0, 0,
            b'a', b'b', 0,
        ];
        assert_eq!(file(&SMALL).unwrap(), documented);
    }

    #[test]
    fn equal_priorities_are_latest_first() {
        let bytes =
            file(&[("k", "1", 0), ("k", "2", 5), ("k", "3", 0), ("k", "4", 5), ("k", "5", 3)]).unwrap();
        let values = Index::parse(&bytes).unwrap().values(b"k").unwrap();
        let values: Vec<u8> = values.flat_map(|value| value.unwrap().bytes).copied().collect();
        assert_eq!(values, b"31542");
    }

    #[test]
    fn limit_is_exact() {
        let len = file(&SMALL).unwrap().len() as u64;
        assert!(limited(&SMALL, len).is_ok());
        for limit in 0..len {
            assert_eq!(limited(&SMALL, limit), Err(IndexTooLarge { limit }));
        }
    }

    #[test]
    fn references_have_28_bits() {
        let filler = alloc::vec![b'x'; (1 << 20) - 5];
        let build = |more: usize| {
            let mut builder = IndexBuilder::new();
            for priority in 0..255 {
                builder.insert(*b"a", &filler, priority).unwrap();
            }
            builder.insert(*b"a", &filler[200 - more..], 255).unwrap();
            builder.insert(*b"b", b"z", 0).unwrap();
            builder.finish(&Limits { index_size: 1 << 30, ..Limits::DEFAULT })
        };
        let far = build(0).unwrap();
        assert_eq!(Index::parse(&far).unwrap().get(b"b"), Ok(Some(&b"z"[..])));
        drop(far);
        assert_eq!(build(200), Err(IndexTooLarge { limit: 1 << 30 }));
    }

    /// Lists of repeated keys with common prefixes.
    fn entries() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>, u32)>> {
        let key = prop_oneof![
            prop::collection::vec(prop::sample::select(&b"ab*"[..]), 0..6),
            "(pci:v0000|usb:v|)[0-9a-b*?\\[]{0,9}".prop_map(alloc::string::String::into_bytes),
            prop::collection::vec(1..0x80_u8, 0..20),
        ];
        prop::collection::vec((key, "[xy]{0,2}".prop_map(alloc::string::String::into_bytes), 0..3_u32), 0..50)
    }

    fn build(entries: &[(Vec<u8>, Vec<u8>, u32)]) -> Vec<u8> {
        let mut builder = IndexBuilder::new();
        for (key, value, priority) in entries {
            builder.insert(key.iter().copied(), value, *priority).unwrap();
        }
        builder.finish(&Limits::DEFAULT).unwrap()
    }

    fn read(file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>, u32)> {
        let mut scratch = Scratch::new();
        let mut entries = Index::parse(file).unwrap().entries(&mut scratch);
        let mut all = Vec::new();
        while let Some((key, value)) = entries.next_entry().unwrap() {
            all.push((key.to_vec(), value.bytes.to_vec(), value.priority));
        }
        all
    }

    /// Rebuilds an index from entries in reading order.
    fn rebuild(mut entries: Vec<(Vec<u8>, Vec<u8>, u32)>) -> Vec<u8> {
        entries.reverse();
        build(&entries)
    }

    proptest! {
        #[test]
        fn files_equal_the_reference_trie(entries in entries()) {
            prop_assert_eq!(build(&entries), Trie::of(&entries).file());
        }

        #[test]
        fn entries_round_trip(entries in entries()) {
            let file = build(&entries);
            let mut expected = entries.clone();
            expected.reverse();
            expected.sort_by(|a, b| (&a.0, a.2).cmp(&(&b.0, b.2)));
            prop_assert_eq!(&read(&file), &expected);
            for (key, ..) in &entries {
                let values = Index::parse(&file).unwrap().values(key).unwrap();
                let values: Vec<_> = values.map(|v| v.unwrap()).map(|v| (v.bytes, v.priority)).collect();
                let expected = expected.iter().filter(|entry| entry.0 == *key);
                let expected: Vec<_> = expected.map(|entry| (&entry.1[..], entry.2)).collect();
                prop_assert_eq!(values, expected);
            }
            let summary = Index::parse(&file).unwrap().check(&mut Scratch::new()).unwrap();
            prop_assert_eq!((summary.layout, summary.values), (Layout::PreOrder, entries.len()));
        }

        #[test]
        fn search_equals_the_reference_trie(entries in entries(), noise in "[ab*?\\[]{0,5}", pick: prop::sample::Index) {
            let file = build(&entries);
            let index = Index::parse(&file).unwrap();
            let mut queries = Vec::from([noise.into_bytes(), Vec::new()]);
            if !entries.is_empty() {
                let key = &pick.get(&entries).0;
                queries.push(key.clone());
                queries.push(key.iter().filter(|b| !b"*?[]".contains(b)).copied().collect());
            }
            for query in queries {
                let found = index.steps(usize::MAX).find_all(&query).unwrap();
                let found: Vec<_> = found.iter().map(|v| (v.priority, v.bytes.to_vec())).collect();
                // The search normalises queries; a query with an unmatched bracket finds nothing.
                let normal = normalize_alias(&query).map(Iterator::collect::<Vec<u8>>);
                let expected = normal.map_or(Vec::new(), |query| Trie::of(&entries).search(&query));
                prop_assert_eq!(&found, &expected);
                let bounded = index.steps(usize::MAX).find::<50>(&query, &mut Scratch::new());
                if let Ok(bounded) = bounded {
                    prop_assert!(found.iter().map(|v| (v.0, &v.1[..])).eq(bounded.iter().map(|v| (v.priority, v.bytes))));
                } else {
                    prop_assert!(found.len() > 50);
                }
            }
        }

        #[test]
        fn checked_files_equal_written_files(
            entries in entries(),
            patches in prop::collection::vec((prop::sample::Index::arbitrary(), any::<u8>()), 0..4),
        ) {
            let mut file = build(&entries);
            for (place, byte) in patches {
                let at = place.index(file.len());
                file[at] = byte;
            }
            if let Ok(index) = Index::parse(&file)
                && let Ok(summary) = index.check(&mut Scratch::new())
                && summary.layout == Layout::PreOrder
            {
                file[6..8].copy_from_slice(&[0, 1]);
                prop_assert_eq!(rebuild(read(&file)), file);
            }
        }
    }
}
