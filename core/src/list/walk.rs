//! The walk through a module directory ([`reference::modules`](crate::reference::modules) §2).
//!
//! Depth-first, each directory in byte order: unlike kmod's, the result does not depend on the file system's
//! order.

use alloc::{vec, vec::Vec};

use bstr::BString;

use crate::{
    diagnostic::{Diagnostic, Reporter},
    limits::Limits,
    name,
    source::{DirEntry, EntryKind, FileKind, IoError, Source, sort_entries},
};

/// Names skipped at any depth: links to the kernel's build directory.
const SKIPPED: [&[u8]; 2] = [b"build", b"source"];

/// kmod's descriptor of the walked directory; each level below has the next number. Only messages show it.
const FIRST_DESCRIPTOR: usize = 3;

/// Additional names of files and directories that a walk skips.
pub trait Excluded {
    /// Whether the walk skips this name.
    fn is_excluded(&self, name: &[u8]) -> bool;
}

/// Excludes nothing.
impl Excluded for () {
    fn is_excluded(&self, _: &[u8]) -> bool {
        false
    }
}

/// The reason for an early end of a walk: a directory that cannot be opened, or that exceeds the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkError {
    /// The directory.
    pub path: BString,
    /// The cause.
    pub cause: IoError,
}

impl core::fmt::Display for WalkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "could not open directory {}", self.path)
    }
}

impl core::error::Error for WalkError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// One directory on the current path.
#[derive(Debug)]
struct Level {
    entries: vec::IntoIter<DirEntry>,
    /// Length of the directory's path.
    path_len: usize,
    /// Identity of the directory; determined at the first link to a directory below it.
    id: Option<(u64, u64)>,
}

impl Level {
    fn new(mut entries: Vec<DirEntry>, path_len: usize, id: Option<(u64, u64)>) -> Self {
        sort_entries(&mut entries);
        Self { entries: entries.into_iter(), path_len, id }
    }
}

/// A walk in progress: returns one module file after the other.
///
/// ```
/// use depmod_core::{Limits, MemorySource, parts::list::Walk};
///
/// let mut source = MemorySource::new();
/// source.insert(b"/d/kernel/a.ko.xz", *b"");
/// source.insert(b"/d/build/b.ko", *b"");
/// let mut messages = Vec::new();
/// let mut walk = Walk::new(b"/d", &source, &Limits::DEFAULT)?;
/// assert_eq!(walk.next_file(&(), &mut messages)?, Some(&b"/d/kernel/a.ko.xz"[..]));
/// assert_eq!(walk.next_file(&(), &mut messages)?, None);
/// # Ok::<(), depmod_core::parts::list::WalkError>(())
/// ```
#[derive(Debug)]
pub struct Walk<'s, S> {
    source: &'s S,
    limits: &'s Limits,
    /// The current path.
    path: BString,
    levels: Vec<Level>,
    directories: usize,
    /// Limit on path length, in bytes.
    path_max: usize,
}

