//! The walk through a module directory (`reference/modules.md` §2).
//!
//! Depth-first, each directory in byte order: where kmod's result depends on the order that the file
//! system happens to have, ours does not.

use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::{
    config::Config,
    diagnostic::Diagnostic,
    host::{DirEntry, EntryKind, FileKind, IoError, Reporter, Source},
    limits::Limits,
    name,
};

/// Names that are never looked at, at any depth: links to the kernel's build tree.
const SKIPPED: [&[u8]; 2] = [b"build", b"source"];

/// kmod's number for the directory that is walked; each level below has the next one. Only messages show it.
const FIRST_DESCRIPTOR: usize = 3;

/// One directory that is being walked.
struct Level {
    entries: vec::IntoIter<DirEntry>,
    /// Length of the directory's path.
    path_len: usize,
    /// Which directory it is; asked for when the first link to one is met below it.
    id: Option<(u64, u64)>,
}

impl Level {
    fn new(mut entries: Vec<DirEntry>, path_len: usize, id: Option<(u64, u64)>) -> Self {
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Self { entries: entries.into_iter(), path_len, id }
    }
}

/// Calls `found` with the path of every file below `root` that is named like a module.
///
/// # Errors
/// When `root` itself cannot be opened, or links make more directories of it than the ceiling allows: the one that
/// is not walked, and the cause. Everything else is reported and skipped.
pub(crate) fn walk<S: Source>(
    root: &[u8],
    config: &Config,
    limits: &Limits,
    source: &S,
    reporter: &mut impl Reporter,
    found: &mut impl FnMut(&[u8]),
) -> Result<(), (Vec<u8>, IoError)> {
    let mut path = root.to_vec();
    let entries = source.list(root).map_err(|error| (root.to_vec(), error))?;
    let mut levels = vec![Level::new(entries, path.len(), None)];
    let mut directories: usize = 1;
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.next() else {
            levels.pop();
            continue;
        };
        path.truncate(level.path_len);
        if SKIPPED.contains(&&*entry.name) || config.is_excluded(&entry.name) {
            continue;
        }
        path.push(b'/');
        path.extend_from_slice(&entry.name);
        let descriptor = (FIRST_DESCRIPTOR.saturating_add(levels.len()).saturating_sub(1)).to_string();
        let mut id = None;
        let directory = match entry.kind {
            EntryKind::File => false,
            EntryKind::Directory => true,
            EntryKind::Unresolved => match source.stat(&path) {
                Err(error) => {
                    let name = entry.name;
                    let (dirfd, cause) = (descriptor.into(), error.text().into());
                    reporter.report(Diagnostic::Fstatat { dirfd, name, cause });
                    continue;
                }
                Ok(stat) => match stat.kind {
                    FileKind::File => false,
                    FileKind::Directory => {
                        id = Some(stat.id);
                        let is_above = |level: &mut Level| {
                            let dir = path.get(..level.path_len).unwrap_or_default();
                            level.id = level.id.or_else(|| Some(source.stat(dir).ok()?.id));
                            level.id == id
                        };
                        if levels.iter_mut().any(is_above) {
                            reporter.report(Diagnostic::DirectoryLoop { path: path.clone() });
                            continue;
                        }
                        true
                    }
                    FileKind::Other(mode) => {
                        let mode = alloc::format!("{mode:o}").into();
                        reporter.report(Diagnostic::UnsupportedFileType { path: path.clone(), mode });
                        continue;
                    }
                },
            },
        };
        if !directory {
            if name::is_module_file(&entry.name) {
                found(&path);
            }
        } else if levels.len() >= limits.depth {
            reporter.report(Diagnostic::DirectoryDepth { path: path.clone() });
        } else if directories >= limits.directories {
            return Err((path, IoError::other("Too many directories")));
        } else {
            directories = directories.saturating_add(1);
            match source.list(&path) {
                Ok(entries) => levels.push(Level::new(entries, path.len(), id)),
                Err(error) => report_openat(reporter, descriptor, entry.name, &error),
            }
        }
    }
    Ok(())
}

fn report_openat(reporter: &mut impl Reporter, descriptor: String, name: Vec<u8>, error: &IoError) {
    let (dirfd, cause) = (descriptor.into(), error.text().into());
    reporter.report(Diagnostic::Openat { dirfd, name, cause });
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::host::{IoErrorKind, Stat};

    /// In each directory two links to the next one, and a module; counts what it is asked.
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
            let module = DirEntry { name: b"m.ko".to_vec(), kind: EntryKind::File };
            let link = |name: &[u8]| DirEntry { name: name.to_vec(), kind: EntryKind::Unresolved };
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
            Err(IoError::new(IoErrorKind::Other, ""))
        }
    }

    #[test]
    fn links_that_multiply_have_an_end() {
        let (source, mut messages, mut modules) = (Lattice::default(), Vec::new(), 0);
        let limits = Limits { directories: 1000, ..Limits::DEFAULT };
        let found = &mut |_: &[u8]| modules += 1;
        let error = walk(b"/d", &Config::default(), &limits, &source, &mut messages, found).unwrap_err();
        assert!(error.0.starts_with(b"/d/a/") && error.1.text() == "Too many directories");
        assert_eq!(messages, []);
        assert_eq!(source.lists.get(), 1000);
        // Each link, and the directory that is walked.
        assert_eq!(source.stats.get(), 1001);
        assert!(modules > 500);
    }
}
