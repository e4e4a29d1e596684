//! Verification of a whole index.

use super::{
    error::{Flaw, IndexError, Steps},
    format::{BYTE_END, HEADER_LEN, NodeRef, Parts, ROOT_SLOT},
    reader::{Index, Node, Value, value_len},
    walk::{Event, Scratch, Walk},
};

/// Order of the nodes of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A node before its children: kmod 34 and later, and [`IndexBuilder`](super::IndexBuilder).
    PreOrder,
    /// A node after its children: kmod 33 and earlier.
    PostOrder,
}

/// Contents of a valid index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Order of nodes.
    pub layout: Layout,
    /// Number of nodes, the root included.
    pub nodes: usize,
    /// Number of keys.
    pub keys: usize,
    /// Number of values.
    pub values: usize,
}

impl Index<'_> {
    /// Reads the whole file and accepts only the form that kmod writes: every byte belongs to exactly one
    /// node, nodes are in one of the two known orders, chains are fully compressed, values are in order, all
    /// text is ASCII. Takes time proportional to the file's length.
    ///
    /// From the entries of a valid file in [`Layout::PreOrder`], [`IndexBuilder`](super::IndexBuilder)
    /// generates the same bytes.
    ///
    /// # Errors
    /// The first flaw and its offset.
    pub fn check(&self, scratch: &mut Scratch) -> Result<Summary, IndexError> {
        self.check_entries(scratch, |_, _| {})
    }

    /// The same; calls `each` for each key with one of its values, in the order of a dump. What came before an
    /// error is then already given.
    pub(crate) fn check_entries(
        &self,
        scratch: &mut Scratch,
        mut each: impl FnMut(&[u8], Value<'_>),
    ) -> Result<Summary, IndexError> {
        let root = self.root().ok_or(corrupt(ROOT_SLOT, Flaw::Reference))?;
        let layout = match root.offset() {
            HEADER_LEN => Layout::PreOrder,
            _ if self.begins_with_root() => return Err(corrupt(ROOT_SLOT, Flaw::Misplaced)),
            _ => Layout::PostOrder,
        };
        if !is_plain(root.word()) || root.parts().prefix {
            return Err(corrupt(ROOT_SLOT, Flaw::Reference));
        }
        let mut summary = Summary { layout, nodes: 0, keys: 0, values: 0 };
        let mut steps = Steps::new(self.bytes().len());
        let mut walk = Walk::all(*self, scratch);
        // Offset of the next node.
        let mut expected = HEADER_LEN;
        loop {
            let event = walk.next(&mut steps);
            let Some(event) = event.map_err(|error| self.cut(error, walk.entered(), layout, expected))?
            else {
                break;
            };
            let placed = match (&event, layout) {
                (Event::Enter(node), Layout::PreOrder) => Some((node, node.start)),
                (Event::Leave(node, start), Layout::PostOrder) => Some((node, *start)),
                _ => None,
            };
            if let Some((_, start)) = placed
                && start != expected
            {
                return Err(corrupt(start, Flaw::Misplaced));
            }
            if let Event::Enter(node) = event {
                let is_root = summary.nodes == 0;
                check_parts(&node, is_root)?;
                let values = check_values(&node, &mut steps, |value| each(walk.key(), value));
                let values = values.map_err(|error| self.cut(error, node.start, layout, expected))?;
                summary.nodes = summary.nodes.saturating_add(1);
                summary.keys = summary.keys.saturating_add(usize::from(values > 0));
                summary.values = summary.values.saturating_add(values);
            }
            if let Some((node, _)) = placed {
                expected = node_end(node)?;
            }
        }
        if expected != self.bytes().len() {
            return Err(corrupt(expected, Flaw::Trailing));
        }
        Ok(summary)
    }

    /// The error for a node that goes beyond the end of the file: a cut if it is the next one. After a changed
    /// reference, it is another one.
    fn cut(&self, error: IndexError, node: usize, layout: Layout, expected: usize) -> IndexError {
        let end = self.bytes().len();
        let is_next = match layout {
            Layout::PreOrder => node == expected,
            // The root is the last.
            Layout::PostOrder => self.root().is_some_and(|root| root.offset() == node),
        };
        match error {
            IndexError::Corrupt { flaw: Flaw::Reference | Flaw::Truncated | Flaw::Unterminated, .. }
                if is_next =>
            {
                corrupt(end, Flaw::Cut)
            }
            error => error,
        }
    }

    /// Whether the first node looks like a root whose children follow.
    fn begins_with_root(&self) -> bool {
        let parts = Parts { children: true, ..Parts::default() };
        let root = NodeRef::pack(HEADER_LEN, parts).and_then(|root| self.node(root).ok());
        root.is_some_and(|root| {
            let first = root.children.from(0).map(|(_, child)| child.offset());
            first == Some(HEADER_LEN.saturating_add(root.head_len()))
        })
    }
}

