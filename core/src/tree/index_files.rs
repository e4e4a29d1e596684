//! The eleven files, in memory.

use alloc::vec::Vec;

use super::Stale;
use crate::{index::IndexError, output::Output, plan::Indexes};

/// Index files, whether they were read or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFiles {
    files: Vec<(Output, Vec<u8>)>,
}

/// Where index files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// They came with the modules.
    Shipped,
    /// They were made, because those that came were no good.
    Computed(Stale),
}

impl IndexFiles {
    /// Takes files as [`pipeline::run`](crate::pipeline::run) gives them.
    #[must_use]
    pub fn new(files: Vec<(Output, Vec<u8>)>) -> Self {
        Self { files }
    }

    /// One file; one that is not there is empty.
    #[must_use]
    pub fn get(&self, output: Output) -> &[u8] {
        self.files.iter().find(|(other, _)| *other == output).map_or(&[], |(_, bytes)| bytes)
    }

    /// All files in kmod's order.
    pub fn iter(&self) -> impl Iterator<Item = (Output, &[u8])> {
        self.files.iter().map(|(output, bytes)| (*output, &**bytes))
    }

    /// The same for planning; `steps` as in [`Limits::steps`](crate::limits::Limits::steps).
    ///
    /// # Errors
    /// When one of the indexes has no good header.
    pub fn indexes(&self, steps: usize) -> Result<Indexes<'_>, IndexError> {
        Indexes::new(|output| self.get(output), steps)
    }
}
