//! Exchanging new files for old ones, with undo.

use std::os::fd::OwnedFd;

use depmod_core::Diagnostic;
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use crate::source::io_error;

use super::calls;
use super::new_file::temporary_name;
use super::temporary::Temporary;

/// How to undo one exchange.
#[derive(Debug)]
enum Undo<'a> {
    /// The old file has the temporary name.
    SwapBack(&'a Temporary<'a>),
    /// There was no old file.
    Remove(&'a Temporary<'a>),
}

/// Completed exchanges; drop undoes them, unless they are kept.
#[derive(Debug)]
pub(super) struct Swaps<'a> {
    dir: &'a OwnedFd,
    done: Vec<Undo<'a>>,
}

impl<'a> Swaps<'a> {
    pub(super) fn new(dir: &'a OwnedFd) -> Self {
        Self { dir, done: Vec::new() }
    }

    /// Gives a new file its name; a file that had the name gets the temporary one.
    ///
    /// A file system without `RENAME_EXCHANGE` replaces the old file for good. There, a failure at a later
    /// file leaves this file new; such failures are unusual, since the directory accepted eleven new names a
    /// moment before.
    pub(super) fn put(&mut self, file: &'a Temporary<'a>) -> Result<(), Diagnostic> {
        let (from, to) = (file.file.temporary(), file.name.as_str());
        let dir = self.dir;
        let exchanged = match calls::renameat_with(dir, from, dir, to, RenameFlags::EXCHANGE) {
            Ok(()) => {
                self.done.push(Undo::SwapBack(file));
                Ok(())
            }
            Err(Errno::NOENT) => calls::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE)
                .map(|()| self.done.push(Undo::Remove(file))),
            error => error,
        };
        let replaced = match exchanged {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => calls::renameat(dir, from, dir, to),
            result => result,
        };
        replaced.map_err(|error| failed(from, to, error))
    }

    /// Keeps all exchanges.
    pub(super) fn keep(mut self) {
        self.done.clear();
    }
}

impl Drop for Swaps<'_> {
    fn drop(&mut self) {
        let dir = self.dir;
        while let Some(undo) = self.done.pop() {
            // There is no further way to recover.
            let _ = match undo {
                Undo::SwapBack(Temporary { name, file }) => {
                    let temporary = file.temporary();
                    calls::renameat_with(dir, temporary, dir, name.as_str(), RenameFlags::EXCHANGE)
                }
                Undo::Remove(Temporary { name, .. }) => calls::unlinkat(dir, name.as_str(), AtFlags::empty()),
            };
        }
    }
}

/// Reports a directory with the name of an output: an exchange would succeed.
pub(super) fn check_target(dir: &OwnedFd, name: &str) -> Result<(), Diagnostic> {
    match calls::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            Err(failed(&temporary_name(name.as_bytes(), 0), name, Errno::ISDIR))
        }
        _ => Ok(()),
    }
}

fn failed(from: &[u8], to: &str, error: Errno) -> Diagnostic {
    let (temporary, name) = (from.into(), to.as_bytes().into());
    Diagnostic::PublishIndex { temporary, name, cause: io_error(error) }
}
