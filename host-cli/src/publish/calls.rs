//! The system calls that change a directory. Builds for tests and fuzzing can let each of them fail.

#[cfg(not(any(test, fuzzing)))]
pub(super) use rustix::fs::{
    fchmod, fsync, futimens, openat, renameat, renameat_with, statat, unlinkat, utimensat,
};

#[cfg(any(test, fuzzing))]
pub(super) use faulty::*;

#[cfg(not(any(test, fuzzing)))]
pub(super) use real::*;

#[cfg(not(any(test, fuzzing)))]
mod real {
    use std::fs::File;
    use std::io::{self, Write};
    use std::thread::{Builder, Scope, ScopedJoinHandle};

    pub(in crate::publish) fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    pub(in crate::publish) fn spawn<'s, T: Send + 's>(
        scope: &'s Scope<'s, '_>,
        work: impl FnOnce() -> T + Send + 's,
    ) -> io::Result<ScopedJoinHandle<'s, T>> {
        Builder::new().spawn_scoped(scope, work)
    }
}

#[cfg(any(test, fuzzing))]
pub(super) mod faulty {
    use core::cell::RefCell;
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::thread::{Builder, Scope, ScopedJoinHandle};

    use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat, Timestamps};
    use rustix::io::Errno;
    use rustix::path::Arg;

    /// The results of the next calls of this thread.
    #[derive(Debug, Default)]
    pub(in crate::publish) struct Schedule {
        /// Of each call, the error; `None` if it happens. Calls after the last one happen.
        pub(in crate::publish) errors: std::vec::IntoIter<Option<Errno>>,
        /// Number of errors so far.
        pub(in crate::publish) failed: usize,
    }

    thread_local! {
        static SCHEDULE: RefCell<Option<Schedule>> = const { RefCell::new(None) };
    }

    /// Sets the results of this thread's calls, and returns the former schedule.
    pub(in crate::publish) fn schedule(schedule: Option<Schedule>) -> Option<Schedule> {
        SCHEDULE.replace(schedule)
    }

    fn check() -> Result<(), Errno> {
        SCHEDULE.with_borrow_mut(|schedule| {
            let Some(schedule) = schedule else { return Ok(()) };
            let error = schedule.errors.next().flatten();
            schedule.failed += usize::from(error.is_some());
            error.map_or(Ok(()), Err)
        })
    }

    macro_rules! calls {
        ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {$(
            pub(in crate::publish) fn $name($($arg: $type),*) -> Result<$result, Errno> {
                check()?;
                rustix::fs::$name($($arg),*)
            }
        )*};
    }

    calls! {
        fchmod(file: impl AsFd, mode: Mode) -> ();
        fsync(file: impl AsFd) -> ();
        futimens(file: impl AsFd, times: &Timestamps) -> ();
        openat(dir: &OwnedFd, name: impl Arg, flags: OFlags, mode: Mode) -> OwnedFd;
        renameat(dir: &OwnedFd, from: impl Arg, to_dir: &OwnedFd, to: impl Arg) -> ();
        renameat_with(dir: &OwnedFd, from: impl Arg, to_dir: &OwnedFd, to: impl Arg, flags: RenameFlags) -> ();
        statat(dir: &OwnedFd, name: impl Arg, flags: AtFlags) -> Stat;
        unlinkat(dir: &OwnedFd, name: impl Arg, flags: AtFlags) -> ();
        utimensat(dir: &OwnedFd, name: impl Arg, times: &Timestamps, flags: AtFlags) -> ();
    }

    /// A failed call writes one half.
    pub(in crate::publish) fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let failed = check();
        file.write_all(if failed.is_ok() { bytes } else { &bytes[..bytes.len() / 2] })?;
        Ok(failed?)
    }

    /// The calls of another thread would follow no schedule.
    pub(in crate::publish) fn spawn<'s, T: Send + 's>(
        scope: &'s Scope<'s, '_>,
        work: impl FnOnce() -> T + Send + 's,
    ) -> io::Result<ScopedJoinHandle<'s, T>> {
        if SCHEDULE.with_borrow(Option::is_some) {
            return Err(Errno::AGAIN.into());
        }
        Builder::new().spawn_scoped(scope, work)
    }
}
