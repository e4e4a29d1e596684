//! Parsing of nodes and lookup of keys.
//!
//! All reads at offsets are in this file; none of them trusts the index.

use core::fmt;

use scroll::{BE, Pread};

use super::{
    error::{Flaw, IndexError, Steps},
    format::{self, BYTE_END, HEADER_LEN, MAGIC, NodeRef, Parts, ROOT_SLOT, VERSION, WORD},
};
use crate::limits::Limits;

/// An index in memory. Only the header is checked at first; other parts are checked when they are read.
#[derive(Clone, Copy)]
pub struct Index<'a> {
    data: &'a [u8],
    root: Option<NodeRef>,
    steps: usize,
}

/// The length of the index only.
impl fmt::Debug for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.data.len()).finish_non_exhaustive()
    }
}

/// A value and its priority.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// Lower values come first. In kmod's files, the module's position in the module list.
    pub priority: u32,
    /// The value without its terminator.
    pub bytes: &'a [u8],
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{self}\"", self.priority)
    }
}

/// The value, with non-printable bytes escaped.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.escape_ascii().fmt(f)
    }
}

impl<'a> Index<'a> {
    /// Reads the header ([`reference::index_format`](crate::reference::index_format) §4.1).
    ///
    /// # Errors
    /// When the header is truncated, or is not that of an index with major version 2.
    pub fn parse(data: &'a [u8]) -> Result<Self, IndexError> {
        if data.len() < HEADER_LEN {
            return Err(IndexError::TooShort { len: data.len() });
        }
        let magic = word(data, 0)?;
        if magic != MAGIC {
            return Err(IndexError::Magic { found: magic });
        }
        let version = word(data, WORD)?;
        if format::major(version) != format::major(VERSION) {
            return Err(IndexError::Version { found: version });
        }
        let root = NodeRef::unpack(word(data, ROOT_SLOT)?);
        Ok(Self { data, root, steps: Limits::DEFAULT.steps })
    }

    /// Limits a search: about one step for each byte read. The default is [`Limits::steps`].
    #[must_use]
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    pub(super) fn most_steps(&self) -> usize {
        self.steps
    }

    /// The values of `key`, lowest priority first; the key is taken literally.
    ///
    /// # Errors
    /// When the path to the key is corrupt.
    pub fn values(&self, key: &[u8]) -> Result<Values<'a>, IndexError> {
        let mut rest = key;
        let mut next = self.root;
        while let Some(reference) = next {
            let node = self.node(reference)?;
            let Some(after) = rest.strip_prefix(node.prefix) else { break };
            let Some((&edge, after)) = after.split_first() else { return Ok(node.values) };
            next = node.children.get(edge)?;
            rest = after;
        }
        Ok(Values::none())
    }

    /// The first value of `key`, which is taken literally
    /// ([`reference::index_format`](crate::reference::index_format) §4.2).
    ///
    /// # Errors
    /// When the path to the key is corrupt.
    pub fn get(&self, key: &[u8]) -> Result<Option<&'a [u8]>, IndexError> {
        Ok(self.values(key)?.next().transpose()?.map(|value| value.bytes))
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.data
    }

    pub(super) fn root(&self) -> Option<NodeRef> {
        self.root
    }

    /// The parts of a node, in constant time apart from the length of its prefix.
    pub(super) fn node(&self, reference: NodeRef) -> Result<Node<'a>, IndexError> {
        let parts = reference.parts();
        let start = reference.offset();
        if start > self.data.len() {
            return Err(IndexError::Corrupt { offset: start, flaw: Flaw::Reference });
        }
        let mut at = start;
        let mut prefix: &[u8] = &[];
        if parts.prefix {
            prefix = string(self.data, at)?;
            at = at.saturating_add(prefix.len()).saturating_add(1);
        }
        let rest = NodeRef::pack(at, Parts { prefix: false, ..parts })
            .ok_or(IndexError::Corrupt { offset: at, flaw: Flaw::Truncated })?;
        let mut children = Children { first: 1, slots: &[], at };
        if parts.children {
            children = Children::parse(self.data, at)?;
            at = children.end();
        }
        let mut values = Values::none();
        if parts.values {
            let left = word(self.data, at)?;
            values = Values { data: self.data, at: at.saturating_add(WORD), left };
        }
        Ok(Node { start, prefix, rest, children, values })
    }
}

