//! Visiting all nodes below one, with their keys, without recursion.

use super::{
    error::{IndexError, Steps},
    format::NodeRef,
    reader::{Index, Node},
};

/// Longest key that can be walked over, in bytes. kmod cuts module names and aliases to 4095.
pub const MAX_KEY: usize = 4096;

/// Bytes of a key.
pub(super) type Key = heapless::Vec<u8, MAX_KEY>;

/// Memory that searches and walks work in; about 36 KiB. Put it in a static or on the heap where
/// the stack is small, and use it again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Key of the current node.
    key: Key,
    /// The current node and those above it. Each has a longer key than the one above, hence
    /// there are at most as many as a key has bytes, and the first may have none.
    frames: heapless::Vec<Frame, { MAX_KEY + 1 }>,
}

impl Scratch {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { key: heapless::Vec::new(), frames: heapless::Vec::new() }
    }
}

#[derive(Debug)]
struct Frame {
    /// The node, thought without its prefix: what is left to do with it.
    node: NodeRef,
    key_len: u16,
    prefix_len: u16,
}

static_assertions::const_assert!(MAX_KEY < u16::MAX as usize);

/// A walk in progress. Children are visited in ascending order of their edges.
pub(super) struct Walk<'a, 's> {
    index: Index<'a>,
    scratch: &'s mut Scratch,
    /// The node to begin with, and how much of its prefix the keys leave out.
    start: Option<(NodeRef, usize)>,
}

/// What a walk comes across. [`Walk::key`] is the node's at that moment.
pub(super) enum Event<'a> {
    /// A node in front of its children.
    Enter(Node<'a>),
    /// The same node after its children, without its prefix, which began at this offset.
    Leave(Node<'a>, usize),
}

impl<'a, 's> Walk<'a, 's> {
    /// All of an index.
    pub(super) fn all(index: Index<'a>, scratch: &'s mut Scratch) -> Self {
        let mut walk = Self { index, scratch, start: None };
        walk.start = index.root().map(|root| (root, 0));
        walk.restart();
        walk
    }

    /// What is below `node`. Keys begin with `edge`, then the node's prefix from `skip` on.
    pub(super) fn below(
        index: Index<'a>,
        scratch: &'s mut Scratch,
        node: NodeRef,
        edge: Option<u8>,
        skip: usize,
    ) -> Self {
        let mut walk = Self { index, scratch, start: Some((node, skip)) };
        walk.restart();
        walk.scratch.key.extend(edge);
        walk
    }

    fn restart(&mut self) {
        self.scratch.key.clear();
        self.scratch.frames.clear();
    }

    /// Key of the node that the last event was about.
    pub(super) fn key(&self) -> &[u8] {
        &self.scratch.key
    }

    /// The next event. Spends a step for each byte of a node that is entered, but for its values,
    /// so that a file's length is enough to walk over all of it, unless nodes are shared.
    pub(super) fn next(&mut self, steps: &mut Steps) -> Result<Option<Event<'a>>, IndexError> {
        if let Some((node, skip)) = self.start.take() {
            return self.enter(node, skip, steps).map(Some);
        }
        let Scratch { key, frames } = &mut *self.scratch;
        let Some(frame) = frames.last() else { return Ok(None) };
        let node = self.index.node(frame.node)?;
        let key_len = usize::from(frame.key_len);
        // The key still holds the edge that was taken last.
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