fn corrupt(offset: usize, flaw: Flaw) -> IndexError {
    IndexError::Corrupt { offset, flaw }
}

/// Whether a word is canonical: no unused bit, no flags without an offset.
fn is_plain(word: u32) -> bool {
    NodeRef::unpack(word).map_or(word == 0, |reference| !reference.has_unused_bit())
}

/// Whether all bytes can be in a key or value.
fn is_text(bytes: &[u8]) -> bool {
    const { assert!(BYTE_END == 0x80) };
    bytes.is_ascii()
}

fn check_parts(node: &Node<'_>, is_root: bool) -> Result<(), IndexError> {
    let parts = node.rest.parts();
    let has_prefix = node.rest.offset() != node.start;
    if !is_text(node.prefix) {
        return Err(corrupt(node.start, Flaw::Character));
    }
    let words = || node.children.words();
    if parts.children && (words().next() == Some(0) || words().next_back() == Some(0)) {
        return Err(corrupt(node.rest.offset(), Flaw::ChildTable));
    }
    // Keys contain no NUL, the terminator.
    if node.children.get(0)?.is_some() {
        return Err(corrupt(node.rest.offset(), Flaw::ChildTable));
    }
    if !words().all(is_plain) {
        return Err(corrupt(node.rest.offset(), Flaw::Reference));
    }
    let needed = is_root || parts.values || words().filter(|&word| word != 0).count() > 1;
    if !needed || (has_prefix && node.prefix.is_empty()) || (parts.values && node.values.is_empty()) {
        return Err(corrupt(node.start, Flaw::Pointless));
    }
    Ok(())
}

/// The number of values.
fn check_values<'a>(
    node: &Node<'a>,
    steps: &mut Steps,
    mut each: impl FnMut(Value<'a>),
) -> Result<usize, IndexError> {
    let mut values = node.values;
    let mut count = 0_usize;
    let mut lowest = 0;
    loop {
        let at = values.offset();
        let Some(value) = values.next().transpose()? else { return Ok(count) };
        steps.spend(value_len(value.bytes))?;
        if value.priority < lowest {
            return Err(corrupt(at, Flaw::Priority));
        }
        if !is_text(value.bytes) {
            return Err(corrupt(at, Flaw::Character));
        }
        lowest = value.priority;
        each(value);
        count = count.saturating_add(1);
    }
}