/// The parts of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) start: usize,
    pub(super) prefix: &'a [u8],
    /// Reference to the same node, without its prefix.
    pub(super) rest: NodeRef,
    pub(super) children: Children<'a>,
    pub(super) values: Values<'a>,
}

impl Node<'_> {
    /// Bytes of prefix, child table and number of values: the bytes read to parse the node.
    pub(super) fn head_len(&self) -> usize {
        let end = if self.rest.parts().values { self.values.at } else { self.children.end() };
        end.saturating_sub(self.start)
    }
}

/// A child table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Children<'a> {
    first: u8,
    /// One word for each byte from `first` on.
    slots: &'a [u8],
    /// Offset of `slots`.
    at: usize,
}

impl<'a> Children<'a> {
    fn parse(data: &'a [u8], at: usize) -> Result<Self, IndexError> {
        let truncated = IndexError::Corrupt { offset: at, flaw: Flaw::Truncated };
        let Some(&[first, last]) = data.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Err(truncated);
        };
        if first > last || last >= BYTE_END {
            return Err(IndexError::Corrupt { offset: at, flaw: Flaw::ChildTable });
        }
        let len = usize::from(last.saturating_sub(first)).saturating_add(1).saturating_mul(WORD);
        let at = at.saturating_add(2);
        let slots = data.get(at..at.saturating_add(len)).ok_or(truncated)?;
        Ok(Self { first, slots, at })
    }

    /// Offset of the end of the table.
    fn end(&self) -> usize {
        self.at.saturating_add(self.slots.len())
    }

    pub(super) fn get(&self, edge: u8) -> Result<Option<NodeRef>, IndexError> {
        let slot = edge.checked_sub(self.first).map(|i| usize::from(i).saturating_mul(WORD));
        match slot.filter(|&slot| slot < self.slots.len()) {
            Some(slot) => Ok(NodeRef::unpack(word(self.slots, slot)?)),
            None => Ok(None),
        }
    }

    /// The first child at `edge` or after it.
    pub(super) fn from(&self, edge: u8) -> Option<(u8, NodeRef)> {
        let skip = usize::from(edge.saturating_sub(self.first));
        let slots = self.slots.as_chunks().0.get(skip..)?;
        let edges = edge.max(self.first)..BYTE_END;
        edges.zip(slots).find_map(|(edge, &slot)| Some((edge, NodeRef::unpack(u32::from_be_bytes(slot))?)))
    }

    /// The words of the table.
    pub(super) fn words(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.slots.as_chunks().0.iter().map(|&slot| u32::from_be_bytes(slot))
    }
}

/// The values of one key, lowest priority first. Ends after an error.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    data: &'a [u8],
    at: usize,
    left: u32,
}

impl Values<'_> {
    fn none() -> Self {
        Self { data: &[], at: 0, left: 0 }
    }

    /// Offset of the next value, or of the end of the values.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// How many there are, if the file is to be believed.
    #[cfg(feature = "alloc")]
    pub(super) fn len(&self) -> u32 {
        self.left
    }
}

impl<'a> Values<'a> {
    /// Calls back for all values, as steps of a search.
    pub(super) fn take_all(
        self,
        steps: &mut Steps,
        found: &mut impl FnMut(Value<'a>),
    ) -> Result<(), IndexError> {
        for value in self {
            let value = value?;
            steps.spend(value_len(value.bytes))?;
            found(value);
        }
        Ok(())
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<Value<'a>, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let value = word(self.data, self.at).and_then(|priority| {
            let bytes = string(self.data, self.at.saturating_add(WORD))?;
            Ok(Value { priority, bytes })
        });
        match value {
            Ok(value) => self.at = self.at.saturating_add(value_len(value.bytes)),
            Err(_) => self.left = 0,
        }
        Some(value)
    }
}

/// Stored size of a value: priority, value, terminator.
pub(super) fn value_len(value: &[u8]) -> usize {
    value.len().saturating_add(WORD).saturating_add(1)
}

fn word(data: &[u8], at: usize) -> Result<u32, IndexError> {
    data.pread_with(at, BE).map_err(|_| IndexError::Corrupt { offset: at, flaw: Flaw::Truncated })
}

