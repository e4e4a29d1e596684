//! Open directories of a walk, so that their files are opened by one name.

use core::cell::RefCell;
use std::os::fd::OwnedFd;

use bstr::BString;
use depmod_core::{DirEntry, IoError, Source, Stat};
use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

use super::{DiskFile, DiskSource, entries_of, io_error, open_directory, path, stat_of};

/// The file system of the running system, for one walk: the directories on the path to the last listed one
/// stay open, and paths below them are resolved relative to them. A system call then resolves one name
/// instead of eight.
#[derive(Debug, Default)]
pub struct Directories {
    open: RefCell<Vec<(BString, OwnedFd)>>,
}

impl Directories {
    /// The status of a path, after resolving links.
    ///
    /// # Errors
    /// Those of the system.
    pub fn status(&self, file: &[u8]) -> Result<rustix::fs::Stat, Errno> {
        let open = self.open.borrow();
        let at = file.iter().rposition(|&byte| byte == b'/').and_then(|slash| file.split_at_checked(slash));
        match at.and_then(|(dir, name)| Some((open.iter().rfind(|(path, _)| path == dir)?, name.get(1..)?))) {
            Some(((_, dir), name)) => rustix::fs::statat(dir, path(name), AtFlags::empty()),
            None => rustix::fs::stat(path(file)),
        }
    }
}

impl Source for Directories {
    type File = DiskFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let mut open = self.open.borrow_mut();
        let below = |above: &[u8]| dir.strip_prefix(above).and_then(|rest| rest.strip_prefix(b"/"));
        open.retain(|(path, _)| below(path).is_some());
        let fd = match open.last().and_then(|(path, fd)| Some((fd, below(path)?))) {
            Some((above, name)) => open_directory(above, name),
            None => open_directory(CWD, dir),
        };
        let fd = fd.map_err(io_error)?;
        let entries = entries_of(&fd)?;
        open.push((dir.into(), fd));
        Ok(entries)
    }

    fn stat(&self, file: &[u8]) -> Result<Stat, IoError> {
        self.status(file).map(|stat| stat_of(&stat)).map_err(io_error)
    }

    fn open(&self, file: &[u8]) -> Result<DiskFile, IoError> {
        DiskSource.open(file)
    }
}
