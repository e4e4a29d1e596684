//! Header words and node references, shared by reader and writer.

/// First word of an index.
pub const MAGIC: u32 = 0xb007_f457;

/// Second word: major version in the high half, minor in the low one. Readers ignore the minor.
pub const VERSION: u32 = 0x0002_0001;

/// Magic, version, reference to the root.
pub const HEADER_LEN: usize = 12;

/// Offset of the reference to the root.
pub(super) const ROOT_SLOT: usize = 8;

/// Bytes of a node reference, and of every other word.
pub(super) const WORD: usize = 4;

static_assertions::const_assert_eq!(ROOT_SLOT + WORD, HEADER_LEN);
static_assertions::const_assert_eq!(size_of::<NodeRef>(), WORD);

/// First byte that is invalid in edges and strings.
pub(super) const BYTE_END: u8 = 0x80;

/// The major version of a version word.
pub(super) const fn major(version: u32) -> u32 {
    version >> 16
}

const PREFIX: u32 = 1 << 31;
const VALUES: u32 = 1 << 30;
const CHILDREN: u32 = 1 << 29;
const UNUSED: u32 = 1 << 28;
const OFFSET: u32 = UNUSED - 1;

static_assertions::const_assert_eq!(PREFIX | VALUES | CHILDREN | UNUSED | OFFSET, u32::MAX);

/// Reference to a node: its file offset and flags for its parts
/// ([`reference::index_format`](crate::reference::index_format) §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRef(u32);

/// The parts of a node, in file order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) prefix: bool,
    pub(super) children: bool,
    pub(super) values: bool,
}

impl NodeRef {
    /// The stored reference to the node at `offset`; `None` beyond 28 bits.
    pub(super) fn pack(offset: usize, parts: Parts) -> Option<Self> {
        let offset = u32::try_from(offset).ok().filter(|&offset| offset <= OFFSET)?;
        let flag = |set: bool, flag| if set { flag } else { 0 };
        Some(Self(
            offset | flag(parts.prefix, PREFIX) | flag(parts.children, CHILDREN) | flag(parts.values, VALUES),
        ))
    }

    /// Decodes a word of a file; `None` if there is no node.
    pub(super) fn unpack(word: u32) -> Option<Self> {
        (word & OFFSET != 0).then_some(Self(word))
    }

    /// The word to store.
    #[must_use]
    pub fn word(self) -> u32 {
        self.0
    }

    /// Offset of the node from the start of the file.
    #[must_use]
    pub fn offset(self) -> usize {
        (self.0 & OFFSET) as usize
    }

    pub(super) fn parts(self) -> Parts {
        Parts { prefix: self.0 & PREFIX != 0, children: self.0 & CHILDREN != 0, values: self.0 & VALUES != 0 }
    }

    /// Whether the unused bit is set.
    pub(super) fn has_unused_bit(self) -> bool {
        self.0 & UNUSED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_match_the_worked_example() {
        let parts = |prefix, children, values| Parts { prefix, children, values };
        for (word, offset, expected) in [
            (0x2000_000c, 0x0c, parts(false, true, false)),
            (0x6000_0012, 0x12, parts(false, true, true)),
            (0xc000_0097, 0x97, parts(true, false, true)),
            (0xe000_001c, 0x1c, parts(true, true, true)),
            (0x0000_000c, 0x0c, parts(false, false, false)),
        ] {
            let reference = NodeRef::unpack(word).unwrap();
            assert_eq!((reference.offset(), reference.parts()), (offset, expected));
            assert_eq!(NodeRef::pack(offset, expected).unwrap().word(), word);
        }
        assert_eq!(NodeRef::unpack(0), None);
        assert_eq!(NodeRef::unpack(0xe000_0000), None);
        assert_eq!(NodeRef::pack(1 << 28, Parts::default()), None);
    }

    proptest! {
        #[test]
        fn references_round_trip(word: u32) {
            if let Some(reference) = NodeRef::unpack(word) {
                let packed = NodeRef::pack(reference.offset(), reference.parts()).unwrap();
                prop_assert_eq!(packed.word(), word & !UNUSED);
                prop_assert_eq!(reference.has_unused_bit(), word & UNUSED != 0);
            } else {
                prop_assert_eq!(word & OFFSET, 0);
            }
        }
    }
}
