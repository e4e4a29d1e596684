//! Which configuration files there are ([`reference::modules`](crate::reference::modules) §3.1).
//!
//! All files end up in one list, sorted by base name. Of several with one base name only the first that
//! is found counts, so `/etc/depmod.d/a.conf` masks `/usr/lib/depmod.d/a.conf`, even when it is empty.

use alloc::{collections::BTreeMap, vec::Vec};

use bstr::BString;

use crate::{
    diagnostic::{Diagnostic, Reporter},
    name::file_name,
    source::{DirEntry, EntryKind, FileKind, Source},
};

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its path, as messages name it.
    pub(crate) path: Vec<u8>,
    /// Whether it is there for its name alone: a device such as `/dev/null`, or a pipe that nobody
    /// may ever write to.
    pub(crate) is_empty: bool,
}

/// The files to read, in reading order. Paths that lead nowhere are ignored.
pub(crate) fn list<S: Source>(
    source: &S,
    paths: &[impl AsRef<[u8]>],
    reporter: &mut impl Reporter,
) -> Vec<File> {
    let mut files = BTreeMap::new();
    for path in paths.iter().map(AsRef::as_ref) {
        match source.stat(path).map(|stat| stat.kind) {
            Ok(FileKind::Directory) => {
                for (name, file) in list_directory(source, path, reporter) {
                    files.entry(name).or_insert(file);
                }
            }
            // Whoever names a pipe with `-C` wants it read.
            Ok(FileKind::File | FileKind::Other(_)) => {
                let file = File { path: path.to_vec(), is_empty: false };
                files.entry(BString::from(file_name(path))).or_insert(file);
            }
            Err(_) => {}
        }
    }
    files.into_values().collect()
}

/// The files of one directory with their base names.
fn list_directory<S: Source>(source: &S, dir: &[u8], reporter: &mut impl Reporter) -> Vec<(BString, File)> {
    let mut entries = match source.list(dir) {
        Ok(entries) => entries,
        Err(cause) => {
            reporter.report(Diagnostic::ConfigDirectory { path: dir.into(), cause });
            return Vec::new();
        }
    };
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut files = Vec::new();
    for entry in entries {
        match examine(source, dir, &entry) {
            Ok(Some(file)) => files.push((entry.name, file)),
            Ok(None) => {}
            Err(diagnostic) => reporter.report(diagnostic),
        }
    }
    files
}

/// Whether an entry is a configuration file; hidden ones are passed over in silence.
fn examine<S: Source>(source: &S, dir: &[u8], entry: &DirEntry) -> Result<Option<File>, Diagnostic> {
    let name = &*entry.name;
    let path = [dir, b"/", name].concat();
    if name.starts_with(b".") {
        return Ok(None);
    }
    if !name.ends_with(b".conf") {
        return Err(Diagnostic::ConfigSuffix { path: path.into() });
    }
    let kind = match entry.kind {
        EntryKind::File => FileKind::File,
        EntryKind::Directory => FileKind::Directory,
        EntryKind::Unresolved => match source.stat(&path) {
            Ok(stat) => stat.kind,
            Err(_) => return Err(Diagnostic::ConfigStat { path: [dir, name].concat().into() }),
        },
    };
    match kind {
        FileKind::Directory => Err(Diagnostic::ConfigSubdirectory { path: path.into() }),
        FileKind::File => Ok(Some(File { path, is_empty: false })),
        FileKind::Other(_) => Ok(Some(File { path, is_empty: true })),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::source::{IoError, Stat};

    /// Entries by path; what is listed need not be there. Unlisted directories cannot be opened.
    struct Tree {
        listed: &'static [(&'static str, &'static [(&'static str, EntryKind)])],
        kinds: &'static [(&'static str, FileKind)],
    }

    impl Source for Tree {
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

    const TREE: Tree = Tree {
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
        let files = list(&TREE, paths, &mut messages);
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
    fn files_need_no_suffix_when_they_are_named() {
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
    fn what_is_not_there_is_ignored_and_what_is_closed_reported() {
        let (files, messages) = read(&["/nowhere", "", "/secret"]);
        assert!(files.is_empty());
        assert_eq!(messages, ["files list /secret: Permission denied"]);
    }
}
