//! `-A`: is any module newer than `modules.dep`? ([`reference::cli`](depmod_core::reference::cli) §4)
//!
//! Times are compared in whole microseconds; equal times count as up to date. The walk is the core's, without
//! configuration, as in kmod. Two differences from kmod: names are visited in byte order, and a link to a
//! parent directory is not followed.

use depmod_core::parts::list::{Walk, WalkError};
use depmod_core::{Diagnostic, Limits, Reporter};
use rustix::fs::Stat;

use crate::source::{Directories, io_error};

/// Whether `modules.dep` of this module directory is at least as new as every module below. Errors that
/// prevent the comparison are reported; a missing directory or index is out of date.
pub(super) fn is_up_to_date(dirname: &[u8], limits: &Limits, reporter: &mut dyn Reporter) -> bool {
    let directories = Directories::default();
    let mut walk = match Walk::new(dirname, &directories, limits) {
        Ok(walk) => walk.with_path_limit(),
        Err(WalkError { path, cause }) => {
            reporter.report(Diagnostic::OpenDirectory { path, cause });
            return false;
        }
    };
    let index = match directories.status(&[dirname, b"/modules.dep"].concat()) {
        Ok(stat) => microseconds(&stat),
        Err(error) => {
            let (directory, cause) = (dirname.into(), io_error(error));
            reporter.report(Diagnostic::StatIndex { directory, cause });
            return false;
        }
    };
    loop {
        match walk.next_file(&(), reporter) {
            Ok(None) => return true,
            // The next run handles a module deleted during the walk.
            Ok(Some(path)) if directories.status(path).is_ok_and(|stat| microseconds(&stat) > index) => {
                return false;
            }
            Ok(Some(_)) => {}
            // The run that follows reports the error.
            Err(_) => return false,
        }
    }
}

fn microseconds(stat: &Stat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::fs::{self, File};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::time::SystemTime;

    use rustix::fs::{FileType, Mode};

    fn time(micros: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(2_000_000_000_000_000 + micros)
    }

    fn make(path: &Path, at: SystemTime) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().set_modified(at).unwrap();
    }

    fn check(dir: &Path) -> (bool, Vec<String>) {
        let mut said: Vec<Diagnostic> = Vec::new();
        let answer = is_up_to_date(dir.as_os_str().as_bytes(), &Limits::DEFAULT, &mut said);
        (answer, said.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn times_are_compared_in_microseconds() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        make(&dir.join("modules.dep"), time(500));
        make(&dir.join("kernel/fs/m.ko.xz"), time(500) + Duration::from_nanos(999));
        assert_eq!(check(dir), (true, vec![]));
        make(&dir.join("kernel/fs/m.ko.xz"), time(501));
        assert_eq!(check(dir), (false, vec![]));
    }

    #[test]
    fn only_modules_count() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        make(&dir.join("modules.dep"), time(0));
        for name in ["modules.order", "kernel/.ko", "kernel/m.ko.bz2", "build/m.ko", "kernel/source/m.ko"] {
            make(&dir.join(name), time(9));
        }
        assert_eq!(check(dir), (true, vec![]));
        symlink("../modules.order", dir.join("kernel/link.ko")).unwrap();
        assert_eq!(check(dir), (false, vec![]), "a link counts as its target");
    }

    #[test]
    fn too_many_directories_are_out_of_date() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        make(&dir.join("modules.dep"), time(0));
        for name in ["a/1.ko", "b/2.ko", "c/3.ko"] {
            make(&dir.join(name), time(0));
        }
        let under = |directories| {
            let (path, mut limits) = (dir.as_os_str().as_bytes(), Limits::DEFAULT);
            limits.directories = directories;
            is_up_to_date(path, &limits, &mut Vec::new())
        };
        assert!(under(4) && !under(3));
    }

    #[test]
    fn missing_files_are_out_of_date() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().display();
        let said = format!("could not fstatat({dir}, modules.dep): No such file or directory");
        assert_eq!(check(root.path()), (false, vec![said]));
        let said = format!("could not open directory {dir}/none: No such file or directory");
        assert_eq!(check(&root.path().join("none")), (false, vec![said]));
    }

    #[test]
    fn unsupported_entries_are_reported_and_skipped() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        make(&dir.join("modules.dep"), time(0));
        make(&dir.join("k/a.ko"), time(0));
        symlink("nowhere", dir.join("k/dangling")).unwrap();
        symlink("..", dir.join("k/loop")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, dir.join("k/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let root = dir.display();
        assert_eq!(
            check(dir),
            (
                true,
                vec![
                    "fstatat(4, dangling): No such file or directory".into(),
                    format!("directory loop, not followed: {root}/k/loop"),
                    format!("unsupported file type {root}/k/pipe: 10000"),
                ]
            )
        );
    }
}
