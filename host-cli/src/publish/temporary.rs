//! New files under temporary names.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use depmod_core::diagnostic::Diagnostic;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::text;
use super::unchanged::{open_if_unchanged, touch};
use crate::source::from_io;

const SUFFIX: &str = ".depmod-new";
/// Names to try before giving up.
const ATTEMPTS: u32 = 1000;

/// One new file.
#[derive(Debug)]
pub(super) struct Temporary {
    /// The name that it shall get.
    pub(super) name: String,
    /// The name that it has.
    pub(super) temporary: String,
    file: File,
}

/// New files of one directory; removed when dropped.
#[derive(Debug)]
pub(super) struct Temporaries<'a> {
    dir: &'a OwnedFd,
    path: &'a [u8],
    files: Vec<Temporary>,
    /// Old files that stay, with their names.
    unchanged: Vec<(String, File)>,
}

impl<'a> Temporaries<'a> {
    pub(super) fn new(dir: &'a OwnedFd, path: &'a [u8]) -> Self {
        Self { dir, path, files: Vec::new(), unchanged: Vec::new() }
    }

    /// Writes a file, but not yet to the disk; an old file that is the same is left alone.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        if let Some(file) = open_if_unchanged(self.dir, name, bytes) {
            self.unchanged.push((name.to_owned(), file));
            return Ok(());
        }
        let failed = |error| Diagnostic::CreateTemporary { path: self.path.to_vec(), cause: text(error) };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut attempt = 0;
        let (temporary, fd) = loop {
            let temporary = temporary_name(name, attempt);
            match rustix::fs::openat(self.dir, &temporary, flags, mode) {
                Ok(fd) => break (temporary, fd),
                // Left behind where there is no lock, so that it could not be removed.
                Err(Errno::EXIST) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(failed(error)),
            }
        };
        self.files.push(Temporary { name: name.to_owned(), temporary, file: File::from(fd) });
        let Some(Temporary { file, .. }) = self.files.last_mut() else { return Ok(()) };

        // Everybody may read it, whatever the umask says.
        let mode = mode | Mode::RGRP | Mode::ROTH;
        rustix::fs::fchmod(&*file, mode).map_err(failed)?;
        file.write_all(bytes).map_err(|error| truncated(name, &error))?;
        let size = file.metadata().map_err(|error| truncated(name, &error))?.len();
        if size == bytes.len() as u64 { Ok(()) } else { Err(truncated(name, &Errno::IO.into())) }
    }

    /// Brings all files to the disk: side by side, because a journal takes them together then.
    pub(super) fn sync(&self) -> Result<(), Diagnostic> {
        let new = self.files.iter().map(|file| (&*file.name, &file.file));
        // Whoever wrote these did perhaps not sync them.
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
                    // No thread to be had: then here.
                    _ => file.sync_all(),
                };
                result = result.and(synced.map_err(|error| truncated(name, &error)));
            }
            result
        })
    }

    /// Gives the files that stay the time of this run, the first of them last.
    pub(super) fn touch_unchanged(&self) -> Result<(), Diagnostic> {
        for (name, file) in self.unchanged.iter().rev() {
            touch(file).map_err(|error| Diagnostic::TouchIndex {
                name: name.as_bytes().to_vec(),
                cause: text(error),
            })?;
        }
        Ok(())
    }

    pub(super) fn files(&self) -> impl DoubleEndedIterator<Item = &Temporary> {
        self.files.iter()
    }
}

impl Drop for Temporaries<'_> {
    fn drop(&mut self) {
        for file in &self.files {
            // Gone already if it took the place of no other file.
            let _ = rustix::fs::unlinkat(self.dir, &file.temporary, AtFlags::empty());
        }
    }
}

fn truncated(name: &str, error: &std::io::Error) -> Diagnostic {
    let cause = from_io(error).text().as_bytes().to_vec();
    Diagnostic::TruncatedIndex { name: name.as_bytes().to_vec(), cause }
}

/// `.modules.dep.4711.depmod-new`: 4711 is the process, plus 2^22 for each attempt before this one,
/// which is more than any process's number.
pub(super) fn temporary_name(name: &str, attempt: u32) -> String {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    let number = i64::from(process) + (i64::from(attempt) << 22);
    format!(".{name}.{number}{SUFFIX}")
}

/// Whether [`temporary_name`] can have made this name.
fn is_temporary(name: &[u8]) -> bool {
    let middle = name.strip_prefix(b".modules.").and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    let process = middle.and_then(|middle| middle.rsplit(|&byte| byte == b'.').next());
    middle != process && process.is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit))
}

/// Removes what killed runs left. To be called under the lock, for all of it is nobody's then.
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
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let taken = root.path().join(temporary_name("modules.dep", 0));
        std::fs::write(&taken, b"theirs").unwrap();
        let dir = OwnedFd::from(File::open(root.path()).unwrap());
        let mut temporaries = Temporaries::new(&dir, b"");
        temporaries.write("modules.dep", b"ours").unwrap();
        assert_eq!(temporaries.files[0].temporary, temporary_name("modules.dep", 1));
        drop(temporaries);
        assert_eq!(std::fs::read(taken).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn own_names_are_known_again() {
        for name in ["modules.dep", "modules.builtin.alias.bin"] {
            assert!(is_temporary(temporary_name(name, 1).as_bytes()), "{name}");
        }
        for name in ["modules.dep", ".modules.dep.12", ".modules.12.depmod-new", ".modules.dep..depmod-new"] {
            assert!(!is_temporary(name.as_bytes()), "{name}");
        }
    }
}