impl<'s, S: Source> Walk<'s, S> {
    /// Starts at a directory.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn new(root: &[u8], source: &'s S, limits: &'s Limits) -> Result<Self, WalkError> {
        let entries = source.list(root).map_err(|cause| WalkError { path: root.into(), cause })?;
        let levels = vec![Level::new(entries, root.len(), None)];
        Ok(Self { source, limits, path: root.into(), levels, directories: 1, path_max: usize::MAX })
    }

    /// Skips paths that are longer than Linux allows, with a message, as kmod's `-A` does.
    #[must_use]
    pub fn with_path_limit(self) -> Self {
        Self { path_max: name::MAX_LEN, ..self }
    }

    /// The path of the next file with a module file name. Inaccessible directory entries are reported and
    /// skipped.
    ///
    /// # Errors
    /// When the machine fails, or links lead to more directories than [`Limits::directories`]; the walk then
    /// ends.
    pub fn next_file(
        &mut self,
        excluded: &impl Excluded,
        reporter: &mut dyn Reporter,
    ) -> Result<Option<&[u8]>, WalkError> {
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            self.path.truncate(level.path_len);
            if SKIPPED.contains(&entry.name.as_slice()) || excluded.is_excluded(&entry.name) {
                continue;
            }
            self.path.push(b'/');
            self.path.extend_from_slice(&entry.name);
            if self.path.len() > self.path_max {
                reporter.report(Diagnostic::FoundPathTooLong { path: self.path.clone() });
            } else if self.visit(entry, reporter)? {
                return Ok(Some(&self.path));
            }
        }
        Ok(None)
    }

    /// Examines the directory entry at the current path: whether it is a module file. A directory is entered.
    fn visit(&mut self, entry: DirEntry, reporter: &mut dyn Reporter) -> Result<bool, WalkError> {
        let mut id = None;
        let is_directory = match entry.kind {
            EntryKind::File => false,
            EntryKind::Directory => true,
            EntryKind::Unresolved => match self.source.stat(&self.path) {
                Err(cause) if cause.is_fault() => return Err(self.fail(cause)),
                Err(cause) => {
                    let (dirfd, name) = (self.descriptor(), entry.name);
                    reporter.report(Diagnostic::Fstatat { dirfd, name, cause });
                    return Ok(false);
                }
                Ok(stat) => match stat.kind {
                    FileKind::File => false,
                    FileKind::Directory => {
                        id = Some(stat.id);
                        if self.is_walked(id)? {
                            reporter.report(Diagnostic::DirectoryLoop { path: self.path.clone() });
                            return Ok(false);
                        }
                        true
                    }
                    FileKind::Other(mode) => {
                        let path = self.path.clone();
                        reporter.report(Diagnostic::UnsupportedFileType { path, mode });
                        return Ok(false);
                    }
                },
            },
        };
        if !is_directory {
            return Ok(name::is_module_file(&entry.name));
        }
        self.enter(entry.name, id, reporter)?;
        Ok(false)
    }

    fn enter(
        &mut self,
        name: BString,
        id: Option<(u64, u64)>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), WalkError> {
        if self.levels.len() >= self.limits.depth {
            reporter.report(Diagnostic::DirectoryDepth { path: self.path.clone() });
            return Ok(());
        }
        if self.directories >= self.limits.directories {
            return Err(self.fail(IoError::other("Too many directories")));
        }
        self.directories = self.directories.saturating_add(1);
        match self.source.list(&self.path) {
            Ok(entries) => self.levels.push(Level::new(entries, self.path.len(), id)),
            Err(cause) if cause.is_fault() => return Err(self.fail(cause)),
            Err(cause) => {
                let dirfd = self.descriptor();
                reporter.report(Diagnostic::Openat { dirfd, name, cause });
            }
        }
        Ok(())
    }

    /// Ends the walk at the current path.
    fn fail(&mut self, cause: IoError) -> WalkError {
        self.levels.clear();
        WalkError { path: self.path.clone(), cause }
    }

    /// Whether a directory is on the current path.
    fn is_walked(&mut self, id: Option<(u64, u64)>) -> Result<bool, WalkError> {
        for at in 0..self.levels.len() {
            let Some(level) = self.levels.get_mut(at) else { break };
            if level.id.is_none() {
                let dir = self.path.get(..level.path_len).unwrap_or_default();
                match self.source.stat(dir) {
                    Ok(stat) => level.id = Some(stat.id),
                    Err(cause) if cause.is_fault() => return Err(self.fail(cause)),
                    Err(_) => {}
                }
            }
            if self.levels.get(at).is_some_and(|level| level.id == id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// kmod's descriptor of the current entry's directory.
    fn descriptor(&self) -> usize {
        FIRST_DESCRIPTOR.saturating_add(self.levels.len()).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::source::Stat;

    /// Each directory has two links to the next one and a module; counts the calls.
    #[derive(Default)]
    struct Lattice {
        stats: Cell<usize>,
        lists: Cell<usize>,
    }

    const LEVELS: usize = 40;

    impl Source for Lattice {
        type File = &'static [u8];

        fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
            self.lists.set(self.lists.get() + 1);
            let module = DirEntry { name: "m.ko".into(), kind: EntryKind::File };
            let link = |name: &[u8]| DirEntry { name: name.into(), kind: EntryKind::Unresolved };
            Ok(match memchr::memchr_iter(b'/', dir).count() {
                LEVELS => vec![module],
                _ => vec![link(b"b"), module, link(b"a")],
            })
        }

        fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
            self.stats.set(self.stats.get() + 1);
            let id = (0, memchr::memchr_iter(b'/', path).count() as u64);
            Ok(Stat { kind: FileKind::Directory, id, size: 0, root_owned: true })
        }

        fn open(&self, _: &[u8]) -> Result<Self::File, IoError> {
            Err(IoError::other(""))
        }
    }

    #[test]
    fn multiplying_links_reach_the_directory_limit() {
        let (source, mut messages, mut modules) = (Lattice::default(), Vec::new(), 0);
        let limits = Limits { directories: 1000, ..Limits::DEFAULT };
        let mut walk = Walk::new(b"/d", &source, &limits).unwrap();
        let error = loop {
            match walk.next_file(&(), &mut messages) {
                Ok(file) => modules += usize::from(file.is_some()),
                Err(error) => break error,
            }
        };
        assert!(error.path.starts_with(b"/d/a/") && error.cause.text() == "Too many directories");
        assert_eq!(walk.next_file(&(), &mut messages), Ok(None));
        assert_eq!(messages, []);
        assert_eq!(source.lists.get(), 1000);
        // Each link, and the walked directory.
        assert_eq!(source.stats.get(), 1001);
        assert!(modules > 500);
    }
}
