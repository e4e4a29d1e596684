//! A file under a temporary name, which gets its own name after it is complete.

use core::fmt;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use depmod_core::parts::output::TEMPORARY_SUFFIX;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::calls;
use crate::source::entries;

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
    /// Closed when no descriptor is free.
    file: Option<File>,
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
        let fd = calls::openat(dir, temporary.as_slice(), flags, mode)?;
        Ok(Self { dir, temporary, file: Some(File::from(fd)) })
    }

    /// Writes all bytes, without syncing.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(Errno::BADF.into()) };
        calls::write_all(file, bytes)?;
        // Some file systems write fewer bytes than they report.
        let size = file.metadata()?.len();
        if size == bytes.len() as u64 { Ok(()) } else { Err(Errno::IO.into()) }
    }

    /// The file, until [`Self::close`].
    pub(crate) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Syncs the file.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        self.file.as_ref().map_or(Ok(()), sync)
    }

    /// Closes the file.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// The temporary name.
    pub(crate) fn temporary(&self) -> &[u8] {
        &self.temporary
    }

    /// Renames the file to its own name, in place of an existing file.
    pub(crate) fn rename(self, name: &[u8]) -> Result<(), Errno> {
        calls::renameat(self.dir, self.temporary.as_slice(), self.dir, name)
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // Fails after a rename.
        let _ = calls::unlinkat(self.dir, self.temporary.as_slice(), AtFlags::empty());
    }
}

/// Syncs a file or directory, unless its file system cannot do that: some of networks and of user space, and
/// for directories most that are not of Unix.
pub(super) fn sync(file: impl AsFd) -> Result<(), Errno> {
    match calls::fsync(file) {
        Err(
            Errno::INVAL
            | Errno::NOSYS
            | Errno::OPNOTSUPP
            | Errno::PERM
            | Errno::ACCESS
            | Errno::BADF
            | Errno::ROFS,
        ) => Ok(()),
        result => result,
    }
}

/// Binary digits of a process ID.
const PROCESS_BITS: u32 = 22;

/// `.modules.dep.4711.depmod-new`: 4711 is the process ID, plus 2^22, the limit of process IDs, for each
/// earlier attempt.
pub(super) fn temporary_name(name: &[u8], attempt: u32) -> Vec<u8> {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    let number = i64::from(process) + (i64::from(attempt) << PROCESS_BITS);
    [b".", name, format!(".{number}{TEMPORARY_SUFFIX}").as_bytes()].concat()
}

/// Whether this is a [`temporary_name`] of one of `modules.*`.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    let middle =
        name.strip_prefix(b".modules.").and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()));
    let process = middle.and_then(|middle| middle.rsplit(|&byte| byte == b'.').next());
    middle != process && process.is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit))
}

/// Removes the temporary files that killed processes left for this name. A file belongs to a living process if
/// that holds its lock, or exists; the lock also tells of processes of other machines and containers.
fn remove_stale(dir: &OwnedFd, name: &[u8]) {
    let stale = |temporary: &[u8]| {
        let number = temporary.strip_prefix(b".")?.strip_prefix(name)?.strip_prefix(b".")?;
        let number = str::from_utf8(number.strip_suffix(TEMPORARY_SUFFIX.as_bytes())?).ok()?;
        let process = number.parse::<i64>().ok()? & ((1 << PROCESS_BITS) - 1);
        let process = Pid::from_raw(i32::try_from(process).ok()?)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = calls::openat(dir, temporary, flags, Mode::empty()).ok()?;
        let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        (locked != Err(Errno::WOULDBLOCK) && test_kill_process(process) == Err(Errno::SRCH)).then_some(())
    };
    for entry in entries(dir) {
        if stale(&entry.name).is_some() {
            let _ = calls::unlinkat(dir, entry.name.as_slice(), AtFlags::empty());
        }
    }
}

/// A file that could not be replaced.
#[derive(Debug)]
pub enum ReplaceError {
    /// The old file is unchanged.
    Unchanged(io::Error),
    /// The new file is in place, but may not be on the disk yet: its directory could not be synced.
    Unsynced(io::Error),
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchanged(_) => "the file is as it was",
            Self::Unsynced(_) => "the new file is in place, but may not be on the disk yet",
        })
    }
}

impl std::error::Error for ReplaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::Unchanged(cause) | Self::Unsynced(cause)) = self;
        Some(cause)
    }
}

impl<E: Into<io::Error>> From<E> for ReplaceError {
    fn from(cause: E) -> Self {
        Self::Unchanged(cause.into())
    }
}

/// Replaces a file by a new, synced one; writes to existing non-files, such as pipes. Removes what killed
/// processes left in its directory for the same file.
///
/// # Errors
/// Those of the system, with the state of the old file.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    if fs::metadata(path).is_ok_and(|old| !old.is_file()) {
        return Ok(fs::OpenOptions::new().write(true).open(path)?.write_all(bytes)?);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().map(OsStr::as_bytes).ok_or(io::ErrorKind::InvalidInput)?;
    let dir = OwnedFd::from(File::open(parent.unwrap_or(Path::new(".")))?);
    remove_stale(&dir, name);
    let mut new = NewFile::create(&dir, name, PUBLIC)?;
    if let Some(file) = new.file() {
        // Without locks, the process ID tells that the file is in use.
        let _ = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    }
    new.write(bytes)?;
    new.sync()?;
    new.rename(name)?;
    sync(&dir).map_err(|error| ReplaceError::Unsynced(error.into()))
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

    #[test]
    fn files_of_killed_processes_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let gone = std::process::Command::new("true").spawn().and_then(|mut child| {
            child.wait()?;
            Ok(child.id())
        });
        let gone = gone.unwrap();
        let live = std::process::id();
        let removed = [
            format!(".m.cpio.{gone}{TEMPORARY_SUFFIX}"),
            format!(".m.cpio.{}{TEMPORARY_SUFFIX}", gone + (1 << 22)),
        ];
        let kept = [
            format!(".m.cpio.{}{TEMPORARY_SUFFIX}", live + (9 << 22)),
            format!(".m.cpio.{}{TEMPORARY_SUFFIX}", gone + (2 << 22)),
            format!(".other.cpio.{gone}{TEMPORARY_SUFFIX}"),
            format!(".m.cpio.x{TEMPORARY_SUFFIX}"),
        ];
        removed.iter().chain(&kept).for_each(|name| fs::write(dir.path().join(name), b"part").unwrap());
        let locked = File::open(dir.path().join(&kept[1])).unwrap();
        locked.lock_shared().unwrap();
        replace_file(&dir.path().join("m.cpio"), b"new").unwrap();
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut expected: Vec<_> = kept.iter().map(String::as_str).chain(["m.cpio"]).collect();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
}
