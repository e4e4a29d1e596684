//! Type-erased sources.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{DirEntry, IoError, ReadAt, Source, Stat};

/// A type-erased source: a program with several kinds of sources contains the reading code only once.
///
/// ```
/// use depmod_core::{MemorySource, Source, parts::source::AnySource};
///
/// let mut source = MemorySource::new();
/// source.insert(b"/a", *b"hi");
/// assert_eq!(AnySource::new(&source).read(b"/a", 10).unwrap(), b"hi");
/// ```
#[derive(Clone, Copy)]
pub struct AnySource<'s>(&'s dyn Boxing<'s>);

impl<'s> AnySource<'s> {
    /// Erases the type of a source.
    #[must_use]
    pub fn new<S: Source>(source: &'s S) -> Self {
        Self(source)
    }
}

impl fmt::Debug for AnySource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnySource")
    }
}

/// [`Source`] without an associated file type.
trait Boxing<'s> {
    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError>;
    fn stat(&self, path: &[u8]) -> Result<Stat, IoError>;
    fn open(&self, path: &[u8]) -> Result<Box<dyn ReadAt + 's>, IoError>;
}

impl<'s, S: Source + 's> Boxing<'s> for S {
    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        Source::list(self, dir)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        Source::stat(self, path)
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn ReadAt + 's>, IoError> {
        Ok(Box::new(Source::open(self, path)?))
    }
}

impl<'s> Source for AnySource<'s> {
    type File = Box<dyn ReadAt + 's>;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        self.0.list(dir)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        self.0.stat(path)
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        self.0.open(path)
    }
}

impl ReadAt for Box<dyn ReadAt + '_> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        (**self).read_at(offset, into)
    }

    fn read_all(&mut self, pieces: &mut [(u64, &mut [u8])]) -> Result<(), IoError> {
        (**self).read_all(pieces)
    }
}
