//! New files under temporary names.

use std::fs::File;
use std::os::fd::OwnedFd;

use depmod_core::Diagnostic;
use rustix::fs::{AtFlags, Dir, FileType, Mode};

use super::new_file::{NewFile, PRIVATE, is_temporary};
use super::unchanged::{open_if_unchanged, touch};
use crate::source::{from_io, io_error};

/// One new file.
#[derive(Debug)]
pub(super) struct Temporary<'a> {
    /// Its final name.
    pub(super) name: String,
    pub(super) file: NewFile<'a>,
}

/// New files of one directory; drop removes them.
#[derive(Debug)]
pub(super) struct Temporaries<'a> {
    dir: &'a OwnedFd,
    path: &'a [u8],
    files: Vec<Temporary<'a>>,
    /// Unchanged old files, with their names.
    unchanged: Vec<(String, File)>,
}

impl<'a> Temporaries<'a> {
    pub(super) fn new(dir: &'a OwnedFd, path: &'a [u8]) -> Self {
        Self { dir, path, files: Vec::new(), unchanged: Vec::new() }
    }

    /// Writes a file without syncing; an identical old file stays untouched.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        if let Some(file) = open_if_unchanged(self.dir, name, bytes) {
            self.unchanged.push((name.to_owned(), file));
            return Ok(());
        }
        let failed = |error| Diagnostic::CreateTemporary { path: self.path.into(), cause: io_error(error) };
        let mut file = NewFile::create(self.dir, name.as_bytes(), PRIVATE).map_err(failed)?;
        // Readable by all users, regardless of the umask.
        let mode = PRIVATE | Mode::RGRP | Mode::ROTH;
        rustix::fs::fchmod(file.file(), mode).map_err(failed)?;
        file.write(bytes).map_err(|error| truncated(name, &error))?;
        self.files.push(Temporary { name: name.to_owned(), file });
        Ok(())
    }

    /// Syncs all files in parallel: the journal can then commit them together.
    pub(super) fn sync(&self) -> Result<(), Diagnostic> {
        let new = self.files.iter().map(|file| (&*file.name, file.file.file()));
        // Their writer may not have synced them.
        let old = self.unchanged.iter().map(|(name, file)| (&**name, file));
        std::thread::scope(|scope| {
            let handles: Vec<_> = new
                .chain(old)
                .map(|(name, file)| {
                    let thread = std::thread::Builder::new().spawn_scoped(scope, || file.sync_all());
                    (name, file, thread)
                })
                .collect();
            let mut result = Ok(());
            for (name, file, thread) in handles {
                let synced = match thread.map(std::thread::ScopedJoinHandle::join) {
                    Ok(Ok(synced)) => synced,
                    // Without a free thread, this thread does it.
                    _ => file.sync_all(),
                };
                result = result.and(synced.map_err(|error| truncated(name, &error)));
            }
            result
        })
    }

    /// Gives the unchanged files the time of this run, the first file last.
    pub(super) fn touch_unchanged(&self) -> Result<(), Diagnostic> {
        for (name, file) in self.unchanged.iter().rev() {
            touch(file).map_err(|error| Diagnostic::TouchIndex {
                name: name.as_bytes().into(),
                cause: io_error(error),
            })?;
        }
        Ok(())
    }

    pub(super) fn files(&self) -> impl DoubleEndedIterator<Item = &Temporary<'a>> {
        self.files.iter()
    }
}

fn truncated(name: &str, error: &std::io::Error) -> Diagnostic {
    let cause = from_io(error);
    Diagnostic::TruncatedIndex { name: name.as_bytes().into(), cause }
}

/// Removes temporary files of killed runs. Must be called under the lock: no other run owns them then.
pub(super) fn remove_stale(dir: &OwnedFd) {
    let Ok(entries) = Dir::read_from(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if is_temporary(name.to_bytes()) {
            let is_file = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
            if is_file {
                let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::new_file::temporary_name;
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn existing_temporary_names_are_skipped() {
        let root = tempfile::tempdir().unwrap();
        let taken = root.path().join(std::ffi::OsStr::from_bytes(&temporary_name(b"modules.dep", 0)));
        std::fs::write(&taken, b"theirs").unwrap();
        let dir = OwnedFd::from(File::open(root.path()).unwrap());
        let mut temporaries = Temporaries::new(&dir, b"");
        temporaries.write("modules.dep", b"ours").unwrap();
        assert_eq!(temporaries.files[0].file.temporary(), temporary_name(b"modules.dep", 1));
        drop(temporaries);
        assert_eq!(std::fs::read(taken).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
