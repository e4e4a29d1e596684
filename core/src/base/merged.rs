//! A module directory with files of base initrds in it.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeSet, vec::Vec};

use super::Base;
use crate::host::{AnySource, DirEntry, IoError, ReadAt, Source, Stat};

/// A source where some files of a directory are those that stand at the same place in the base's.
#[derive(Debug)]
pub(crate) struct Merged<'m> {
    source: AnySource<'m>,
    base: AnySource<'m>,
    directory: &'m [u8],
    base_directory: &'m [u8],
    /// Paths below `directory`.
    of_base: BTreeSet<Vec<u8>>,
}

impl<'m> Merged<'m> {
    /// Both directories are paths without a slash at the end.
    pub(crate) fn new(
        source: AnySource<'m>,
        directory: &'m [u8],
        base: &'m Base<'_>,
        base_directory: &'m [u8],
    ) -> Self {
        Self { source, base: base.source(), directory, base_directory, of_base: BTreeSet::new() }
    }

    /// From now on this path below the directory is the base's.
    pub(crate) fn take_from_base(&mut self, path: Vec<u8>) {
        self.of_base.insert(path);
    }

    pub(crate) fn of_base(&self) -> &BTreeSet<Vec<u8>> {
        &self.of_base
    }

    fn look<'p>(&self, path: &'p [u8]) -> (AnySource<'m>, Cow<'p, [u8]>) {
        match path.strip_prefix(self.directory).filter(|_| self.of_base.contains(path)) {
            Some(below) => (self.base, Cow::Owned([self.base_directory, below].concat())),
            None => (self.source, Cow::Borrowed(path)),
        }
    }
}

impl<'m> Source for Merged<'m> {
    type File = Box<dyn ReadAt + 'm>;

    /// Without the base's.
    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        self.source.list(dir)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        let (source, path) = self.look(path);
        source.stat(&path)
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        let (source, path) = self.look(path);
        source.open(&path)
    }
}
