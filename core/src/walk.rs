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
}

/// Calls `found` with the path of every file below `root` that is named like a module.
///
/// # Errors
/// When `root` itself cannot be opened; everything else is reported and skipped.
pub(crate) fn walk<S: Source>(
    root: &[u8],
    config: &Config,
    limits: &Limits,
    source: &S,
    reporter: &mut impl Reporter,
    found: &mut impl FnMut(&[u8]),
) -> Result<(), IoError> {
    let mut path = root.to_vec();
    let mut levels = vec![Level { entries: sorted(source.list(root)?), path_len: path.len() }];
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
                        let mut above = levels.iter().filter_map(|level| path.get(..level.path_len));
                        if above.any(|dir| source.stat(dir).is_ok_and(|above| above.id == stat.id)) {
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
        } else {
            match source.list(&path) {
                Ok(entries) => levels.push(Level { entries: sorted(entries), path_len: path.len() }),
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

fn sorted(mut entries: Vec<DirEntry>) -> vec::IntoIter<DirEntry> {
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    entries.into_iter()
}
