//! The list of configuration files ([`reference::modules`](crate::reference::modules) §3.1).
//!
//! All files are in one list, sorted by base name. Of several files with the same base name, only the first
//! one counts, so `/etc/depmod.d/a.conf` masks `/usr/lib/depmod.d/a.conf`, even if it is empty.

use alloc::{collections::BTreeMap, vec::Vec};

use bstr::BString;

use super::super::walk::WalkError;
use crate::{
    diagnostic::{Diagnostic, Reporter},
    name::file_name,
    source::{DirEntry, EntryKind, FileKind, Source, sort_entries},
};

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its path, as shown in messages.
    pub(crate) path: Vec<u8>,
    /// Whether it only masks files of the same name: a device such as `/dev/null`, or a pipe, which may never
    /// have a writer.
    pub(crate) is_empty: bool,
}

/// The files to read, in reading order. Missing paths are ignored.
pub(crate) fn list<S: Source>(
    source: &S,
    paths: &[impl AsRef<[u8]>],
    reporter: &mut dyn Reporter,
) -> Result<Vec<File>, WalkError> {
    let mut files = BTreeMap::new();
    for path in paths.iter().map(AsRef::as_ref) {
        match source.stat(path).map(|stat| stat.kind) {
            Ok(FileKind::Directory) => {
                for (name, file) in list_directory(source, path, reporter)? {
                    files.entry(name).or_insert(file);
                }
            }
            // A pipe named with `-C` is meant to be read.
            Ok(FileKind::File | FileKind::Other(_)) => {
                let file = File { path: path.to_vec(), is_empty: false };
                files.entry(BString::from(file_name(path))).or_insert(file);
            }
            Err(cause) if cause.is_fault() => return Err(WalkError { path: path.into(), cause }),
            Err(_) => {}
        }
    }
    Ok(files.into_values().collect())
}

/// The files of one directory, with their base names.
fn list_directory<S: Source>(
    source: &S,
    dir: &[u8],
    reporter: &mut dyn Reporter,
) -> Result<Vec<(BString, File)>, WalkError> {
    let mut entries = match source.list(dir) {
        Ok(entries) => entries,
        Err(cause) if cause.is_fault() => return Err(WalkError { path: dir.into(), cause }),
        Err(cause) => {
            reporter.report(Diagnostic::ConfigDirectory { path: dir.into(), cause });
            return Ok(Vec::new());
        }
    };
    sort_entries(&mut entries);
    let mut files = Vec::new();
    for entry in entries {
        match examine(source, dir, &entry)? {
            Ok(Some(file)) => files.push((entry.name, file)),
            Ok(None) => {}
            Err(diagnostic) => reporter.report(diagnostic),
        }
    }
    Ok(files)
}

