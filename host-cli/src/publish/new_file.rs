//! A file under a temporary name: written whole before it takes its own name.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// What temporary names end in.
const SUFFIX: &str = ".depmod-new";
/// Names to try before giving up.
const ATTEMPTS: u32 = 1000;
/// For its owner alone.
pub(crate) const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// For everybody, as far as the umask allows.
const PUBLIC: Mode = PRIVATE.union(Mode::RGRP).union(Mode::WGRP).union(Mode::ROTH).union(Mode::WOTH);

/// A new file of a directory. Dropped, it goes away, unless it has taken its name.
#[derive(Debug)]
pub(crate) struct NewFile<'d> {
    dir: &'d OwnedFd,
    temporary: Vec<u8>,
    file: File,
}

impl<'d> NewFile<'d> {
    /// Makes a file that is to have this name, with what the umask leaves of a mode.
    pub(crate) fn create(dir: &'d OwnedFd, name: &[u8], mode: Mode) -> Result<Self, Errno> {
        let mut attempt = 0;
        loop {
            match Self::create_as(dir, temporary_name(name, attempt), mode) {
                // Left behind where there is no lock, so that it could not be removed.
                Err(Errno::EXIST) if attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    /// Makes a file with this temporary name.
    pub(crate) fn create_as(dir: &'d OwnedFd, temporary: Vec<u8>, mode: Mode) -> Result<Self, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, temporary.as_slice(), flags, mode)?;
        Ok(Self { dir, temporary, file: File::from(fd) })
    }

    /// Writes all of it, but not yet to the disk.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        // A file system may take less than it says.
        let size = self.file.metadata()?.len();
        if size == bytes.len() as u64 { Ok(()) } else { Err(Errno::IO.into()) }
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The name that it has.
    pub(crate) fn temporary(&self) -> &[u8] {
        &self.temporary
    }

    /// Gives it its name, in the place of a file that has the name.
    pub(crate) fn rename(self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::renameat(self.dir, self.temporary.as_slice(), self.dir, name)
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // Gone already if it has taken its name.
        let _ = rustix::fs::unlinkat(self.dir, self.temporary.as_slice(), AtFlags::empty());
    }
}

/// `.modules.dep.4711.depmod-new`: 4711 is the process, plus 2^22 for each attempt before this one,
/// which is more than any process's number.
pub(super) fn temporary_name(name: &[u8], attempt: u32) -> Vec<u8> {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    let number = i64::from(process) + (i64::from(attempt) << 22);
    [b".", name, format!(".{number}{SUFFIX}").as_bytes()].concat()
}

/// Whether [`temporary_name`] can have made this name for one of `modules.*`.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    let middle = name.strip_prefix(b".modules.").and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    let process = middle.and_then(|middle| middle.rsplit(|&byte| byte == b'.').next());
    middle != process && process.is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit))
}

/// Replaces a file by a new one that is on the disk already; what is no file, such as a pipe, is written to.
///
/// # Errors
/// The system's; the old file is then as it was, unless only its directory could not be brought to the disk.
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
    Ok(rustix::fs::fsync(&dir)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_known_again() {
        for name in ["modules.dep", "modules.builtin.alias.bin"] {
            assert!(is_temporary(&temporary_name(name.as_bytes(), 1)), "{name}");
        }
        for name in ["modules.dep", ".modules.dep.12", ".modules.12.depmod-new", ".modules.dep..depmod-new"] {
            assert!(!is_temporary(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_file_is_replaced_or_left_alone() {
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
