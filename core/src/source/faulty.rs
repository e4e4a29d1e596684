//! Fault injection for tests.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{DirEntry, IoError, ReadAt, Source, Stat};

/// Forwards calls to another source, and fails the call with a given number.
///
/// Listing, stat, open and read count as calls, so a test can fail each call of a run in turn:
///
/// ```
/// use depmod_core::{FaultySource, IoError, MemorySource, Source};
///
/// let mut memory = MemorySource::new();
/// memory.insert(b"/a", *b"hi");
/// let calls = FaultySource::counting(&memory);
/// assert_eq!(calls.read(b"/a", 10).unwrap(), b"hi");
/// assert_eq!(calls.calls(), 2, "open, then read");
///
/// let faulty = FaultySource::new(&memory, 1, IoError::no_memory());
/// assert_eq!(faulty.read(b"/a", 10).unwrap_err(), IoError::no_memory());
/// ```
#[derive(Clone, Debug)]
pub struct FaultySource<'s, S> {
    source: &'s S,
    fault: Arc<Fault>,
}

/// State shared with the open files, whose reads count, too.
#[derive(Debug)]
struct Fault {
    calls: AtomicUsize,
    at: Option<(usize, IoError)>,
}

impl<'s, S: Source> FaultySource<'s, S> {
    /// Call `number`, counted from 0, fails with `error`.
    #[must_use]
    pub fn new(source: &'s S, number: usize, error: IoError) -> Self {
        Self::with(source, Some((number, error)))
    }

    /// Fails no call; [`Self::calls`] counts them.
    #[must_use]
    pub fn counting(source: &'s S) -> Self {
        Self::with(source, None)
    }

    fn with(source: &'s S, at: Option<(usize, IoError)>) -> Self {
        Self { source, fault: Arc::new(Fault { calls: AtomicUsize::new(0), at }) }
    }

    /// The number of calls so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.fault.calls.load(Ordering::Relaxed)
    }
}

impl Fault {
    fn call(&self) -> Result<(), IoError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        match &self.at {
            Some((at, error)) if *at == number => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// An open file of a [`FaultySource`].
#[derive(Debug)]
pub struct FaultyFile<F> {
    file: F,
    fault: Arc<Fault>,
}

impl<F: ReadAt> ReadAt for FaultyFile<F> {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        self.fault.call()?;
        self.file.read_at(offset, into)
    }
}

impl<S: Source> Source for FaultySource<'_, S> {
    type File = FaultyFile<S::File>;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        self.fault.call()?;
        self.source.list(dir)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        self.fault.call()?;
        self.source.stat(path)
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        self.fault.call()?;
        Ok(FaultyFile { file: self.source.open(path)?, fault: Arc::clone(&self.fault) })
    }
}
