//! For tests: a simple trie as a reference implementation.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{examples::EMPTY, fnmatch};

/// A node of the trie of [`reference::index_format`](crate::reference::index_format) §3, built as described
/// on that page.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    prefix: Vec<u8>,
    values: Vec<(u32, Vec<u8>)>,
    children: BTreeMap<u8, Trie>,
}

impl Trie {
    pub(super) fn of(entries: &[(Vec<u8>, Vec<u8>, u32)]) -> Self {
        let mut root = Self::default();
        for (key, value, priority) in entries {
            root.insert(key, value, *priority);
        }
        root
    }

    fn insert(&mut self, key: &[u8], value: &[u8], priority: u32) {
        let common = self.prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
        if common < self.prefix.len() {
            let mut lower = core::mem::take(self);
            self.prefix = lower.prefix[..common].to_vec();
            let edge = lower.prefix[common];
            lower.prefix.drain(..=common);
            self.children.insert(edge, lower);
        }
        match key[common..].split_first() {
            None => add_value(&mut self.values, value, priority),
            Some((edge, rest)) => match self.children.get_mut(edge) {
                Some(child) => child.insert(rest, value, priority),
                None => {
                    let values = Vec::from([(priority, value.to_vec())]);
                    let leaf = Self { prefix: rest.to_vec(), values, ..Self::default() };
                    self.children.insert(*edge, leaf);
                }
            },
        }
    }

    /// The file in two phases: measure, then write (§2.3).
    pub(super) fn file(&self) -> Vec<u8> {
        let mut out = EMPTY[..8].to_vec();
        out.extend((self.flags() | 12).to_be_bytes());
        self.emit(12, &mut out);
        out
    }

    /// The file as older releases laid it out (§6); gives the reference to the node.
    #[cfg(feature = "answers")]
    fn emit_after_children(&self, out: &mut Vec<u8>) -> u32 {
        let children: BTreeMap<u8, u32> =
            self.children.iter().map(|(&edge, child)| (edge, child.emit_after_children(out))).collect();
        let reference = u32::try_from(out.len()).unwrap() | self.flags();
        self.head(|edge| children.get(&edge).copied().unwrap_or(0), out);
        reference
    }

    fn flags(&self) -> u32 {
        let flag = |is_set, bit| u32::from(is_set) << bit;
        flag(!self.prefix.is_empty(), 31)
            | flag(!self.values.is_empty(), 30)
            | flag(!self.children.is_empty(), 29)
    }

    fn edges(&self) -> Option<(u8, u8)> {
        Some((*self.children.first_key_value()?.0, *self.children.last_key_value()?.0))
    }

    fn size(&self) -> u32 {
        let prefix = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let table = self.edges().map_or(0, |(first, last)| 2 + 4 * usize::from(last - first + 1));
        let values: usize = self.values.iter().map(|(_, value)| 4 + value.len() + 1).sum();
        let values = if values == 0 { 0 } else { values + 4 };
        u32::try_from(prefix + table + values).unwrap()
    }

    fn total(&self) -> u32 {
        self.size() + self.children.values().map(Self::total).sum::<u32>()
    }

    fn emit(&self, at: u32, out: &mut Vec<u8>) {
        assert_eq!(out.len(), at as usize);
        let mut next = at + self.size();
        let reference = |edge| {
            let child = self.children.get(&edge);
            let reference = child.map_or(0, |child| next | child.flags());
            next += child.map_or(0, Self::total);
            reference
        };
        self.head(reference, out);
        let mut next = at + self.size();
        for child in self.children.values() {
            child.emit(next, out);
            next += child.total();
        }
    }

    /// A node without its children; `reference` returns the reference to each of them.
    fn head(&self, mut reference: impl FnMut(u8) -> u32, out: &mut Vec<u8>) {
        if !self.prefix.is_empty() {
            out.extend(&self.prefix);
            out.push(0);
        }
        if let Some((first, last)) = self.edges() {
            out.extend([first, last]);
            for edge in first..=last {
                out.extend(reference(edge).to_be_bytes());
            }
        }
        if !self.values.is_empty() {
            out.extend(u32::try_from(self.values.len()).unwrap().to_be_bytes());
        }
        for (priority, value) in &self.values {
            out.extend(priority.to_be_bytes());
            out.extend(value);
            out.push(0);
        }
    }

    /// The results of a query, in result order (§4.3).
    pub(super) fn search(&self, query: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut found = Vec::new();
        let (mut node, mut rest) = (self, query);
        'down: loop {
            for (at, byte) in node.prefix.iter().enumerate() {
                if b"*?[".contains(byte) {
                    node.subtree(at, Vec::new(), &rest[at..], &mut found);
                    break 'down;
                }
                if rest.get(at) != Some(byte) {
                    break 'down;
                }
            }
            rest = &rest[node.prefix.len()..];
            for edge in b"*?[" {
                if let Some(child) = node.children.get(edge) {
                    child.subtree(0, Vec::from([*edge]), rest, &mut found);
                }
            }
            let Some((edge, after)) = rest.split_first() else {
                node.values.iter().for_each(|(priority, value)| add_value(&mut found, value, *priority));
                break;
            };
            let Some(child) = node.children.get(edge) else { break };
            (node, rest) = (child, after);
        }
        found
    }

    fn subtree(&self, from: usize, above: Vec<u8>, subject: &[u8], found: &mut Vec<(u32, Vec<u8>)>) {
        let pattern = [&above, &self.prefix[from..]].concat();
        for (edge, child) in &self.children {
            child.subtree(0, [&pattern[..], &[*edge]].concat(), subject, found);
        }
        if fnmatch(&pattern, subject) {
            self.values.iter().for_each(|(priority, value)| add_value(found, value, *priority));
        }
    }
}

/// An index with these entries, which stand in the order of a dump, as kmod up to release 33 writes it.
#[cfg(feature = "answers")]
pub(crate) fn post_order(entries: &[(Vec<u8>, Vec<u8>, u32)]) -> Vec<u8> {
    let mut root = Trie::default();
    entries.iter().rev().for_each(|(key, value, priority)| root.insert(key, value, *priority));
    let mut out = EMPTY.to_vec();
    let reference = root.emit_after_children(&mut out);
    out[8..12].copy_from_slice(&reference.to_be_bytes());
    out
}

/// Inserts before the first value with the same or a higher priority (§3.3).
fn add_value(values: &mut Vec<(u32, Vec<u8>)>, value: &[u8], priority: u32) {
    let place = values.iter().position(|(other, _)| *other >= priority).unwrap_or(values.len());
    values.insert(place, (priority, value.to_vec()));
}
