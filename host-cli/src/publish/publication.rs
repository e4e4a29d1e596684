//! New files of an output directory, from the first one until all are in place.

use core::mem;
use std::os::fd::OwnedFd;

use depmod_core::Diagnostic;
use rustix::fs::Timespec;

use super::made::MadeDirectories;
use super::new_file;
use super::signals::Signals;
use super::swap::{Swaps, check_target};
use super::temporary::{self, Temporaries};
use crate::source::io_error;

/// New files of an output directory. [`Self::finish`] puts them in place together; drop removes them.
///
/// Fatal signals are delayed meanwhile, and end the program after it.
pub struct Publication<'p> {
    dir: &'p OwnedFd,
    path: &'p [u8],
    // Drop removes the files, then their directories.
    temporaries: Temporaries<'p>,
    made: MadeDirectories,
    /// After the first failure, further files are useless.
    pub(super) result: Result<(), Diagnostic>,
    /// The last field: when it is dropped, the program may end.
    pub(super) signals: Signals,
}

impl<'p> Publication<'p> {
    /// Files of this directory, with this time.
    pub(super) fn new(
        dir: &'p OwnedFd,
        path: &'p [u8],
        time: Timespec,
        locked: bool,
        made: MadeDirectories,
    ) -> Self {
        let signals = Signals::hold();
        if locked {
            // Without the lock, they could belong to another run.
            temporary::remove_stale(dir);
        }
        let temporaries = Temporaries::new(dir, path, time);
        Self { dir, path, temporaries, made, result: Ok(()), signals }
    }

    /// Writes a file under a temporary name; an identical old file stays. [`Self::finish`] reports failures.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        if self.result.is_ok() {
            self.result = self.write(name, bytes);
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        self.check_interrupted()?;
        check_target(self.dir, name)?;
        self.temporaries.write(name, bytes)
    }

    /// Gives the files their names, the first of these names last.
    ///
    /// # Errors
    /// The first failure since the begin; the directory is then unchanged, unless the message is
    /// [`Diagnostic::SyncDirectory`].
    pub fn finish(mut self, order: &[&str]) -> Result<(), Diagnostic> {
        mem::replace(&mut self.result, Ok(()))?;
        self.temporaries.sync()?;
        self.check_interrupted()?;
        self.temporaries.sort(order);
        let Self { dir, path, .. } = self;
        let mut swaps = Swaps::new(dir);
        for temporary in self.temporaries.files().rev() {
            swaps.put(temporary)?;
        }
        self.temporaries.touch_unchanged()?;
        swaps.keep();
        self.made.keep();
        drop(self.temporaries);
        new_file::sync(dir)
            .map_err(|error| Diagnostic::SyncDirectory { path: path.into(), cause: io_error(error) })
    }

    fn check_interrupted(&self) -> Result<(), Diagnostic> {
        let interrupted = || Diagnostic::Interrupted { path: self.path.into() };
        if self.signals.arrived() { Err(interrupted()) } else { Ok(()) }
    }
}

/// Adds all files, and puts them in place.
pub(super) fn publish(mut publication: Publication<'_>, outputs: &[(&str, &[u8])]) -> Result<(), Diagnostic> {
    outputs.iter().for_each(|(name, bytes)| publication.add(name, bytes));
    publication.finish(&outputs.iter().map(|(name, _)| *name).collect::<Vec<_>>())
}
