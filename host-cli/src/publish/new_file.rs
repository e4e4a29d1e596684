//! A file under a temporary name, which gets its own name after it is complete.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use depmod_core::parts::output::TEMPORARY_SUFFIX;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Number of names to try.
const ATTEMPTS: u32 = 1000;
/// Access for the owner only.
pub(crate) const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Access for all users, limited by the umask.
const PUBLIC: Mode = PRIVATE.union(Mode::RGRP).union(Mode::WGRP).union(Mode::ROTH).union(Mode::WOTH);

/// A new file in a directory. Drop removes it, unless it has been renamed.
#[derive(Debug)]
pub(crate) struct NewFile<'d> {
    dir: &'d OwnedFd,
    temporary: Vec<u8>,
    file: File,
}

impl<'d> NewFile<'d> {
    /// Creates a file that will get this name, with this mode limited by the umask.
    pub(crate) fn create(dir: &'d OwnedFd, name: &[u8], mode: Mode) -> Result<Self, Errno> {
        let mut attempt = 0;
        loop {
            match Self::create_as(dir, temporary_name(name, attempt), mode) {
                // A leftover file: without a lock it could not be removed.
                Err(Errno::EXIST) if attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    /// Creates a file with this temporary name.
    pub(crate) fn create_as(dir: &'d OwnedFd, temporary: Vec<u8>, mode: Mode) -> Result<Self, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, temporary.as_slice(), flags, mode)?;
        Ok(Self { dir, temporary, file: File::from(fd) })
    }

    /// Writes all bytes, without syncing.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        // Some file systems write fewer bytes than they report.
        let size = self.file.metadata()?.len();
        if size == bytes.len() as u64 { Ok(()) } else { Err(Errno::IO.into()) }
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The temporary name.
    pub(crate) fn temporary(&self) -> &[u8] {
        &self.temporary
    }

    /// Renames the file to its own name, in place of an existing file.
    pub(crate) fn rename(self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::renameat(self.dir, self.temporary.as_slice(), self.dir, name)
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // Fails after a rename.
        let _ = rustix::fs::unlinkat(self.dir, self.temporary.as_slice(), AtFlags::empty());
    }
}

/// `.modules.dep.4711.depmod-new`: 4711 is the process ID, plus 2^22, the limit of process IDs, for each
/// earlier attempt.
pub(super) fn temporary_name(name: &[u8], attempt: u32) -> Vec<u8> {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    let number = i64::from(process) + (i64::from(attempt) << 22);
    [b".", name, format!(".{number}{TEMPORARY_SUFFIX}").as_bytes()].concat()
}

/// Whether this is a [`temporary_name`] of one of `modules.*`.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    let middle =
        name.strip_prefix(b".modules.").and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()));
    let process = middle.and_then(|middle| middle.rsplit(|&byte| byte == b'.').next());
    middle != process && process.is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit))
}

/// Replaces a file by a new, synced one; writes to existing non-files, such as pipes.
///
/// # Errors
/// Those of the system; the old file is then unchanged, unless only syncing its directory failed.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|old| !old.is_file()) {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().map(OsStr::as_bytes).ok_or(io::ErrorKind::InvalidInput)?;
    let dir = OwnedFd::from(File::open(parent.unwrap_or(Path::new(".")))?);
    let mut new = NewFile::create(&dir, name, PUBLIC)?;
    new.write(bytes)?;
    new.file().sync_all()?;
    new.rename(name)?;
    Ok(sync_directory(&dir)?)
}

/// Makes renames in a directory permanent.
pub(super) fn sync_directory(dir: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::fsync(dir) {
        // Some file systems cannot sync directories.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognized() {
        for name in ["modules.dep", "modules.builtin.alias.bin"] {
            assert!(is_temporary(&temporary_name(name.as_bytes(), 1)), "{name}");
        }
        for name in ["modules.dep", ".modules.dep.12", ".modules.12.depmod-new", ".modules.dep..depmod-new"] {
            assert!(!is_temporary(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn files_are_replaced_without_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.cpio");
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(replace_file(&dir.path().join("gone/m.cpio"), b"").is_err());
        assert!(replace_file(dir.path(), b"").is_err(), "a directory");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
