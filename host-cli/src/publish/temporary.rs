//! New files under temporary names.

use std::fs::File;
use std::os::fd::OwnedFd;

use depmod_core::parts::sort::sort_by;
use depmod_core::{Diagnostic, EntryKind, IoError};
use rustix::fs::{AtFlags, Mode, Timespec};
use rustix::io::Errno;

use super::calls;
use super::new_file::{self, NewFile, PRIVATE, is_temporary};
use super::unchanged::{open_if_unchanged, times, touch};
use crate::source::{entries, from_io, io_error};

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
    /// The time of all files, new and unchanged.
    time: Timespec,
    files: Vec<Temporary<'a>>,
    /// Unchanged old files, with their names; closed when no descriptor is free.
    unchanged: Vec<(String, Option<File>)>,
}

impl<'a> Temporaries<'a> {
    pub(super) fn new(dir: &'a OwnedFd, path: &'a [u8], time: Timespec) -> Self {
        Self { dir, path, time, files: Vec::new(), unchanged: Vec::new() }
    }

    /// Writes a file without syncing; an identical old file stays untouched.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        if let Some(file) = open_if_unchanged(self.dir, name, bytes) {
            self.unchanged.push((name.to_owned(), Some(file)));
            return Ok(());
        }
        let failed = |error| Diagnostic::CreateTemporary { path: self.path.into(), cause: io_error(error) };
        let mode = PRIVATE | Mode::RGRP | Mode::ROTH;
        let create = || NewFile::create(self.dir, name.as_bytes(), mode);
        let mut file = match create() {
            Err(Errno::MFILE | Errno::NFILE) => {
                self.settle()?;
                NewFile::create(self.dir, name.as_bytes(), mode)
            }
            result => result,
        }
        .map_err(failed)?;
        file.write(bytes).map_err(|error| truncated(name, &from_io(&error)))?;
        if let Some(file) = file.file() {
            // Readable by all users, regardless of the umask. Some file systems cannot set modes or times: there,
            // kmod's files have the same mode, and the next `-A` is a full run.
            let _ = calls::fchmod(file, mode);
            let _ = calls::futimens(file, &times(self.time));
        }
        self.files.push(Temporary { name: name.to_owned(), file });
        Ok(())
    }

    /// Syncs and closes all files.
    fn settle(&mut self) -> Result<(), Diagnostic> {
        self.sync()?;
        self.files.iter_mut().for_each(|file| file.file.close());
        self.unchanged.iter_mut().for_each(|(_, file)| *file = None);
        Ok(())
    }

    /// Syncs all open files in parallel: the journal can then commit them together.
    pub(super) fn sync(&self) -> Result<(), Diagnostic> {
        let new = self.files.iter().filter_map(|file| Some((&*file.name, file.file.file()?)));
        // Their writer may not have synced them.
        let old = self.unchanged.iter().filter_map(|(name, file)| Some((&**name, file.as_ref()?)));
        std::thread::scope(|scope| {
            let handles: Vec<_> = new
                .chain(old)
                .map(|(name, file)| {
                    let thread = calls::spawn(scope, move || new_file::sync(file));
                    (name, file, thread)
                })
                .collect();
            let mut result = Ok(());
            for (name, file, thread) in handles {
                let synced = match thread.map(std::thread::ScopedJoinHandle::join) {
                    Ok(Ok(synced)) => synced,
                    // Without a free thread, this thread does it.
                    _ => new_file::sync(file),
                };
                result = result.and(synced.map_err(|error| truncated(name, &io_error(error))));
            }
            result
        })
    }

    /// Gives the unchanged files the time of this run, the first file last.
    pub(super) fn touch_unchanged(&self) -> Result<(), Diagnostic> {
        for (name, _) in self.unchanged.iter().rev() {
            touch(self.dir, name.as_bytes(), self.time).map_err(|error| Diagnostic::TouchIndex {
                name: name.as_bytes().into(),
                cause: io_error(error),
            })?;
        }
        Ok(())
    }

    /// Brings the files into the order of these names.
    pub(super) fn sort(&mut self, order: &[&str]) {
        let place = |name: &str| order.iter().position(|other| *other == name);
        sort_by(&mut self.files, &|a, b| place(&a.name).cmp(&place(&b.name)));
        sort_by(&mut self.unchanged, &|a, b| place(&a.0).cmp(&place(&b.0)));
    }

    pub(super) fn files(&self) -> impl DoubleEndedIterator<Item = &Temporary<'a>> {
        self.files.iter()
    }
}

fn truncated(name: &str, cause: &IoError) -> Diagnostic {
    Diagnostic::TruncatedIndex { name: name.as_bytes().into(), cause: cause.clone() }
}

/// Removes temporary files of killed runs. Must be called under the lock: no other run owns them then.
pub(super) fn remove_stale(dir: &OwnedFd) {
    for entry in entries(dir) {
        if is_temporary(&entry.name) && entry.kind == EntryKind::File {
            let _ = calls::unlinkat(dir, entry.name.as_slice(), AtFlags::empty());
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
        let mut temporaries = Temporaries::new(&dir, b"", super::super::present());
        temporaries.write("modules.dep", b"ours").unwrap();
        assert_eq!(temporaries.files[0].file.temporary(), temporary_name(b"modules.dep", 1));
        drop(temporaries);
        assert_eq!(std::fs::read(taken).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
