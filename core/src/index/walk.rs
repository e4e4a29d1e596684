//! Walk over all nodes of a subtree, with their keys, without recursion.

use super::{
    error::{IndexError, Steps},
    format::NodeRef,
    reader::{Index, Node},
};
use crate::name::MAX_LEN;

/// Limit on the length of keys in walks, in bytes: one byte more than kmod leaves of a name or alias.
pub const MAX_KEY: usize = MAX_LEN + 1;

/// Bytes of a key.
pub(super) type Key = heapless::Vec<u8, MAX_KEY>;

/// Working memory of searches and walks, about 36 KiB. Put it in a static or on the heap if the stack is
/// small, and reuse it.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Key of the current node.
    key: Key,
    /// The current node and its ancestors. Each has a longer key than its parent, so there are at most as
    /// many as the bytes of a key, plus the first with an empty key.
    frames: heapless::Vec<Frame, { MAX_KEY + 1 }>,
}

impl Scratch {
    /// Empty working memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { key: heapless::Vec::new(), frames: heapless::Vec::new() }
    }
}

#[derive(Debug)]
struct Frame {
    /// The node without its prefix.
    node: NodeRef,
    key_len: u16,
    prefix_len: u16,
}

static_assertions::const_assert!(MAX_KEY < u16::MAX as usize);

/// A walk in progress. Children are visited in ascending order of their edges.
pub(super) struct Walk<'a, 's> {
    index: Index<'a>,
    scratch: &'s mut Scratch,
    /// The first node, and the length of the part of its prefix that keys omit.
    start: Option<(NodeRef, usize)>,
    /// Offset of the last node that was entered, or could not be.
    entered: usize,
}

/// An event of a walk. [`Walk::key`] is then the key of the node.
pub(super) enum Event<'a> {
    /// A node, before its children.
    Enter(Node<'a>),
    /// The same node, after its children, without its prefix, which began at this offset.
    Leave(Node<'a>, usize),
}

impl<'a, 's> Walk<'a, 's> {
    /// A walk over the whole index.
    pub(super) fn all(index: Index<'a>, scratch: &'s mut Scratch) -> Self {
        let mut walk = Self { index, scratch, start: None, entered: 0 };
        walk.start = index.root().map(|root| (root, 0));
        walk.restart();
        walk
    }

    /// A walk over the subtree of `node`. Keys begin with `edge` and the node's prefix from `skip` on.
    pub(super) fn below(
        index: Index<'a>,
        scratch: &'s mut Scratch,
        node: NodeRef,
        edge: Option<u8>,
        skip: usize,
    ) -> Self {
        let mut walk = Self { index, scratch, start: Some((node, skip)), entered: 0 };
        walk.restart();
        walk.scratch.key.extend(edge);
        walk
    }

    fn restart(&mut self) {
        self.scratch.key.clear();
        self.scratch.frames.clear();
    }

    /// Key of the last event's node.
    pub(super) fn key(&self) -> &[u8] {
        &self.scratch.key
    }

    /// Offset of the last node that was entered, or could not be.
    pub(super) fn entered(&self) -> usize {
        self.entered
    }

    /// The next event. Spends a step for each byte of an entered node, apart from its values, so that the
    /// length of the file is enough steps for all of it, unless nodes are shared.
    pub(super) fn next(&mut self, steps: &mut Steps) -> Result<Option<Event<'a>>, IndexError> {
        if let Some((node, skip)) = self.start.take() {
            return self.enter(node, skip, steps).map(Some);
        }
        let Scratch { key, frames } = &mut *self.scratch;
        let Some(frame) = frames.last() else { return Ok(None) };
        let node = self.index.node(frame.node)?;
        let key_len = usize::from(frame.key_len);
        // The key still contains the last visited edge.
        let from = key.get(key_len).map_or(0, |&edge| edge.saturating_add(1));
        key.truncate(key_len);
        if let Some((edge, child)) = node.children.from(from) {
            key.push(edge).map_err(|_| IndexError::KeyTooLong { offset: node.start })?;
            return self.enter(child, 0, steps).map(Some);
        }
        let start = match frame.prefix_len {
            0 => node.start,
            len => node.start.saturating_sub(usize::from(len).saturating_add(1)),
        };
        frames.pop();
        Ok(Some(Event::Leave(node, start)))
    }

    fn enter(&mut self, at: NodeRef, skip: usize, steps: &mut Steps) -> Result<Event<'a>, IndexError> {
        self.entered = at.offset();
        let node = self.index.node(at)?;
        steps.spend(node.head_len().max(1))?;
        let too_long = IndexError::KeyTooLong { offset: node.start };
        let Scratch { key, frames } = &mut *self.scratch;
        key.extend_from_slice(node.prefix.get(skip..).unwrap_or_default()).map_err(|_| too_long)?;
        let short = |len: usize| u16::try_from(len).map_err(|_| too_long);
        let frame =
            Frame { node: node.rest, key_len: short(key.len())?, prefix_len: short(node.prefix.len())? };
        frames.push(frame).map_err(|_| too_long)?;
        Ok(Event::Enter(node))
    }
}