/// Offset of the end of a node.
fn node_end(node: &Node<'_>) -> Result<usize, IndexError> {
    let mut end = node.start.saturating_add(node.head_len());
    for value in node.values {
        end = end.saturating_add(value_len(value?.bytes));
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::examples::{ALIASES, ALIASES_POST_ORDER, DEPENDENCIES, EMPTY};
    use alloc::vec::Vec;

    fn check(file: &[u8]) -> Result<Summary, IndexError> {
        Index::parse(file)?.check(&mut Scratch::new())
    }

    #[test]
    fn worked_examples_are_valid() {
        let summary = |layout, nodes, keys, values| Ok(Summary { layout, nodes, keys, values });
        assert_eq!(check(&ALIASES), summary(Layout::PreOrder, 6, 4, 6));
        assert_eq!(check(&ALIASES_POST_ORDER), summary(Layout::PostOrder, 6, 4, 6));
        assert_eq!(check(&DEPENDENCIES), summary(Layout::PreOrder, 7, 4, 4));
        assert_eq!(check(&EMPTY), summary(Layout::PreOrder, 1, 0, 0));
    }

    #[test]
    fn flaws_are_reported_with_their_offset() {
        let patched = |bytes: &[(usize, u8)]| {
            let mut file = ALIASES;
            bytes.iter().for_each(|&(at, byte)| file[at] = byte);
            check(&file).unwrap_err()
        };
        assert_eq!(patched(&[(0x0b, 0)]), corrupt(8, Flaw::Reference));
        assert_eq!(patched(&[(0x08, 0x30)]), corrupt(8, Flaw::Reference));
        assert_eq!(patched(&[(0x18, 0x80)]), corrupt(0x12, Flaw::Reference), "flags without offset");
        assert_eq!(patched(&[(0x57, 0x98)]), corrupt(0x98, Flaw::Misplaced));
        assert_eq!(patched(&[(0x18, 0x40), (0x1b, 0x8c)]), corrupt(0x8c, Flaw::Misplaced), "shared");
        assert_eq!(patched(&[(0x12, 0x62)]), corrupt(0x63, Flaw::Misplaced));
        assert_eq!(patched(&[(0x71, 0)]), corrupt(0x71, Flaw::Pointless));
        assert_eq!(patched(&[(0x64, 0x80)]), corrupt(0x63, Flaw::Character));
        assert_eq!(patched(&[(0x61, 0xe9)]), corrupt(0x5c, Flaw::Character));
        assert_eq!(patched(&[(0x7a, 2)]), corrupt(0x7e, Flaw::Priority));
        assert_eq!(patched(&[(0x76, 2)]), corrupt(0x8c, Flaw::Misplaced));
        assert_eq!(check(&ALIASES[..0xa4]), Err(corrupt(0xa4, Flaw::Cut)));
        let longer = [&ALIASES[..], &[0]].concat();
        assert_eq!(check(&longer), Err(corrupt(0xa5, Flaw::Trailing)));
        assert!(
            matches!(patched(&[(0x11, 0x0c)]), IndexError::Corrupt { flaw: Flaw::Misplaced, .. }),
            "cycle"
        );
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn cuts_differ_from_other_damage() {
        use crate::{index::IndexBuilder, limits::Limits};

        let key = |number: u32| alloc::format!("{}pci:v{number:04}*", number % 7);
        let keys: Vec<_> = (0..300).map(key).collect();
        let mut builder = IndexBuilder::new();
        for (number, key) in (0..).zip(&keys) {
            builder.insert(key.bytes(), key.as_bytes(), number / 9).unwrap();
        }
        let file = builder.finish(&Limits::DEFAULT).unwrap();
        for end in HEADER_LEN..file.len() {
            assert_eq!(check(&file[..end]), Err(corrupt(end, Flaw::Cut)), "{end}");
        }
        // At the end, a changed size of a node looks like a cut.
        for at in 8..file.len() - 1024 {
            for change in [1, 0x20, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] ^= change;
                let found = check(&changed);
                assert!(
                    !matches!(found, Err(IndexError::Corrupt { flaw: Flaw::Cut, .. })),
                    "{at} {change:#x}"
                );
            }
        }
    }

    #[test]
    fn cycles_are_errors() {
        // The root's children 'a' and 'b' are the root.
        let root = [0x20, 0, 0, 0x0e];
        let file = [&EMPTY[..8], &root, b"..ab", &root, &root].concat();
        assert_eq!(check(&file), Err(IndexError::TooManySteps { limit: 24 }));
    }
}
