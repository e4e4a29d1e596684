//! Publishing of the output: all files or none.
//!
//! ```text
//! lock the directory                      another run waits here, for a minute at most
//! write every changed file under a temporary name
//! check sizes, sync                       on failure: remove the temporary files; nothing is replaced
//! exchange new and old files              on failure: exchange back
//! touch every unchanged file              all files then have one time: the begin of the run
//! remove the old files, sync the directory
//! ```
//!
//! Readers see each file change atomically. A killed run leaves at worst temporary files, whose names
//! (`.modules.dep.PID.depmod-new`) have no other use; the next run removes them. `modules.dep` comes last, and
//! all files of one run have the same time: `-A` repeats a run that was killed between two files. The lock is
//! `flock` on the directory itself, so no lock file stays in a module directory. Any reader of the directory
//! can hold the lock indefinitely, so waiting is bounded.

mod calls;
#[cfg(all(any(test, fuzzing), feature = "answers", feature = "c-codecs"))]
pub(crate) mod fuzzing;
#[cfg(feature = "answers")]
mod holder;
mod made;
mod new_file;
mod publication;
mod signals;
mod swap;
mod temporary;
#[cfg(test)]
mod tests;
mod unchanged;

use core::cell::Cell;
use core::time::Duration;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Instant, SystemTime};

use bstr::BString;
use depmod_core::{Diagnostic, Reporter};
use rustix::fs::{FlockOperation, Mode, OFlags, Timespec};
use rustix::io::Errno;

use crate::digest::Digest;
use crate::source::{from_io, io_error};
use made::MadeDirectories;
#[cfg(feature = "cli")]
pub(crate) use new_file::is_temporary;
pub(crate) use new_file::{NewFile, PRIVATE};
pub use new_file::{ReplaceError, replace_file};
pub use publication::Publication;
use unchanged::{is_digest, touch};

/// Time after which a run continues without the lock. Slow machines need one minute for a kernel in xz.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Part of the patience after which the wait is reported: after five seconds.
const SILENT: u32 = 12;
/// Pause between two attempts to lock.
const PAUSE: Duration = Duration::from_millis(10);

/// An output directory; locked, unless the file system has no locks or the wait for the lock ended.
pub struct Publisher {
    dir: OwnedFd,
    path: BString,
    locked: bool,
    /// The time of the files.
    begin: Timespec,
    made: Cell<MadeDirectories>,
}

impl Publisher {
    /// Locks an existing directory, so that input from the same directory is read under the lock. `None` if
    /// the directory does not exist.
    ///
    /// Waits for another run for at most this time; then continues without the lock. Reports the wait after a
    /// twelfth of the time, and its end, with the process that holds the lock where the system tells it.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn lock(
        path: &[u8],
        patience: Duration,
        reporter: &mut dyn Reporter,
    ) -> Result<Option<Self>, Diagnostic> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(dir) => dir,
            // `create` reports a file in place of the directory.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => {
                let (path, cause) = (path.into(), io_error(error));
                return Err(Diagnostic::OpenOutputDirectory { path, cause });
            }
        };
        let begin = Instant::now();
        let mut silent = true;
        let locked = loop {
            match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break true,
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let waited = begin.elapsed();
                    if waited >= patience {
                        let holder = holder_of(&dir);
                        reporter.report(Diagnostic::LockIgnored { path: path.into(), holder });
                        break false;
                    }
                    if silent && waited >= patience / SILENT {
                        silent = false;
                        let holder = holder_of(&dir);
                        reporter.report(Diagnostic::LockWait { path: path.into(), holder });
                    }
                    std::thread::sleep(PAUSE.min(patience));
                }
                // On a file system without locks, runs are unlocked.
                Err(_) => break false,
            }
        };
        Ok(Some(Self { dir, path: path.into(), locked, begin: present(), made: Cell::default() }))
    }

    /// Like [`Self::lock`], but creates the directory with its parents if it is missing. Without files for it,
    /// it is removed again.
    ///
    /// # Errors
    /// When the directory cannot be created or opened.
    pub fn create(path: &[u8], patience: Duration, reporter: &mut dyn Reporter) -> Result<Self, Diagnostic> {
        if let Some(publisher) = Self::lock(path, patience, reporter)? {
            return Ok(publisher);
        }
        let directory = Path::new(OsStr::from_bytes(path));
        let made = MadeDirectories::before(directory);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .map_err(|error| Diagnostic::CreateDirectory { path: path.into(), cause: from_io(&error) })?;
        let missing = || Diagnostic::OpenOutputDirectory { path: path.into(), cause: io_error(Errno::NOENT) };
        let publisher = Self::lock(path, patience, reporter)?.ok_or_else(missing)?;
        publisher.made.set(made);
        Ok(publisher)
    }

    /// Replaces the files of these names by these contents; other files stay untouched. The first file gets
    /// its name last. All files get the time at which this publisher locked the directory: a module that is
    /// replaced after it was read is newer.
    ///
    /// Fatal signals are delayed until the directory is consistent.
    ///
    /// # Errors
    /// With a message about the file concerned; the directory is then unchanged, unless the message is
    /// [`Diagnostic::SyncDirectory`].
    pub fn publish(self, outputs: &[(&str, &[u8])]) -> Result<(), Diagnostic> {
        publication::publish(self.begin(), outputs)
    }

    /// Like [`Self::publish`], for files that do not exist at the same time: each is written when it is added.
    #[must_use]
    pub fn begin(&self) -> Publication<'_> {
        Publication::new(&self.dir, &self.path, self.begin, self.locked, self.made.take())
    }

    /// Whether the directory already holds exactly these files, each as [`Self::publish`] would leave it. If
    /// so, gives them the time of this run.
    ///
    /// Does not sync them again.
    pub fn holds(&self, outputs: &[(&str, Digest)]) -> bool {
        if !outputs.iter().all(|&(name, digest)| is_digest(&self.dir, name, digest)) {
            return false;
        }
        if self.locked {
            temporary::remove_stale(&self.dir);
        }
        outputs.iter().rev().all(|(name, _)| touch(&self.dir, name.as_bytes(), self.begin).is_ok())
    }
}

/// The process that holds the lock, where the system tells it.
fn holder_of(dir: &OwnedFd) -> Option<u32> {
    #[cfg(feature = "answers")]
    return holder::process(dir);
    #[cfg(not(feature = "answers"))]
    {
        let _ = dir;
        None
    }
}

/// The present. Not by the coarse clock of file times: since Linux 6.13 some files are ahead of it.
fn present() -> Timespec {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timespec { tv_sec: now.as_secs().try_into().unwrap_or(0), tv_nsec: now.subsec_nanos().into() }
}
