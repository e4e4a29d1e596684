//! A file system in memory.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;

use bstr::BStr;

use super::{DirEntry, EntryKind, FileKind, IoError, ReadAt, Source, Stat};

/// A file system in memory, with regular files only; directories exist implicitly, as parents of files.
///
/// ```
/// use depmod_core::{MemorySource, Source};
///
/// let mut source = MemorySource::new();
/// source.insert(b"/lib/modules/6.1/kernel/a.ko", b"\x7fELF".to_vec());
/// assert_eq!(source.list(b"/lib/modules").unwrap()[0].name, b"6.1");
/// assert_eq!(source.read(b"/lib/modules/6.1/kernel/a.ko", 100).unwrap(), b"\x7fELF");
/// ```
#[derive(Clone, Default)]
pub struct MemorySource {
    files: BTreeMap<Vec<u8>, Arc<[u8]>>,
}

/// Paths and sizes.
impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.files().map(|(path, bytes)| (BStr::new(path), bytes.len()))).finish()
    }
}

impl MemorySource {
    /// An empty file system.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file at an absolute path, or replaces it.
    pub fn insert(&mut self, path: &[u8], bytes: impl Into<Arc<[u8]>>) {
        self.files.insert(clean(path), bytes.into());
    }

    /// Removes a file.
    pub fn remove(&mut self, path: &[u8]) -> Option<Arc<[u8]>> {
        self.files.remove(&clean(path))
    }

    /// All files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.files.iter().map(|(path, bytes)| (&**path, &**bytes))
    }

    fn below(&self, dir: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut prefix = clean(dir);
        if prefix.last() != Some(&b'/') {
            prefix.push(b'/');
        }
        let from = prefix.clone();
        self.files.range(from..).map_while(move |(path, _)| path.strip_prefix(&*prefix))
    }
}

/// Collapses repeated slashes and removes trailing ones.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for part in path.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    out
}

impl Source for MemorySource {
    type File = MemoryFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let mut entries: Vec<DirEntry> = Vec::new();
        for rest in self.below(dir) {
            let (name, kind) = match rest.iter().position(|&b| b == b'/') {
                Some(end) => (rest.get(..end).unwrap_or(rest), EntryKind::Directory),
                None => (rest, EntryKind::File),
            };
            if entries.last().is_none_or(|last| last.name != name) {
                entries.push(DirEntry { name: name.into(), kind });
            }
        }
        if entries.is_empty() { Err(IoError::not_found()) } else { Ok(entries) }
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        let (kind, size) = match self.files.get(&clean(path)) {
            Some(bytes) => (FileKind::File, bytes.len() as u64),
            None if self.below(path).next().is_some() => (FileKind::Directory, 0),
            None => return Err(IoError::not_found()),
        };
        let id = u64::from(crate::hash::superfast(&clean(path)));
        Ok(Stat { kind, id: (0, id), size, root_owned: true })
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        match self.files.get(&clean(path)) {
            Some(bytes) => Ok(MemoryFile(Arc::clone(bytes))),
            None if self.below(path).next().is_some() => Err(IoError::is_directory()),
            None => Err(IoError::not_found()),
        }
    }
}

/// An open file of a [`MemorySource`].
#[derive(Clone, Debug)]
pub struct MemoryFile(Arc<[u8]>);

impl ReadAt for MemoryFile {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        (&*self.0).read_at(offset, into)
    }
}
