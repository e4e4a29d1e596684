//! A module directory with files of existing initrds.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeSet, vec::Vec};

use bstr::{BString, ByteSlice};

use super::ExistingInitrds;
use crate::source::{AnySource, DirEntry, IoError, ReadAt, Source, Stat};

/// A source that replaces some files of a module directory with those of the existing initrds.
#[derive(Debug)]
pub(crate) struct Overlay<'m> {
    source: AnySource<'m>,
    existing: AnySource<'m>,
    directory: &'m [u8],
    existing_directory: &'m [u8],
    /// Paths below `directory`.
    existing_paths: BTreeSet<BString>,
}

impl<'m> Overlay<'m> {
    /// Both directories are paths without a trailing slash.
    pub(crate) fn new(
        source: AnySource<'m>,
        directory: &'m [u8],
        existing: &'m ExistingInitrds<'_>,
        existing_directory: &'m [u8],
    ) -> Self {
        Self {
            source,
            existing: existing.source(),
            directory,
            existing_directory,
            existing_paths: BTreeSet::new(),
        }
    }

    /// Takes the file at this path below the directory from the existing initrds.
    pub(crate) fn take_from_existing(&mut self, path: BString) {
        self.existing_paths.insert(path);
    }

    /// The paths taken from the existing initrds.
    pub(crate) fn existing_paths(&self) -> &BTreeSet<BString> {
        &self.existing_paths
    }

    fn look<'p>(&self, path: &'p [u8]) -> (AnySource<'m>, Cow<'p, [u8]>) {
        match path.strip_prefix(self.directory).filter(|_| self.existing_paths.contains(path.as_bstr())) {
            Some(below) => (self.existing, Cow::Owned([self.existing_directory, below].concat())),
            None => (self.source, Cow::Borrowed(path)),
        }
    }
}

impl<'m> Source for Overlay<'m> {
    type File = Box<dyn ReadAt + 'm>;

    /// Lists only the module directory.
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