/// Whether a directory entry is a configuration file; hidden entries are skipped silently.
fn examine<S: Source>(
    source: &S,
    dir: &[u8],
    entry: &DirEntry,
) -> Result<Result<Option<File>, Diagnostic>, WalkError> {
    let name = &*entry.name;
    let path = [dir, b"/", name].concat();
    if name.starts_with(b".") {
        return Ok(Ok(None));
    }
    if !name.ends_with(b".conf") {
        return Ok(Err(Diagnostic::ConfigSuffix { path: path.into() }));
    }
    let kind = match entry.kind {
        EntryKind::File => FileKind::File,
        EntryKind::Directory => FileKind::Directory,
        EntryKind::Unresolved => match source.stat(&path) {
            Ok(stat) => stat.kind,
            Err(cause) if cause.is_fault() => return Err(WalkError { path: path.into(), cause }),
            Err(_) => return Ok(Err(Diagnostic::ConfigStat { path: [dir, name].concat().into() })),
        },
    };
    Ok(match kind {
        FileKind::Directory => Err(Diagnostic::ConfigSubdirectory { path: path.into() }),
        FileKind::File => Ok(Some(File { path, is_empty: false })),
        FileKind::Other(_) => Ok(Some(File { path, is_empty: true })),
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::source::{IoError, Stat};

    /// Directory entries by path; a listed entry may be missing. Unlisted directories cannot be opened.
    struct Files {
        listed: &'static [(&'static str, &'static [(&'static str, EntryKind)])],
        kinds: &'static [(&'static str, FileKind)],
    }

    impl Source for Files {
        type File = &'static [u8];

        fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
            let (_, entries) = self
                .listed
                .iter()
                .find(|(path, _)| path.as_bytes() == dir)
                .ok_or(IoError::other("Permission denied"))?;
            Ok(entries.iter().map(|&(name, kind)| DirEntry { name: name.into(), kind }).collect())
        }

        fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
            let (_, kind) =
                self.kinds.iter().find(|(known, _)| known.as_bytes() == path).ok_or(IoError::not_found())?;
            Ok(Stat { kind: *kind, id: (0, 0), size: 0, root_owned: true })
        }

        fn open(&self, _: &[u8]) -> Result<Self::File, IoError> {
            Err(IoError::not_found())
        }
    }

    use EntryKind::{Directory, File as Plain, Unresolved};

    const FILES: Files = Files {
        listed: &[
            (
                "/d1",
                &[
                    ("nosuf", Plain),
                    ("b.conf", Plain),
                    (".hid.conf", Plain),
                    (".conf", Plain),
                    ("sub.conf", Directory),
                    ("a.conf", Unresolved),
                    ("n.conf", Unresolved),
                    ("p.conf", Unresolved),
                    ("1conf", Plain),
                ],
            ),
            ("/d2", &[("n.conf", Plain), ("b.conf", Plain), ("a.conf", Plain), ("sub.conf", Plain)]),
        ],
        kinds: &[
            ("/d1", FileKind::Directory),
            ("/d2", FileKind::Directory),
            ("/secret", FileKind::Directory),
            ("/d1/n.conf", FileKind::Other(0o020_000)),
            ("/d1/p.conf", FileKind::File),
            ("/x/b.conf", FileKind::File),
            ("/x/anything", FileKind::File),
            ("relative", FileKind::File),
            ("/dev/fd/63", FileKind::Other(0o010_000)),
        ],
    };

    /// Paths in reading order (`∅` for empty ones), and messages.
    fn read(paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut messages = Vec::new();
        let files = list(&FILES, paths, &mut messages).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            files.into_iter().map(|f| text(f.path) + if f.is_empty { "∅" } else { "" }).collect(),
            messages.iter().map(|m| text(m.message())).collect(),
        )
    }

    const MESSAGES_OF_D1: [&str; 4] = [
        "All cfg files need .conf: /d1/1conf",
        "Cannot stat directory entry: /d1a.conf",
        "All cfg files need .conf: /d1/nosuf",
        "Directories inside directories are not supported: /d1/sub.conf",
    ];

    #[test]
    fn earlier_directories_mask_later_ones() {
        let (files, messages) = read(&["/d1", "/d2"]);
        assert_eq!(files, ["/d2/a.conf", "/d1/b.conf", "/d1/n.conf∅", "/d1/p.conf", "/d2/sub.conf"]);
        assert_eq!(messages, MESSAGES_OF_D1);
        let (files, messages) = read(&["/d2", "/d1"]);
        assert_eq!(files, ["/d2/a.conf", "/d2/b.conf", "/d2/n.conf", "/d1/p.conf", "/d2/sub.conf"]);
        assert_eq!(messages, MESSAGES_OF_D1);
    }

    #[test]
    fn named_files_need_no_suffix() {
        let (files, messages) = read(&["/x/b.conf", "/x/anything", "relative", "/dev/fd/63", "/d2"]);
        assert_eq!(
            files,
            [
                "/dev/fd/63",
                "/d2/a.conf",
                "/x/anything",
                "/x/b.conf",
                "/d2/n.conf",
                "relative",
                "/d2/sub.conf"
            ]
        );
        assert!(messages.is_empty());
    }

    #[test]
    fn missing_paths_are_ignored_and_unreadable_paths_reported() {
        let (files, messages) = read(&["/nowhere", "", "/secret"]);
        assert!(files.is_empty());
        assert_eq!(messages, ["files list /secret: Permission denied"]);
    }
}
