//! A check of an index's structure in a few milliseconds.
//!
//! [`Index::check`] accepts only kmod's output, and builds every key for that. This check visits the nodes without
//! their keys: each node must begin where the previous one ends, so that no node is shared, moved or unreachable. In
//! indexes with nodes before their children (kmod 34 and later), nodes are visited in the order of the file; in
//! those with nodes after their children, in reverse order.

use alloc::vec::Vec;

use super::{
    error::{Flaw, IndexError},
    format::{HEADER_LEN, NodeRef, WORD},
    reader::{Index, Node},
};

impl Index<'_> {
    /// Checks every node. Bytes after the last node and the order of values are ignored.
    ///
    /// # Errors
    /// The first unreadable or misplaced node, with its offset.
    pub fn skim(&self) -> Result<(), IndexError> {
        let Some(root) = self.root() else {
            return Err(IndexError::Corrupt { offset: super::format::ROOT_SLOT, flaw: Flaw::Reference });
        };
        let is_pre_order = root.offset() == HEADER_LEN;
        let mut place = None;
        let mut pending: Vec<NodeRef> = [root].into();
        while let Some(reference) = pending.pop() {
            let node = self.node(reference)?;
            let end = self.end_of(&node)?;
            let (here, next) = if is_pre_order { (node.start, end) } else { (end, node.start) };
            if place.is_some_and(|place| place != here) {
                return Err(IndexError::Corrupt { offset: node.start, flaw: Flaw::Misplaced });
            }
            place = Some(next);
            let children = node.children.words().filter_map(NodeRef::unpack);
            if is_pre_order {
                pending.extend(children.rev());
            } else {
                pending.extend(children);
            }
        }
        match place {
            Some(first) if !is_pre_order && first != HEADER_LEN => {
                Err(IndexError::Corrupt { offset: HEADER_LEN, flaw: Flaw::Misplaced })
            }
            _ => Ok(()),
        }
    }

    /// Offset of the end of a node.
    fn end_of(&self, node: &Node<'_>) -> Result<usize, IndexError> {
        let mut at = node.start.saturating_add(node.head_len());
        for _ in 0..node.values.len() {
            at = at.saturating_add(WORD);
            let bytes = self.bytes().get(at..).unwrap_or_default();
            let len = memchr::memchr(0, bytes);
            let len = len.ok_or(IndexError::Corrupt { offset: at, flaw: Flaw::Unterminated })?;
            at = at.saturating_add(len).saturating_add(1);
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{
        Scratch,
        examples::{ALIASES, ALIASES_POST_ORDER, DEPENDENCIES, EMPTY},
    };

    #[test]
    fn what_kmod_writes_is_sound() {
        for file in [&ALIASES[..], &ALIASES_POST_ORDER, &DEPENDENCIES, &EMPTY] {
            assert_eq!(Index::parse(file).unwrap().skim(), Ok(()));
            let more = [file, b"more"].concat();
            assert_eq!(Index::parse(&more).unwrap().skim(), Ok(()));
            for cut in HEADER_LEN..file.len() {
                assert!(Index::parse(&file[..cut]).unwrap().skim().is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn every_changed_byte_of_the_structure_is_found() {
        for file in [&ALIASES[..], &ALIASES_POST_ORDER] {
            for at in 8..file.len() {
                for byte in [0, 1, 0x7f, 0xff] {
                    let mut changed = file.to_vec();
                    changed[at] = byte;
                    let index = Index::parse(&changed).unwrap();
                    let strict = index.check(&mut Scratch::new());
                    let lenient = [Flaw::Trailing, Flaw::Pointless, Flaw::Priority, Flaw::Character];
                    match strict {
                        Ok(_) => assert_eq!(index.skim(), Ok(()), "{at} {byte}"),
                        Err(IndexError::Corrupt { flaw, .. }) if lenient.contains(&flaw) => {}
                        // An unused bit, and a table that is wider than it need be.
                        Err(IndexError::Corrupt { flaw: Flaw::Reference | Flaw::ChildTable, .. }) => {}
                        Err(_) => assert!(index.skim().is_err(), "{at} {byte}"),
                    }
                }
            }
        }
    }

    #[test]
    fn circles_end() {
        let file =
            [0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12, b'*', b'+', 0x20, 0, 0, 12, 0x20, 0, 0, 12];
        let flaw = Flaw::Misplaced;
        assert_eq!(Index::parse(&file).unwrap().skim(), Err(IndexError::Corrupt { offset: 12, flaw }));
    }
}