fn string(data: &[u8], at: usize) -> Result<&[u8], IndexError> {
    let bytes = data.get(at..).unwrap_or_default();
    let len = bytes.iter().position(|&b| b == 0);
    len.and_then(|len| bytes.get(..len)).ok_or(IndexError::Corrupt { offset: at, flaw: Flaw::Unterminated })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::examples::{ALIASES, ALIASES_POST_ORDER, DEPENDENCIES, EMPTY};
    use alloc::vec::Vec;

    fn values<'a>(file: &'a [u8], key: &str) -> Vec<(u32, &'a str)> {
        let values = Index::parse(file).unwrap().values(key.as_bytes()).unwrap();
        let text = |bytes: &'a [u8]| core::str::from_utf8(bytes).unwrap();
        values.map(|value| value.unwrap()).map(|value| (value.priority, text(value.bytes))).collect()
    }

    #[test]
    fn values_are_found_in_both_node_orders() {
        for file in [&ALIASES[..], &ALIASES_POST_ORDER] {
            assert_eq!(values(file, "pci:v1*"), [(0, "ab"), (1, "cd"), (1, "cd")]);
            assert_eq!(values(file, "p"), [(1, "cd")]);
            assert_eq!(values(file, "ps_2"), [(0, "ab")]);
            for missing in ["", "pci:v", "pci:v1", "pci:v1**", "ps_", "q", "o", "\u{7f}", "\u{80}"] {
                assert_eq!(values(file, missing), [], "{missing:?}");
            }
        }
    }

    #[test]
    fn debug_prints_the_length_of_an_index_and_no_bytes() {
        let index = Index::parse(&EMPTY).unwrap();
        assert_eq!(alloc::format!("{index:?}"), alloc::format!("Index {{ len: {}, .. }}", EMPTY.len()));
    }

    #[test]
    fn get_returns_the_first_value() {
        let index = Index::parse(&DEPENDENCIES).unwrap();
        assert_eq!(index.get(b"snd_hda"), Ok(Some(&b"snd-hda.ko: snd.ko"[..])));
        assert_eq!(index.get(b"snd_"), Ok(None));
        assert_eq!(Index::parse(&EMPTY).unwrap().get(b""), Ok(None));
    }

    #[test]
    fn invalid_headers_are_errors() {
        let error = |bytes: &[u8]| Index::parse(bytes).map(|_| ()).unwrap_err();
        assert_eq!(error(&EMPTY[..11]), IndexError::TooShort { len: 11 });
        let mut other = EMPTY;
        other[0] = 0xb1;
        assert_eq!(error(&other), IndexError::Magic { found: 0xb107_f457 });
        let mut other = EMPTY;
        other[5] = 3;
        assert_eq!(error(&other), IndexError::Version { found: 0x0003_0001 });
        let mut minor = EMPTY;
        minor[7] = 9;
        assert!(Index::parse(&minor).is_ok());
    }

    #[test]
    fn corrupt_offsets_are_reported() {
        let patched = |at: usize, byte: u8| {
            let mut file = ALIASES;
            file[at] = byte;
            Index::parse(&file).unwrap().get(b"pci:v2").map(|found| found.is_some())
        };
        let corrupt = |offset, flaw| Err(IndexError::Corrupt { offset, flaw });
        assert_eq!(patched(0x0b, 0xf0), corrupt(0xf0, Flaw::Reference));
        assert_eq!(patched(0x0c, 0x71), corrupt(0x0c, Flaw::ChildTable));
        assert_eq!(patched(0x0d, 0x80), corrupt(0x0c, Flaw::ChildTable));
        assert_eq!(patched(0x13, 0x7f), Ok(true), "the wider table fits into this file");
        assert_eq!(patched(0x68, 0x7f), corrupt(0x67, Flaw::Truncated));
        let cut = Index::parse(&ALIASES[..0x96]).unwrap().get(b"pci:v2");
        assert_eq!(cut.map(|found| found.is_some()), corrupt(0x94, Flaw::Unterminated));
        let huge =
            [0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1, 0x40, 0, 0, 12, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, b'a', 0];
        let mut values = Index::parse(&huge).unwrap().values(b"").unwrap();
        assert_eq!(values.next(), Some(Ok(Value { priority: 0, bytes: b"a" })));
        assert!(values.next().unwrap().is_err() && values.next().is_none());
    }
}
