//! `-A`: is any module newer than `modules.dep`? (`reference/cli.md` §4)
//!
//! Times are compared in whole microseconds and equal ones count as up to date. The walk follows
//! links and knows nothing of the configuration, as in kmod. Two things are kmod's no longer: names
//! are visited in byte order, and a link to a directory above it is not followed.

use std::os::fd::OwnedFd;

use depmod_core::diagnostic::Diagnostic;
use depmod_core::host::Reporter;
use depmod_core::limits::Limits;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::source::strerror;

/// Bytes that a path may have, and one more.
const PATH_MAX: usize = 4096;
const SUFFIXES: [&[u8]; 4] = [b".ko", b".ko.gz", b".ko.xz", b".ko.zst"];

/// Whether `modules.dep` of this module directory is at least as new as every module below. What
/// keeps it from being told is reported; a directory or index that is missing is out of date.
pub fn is_up_to_date(dirname: &[u8], limits: &Limits, reporter: &mut impl Reporter) -> bool {
    let root = match open(rustix::fs::CWD, dirname) {
        Ok(root) => root,
        Err(error) => {
            reporter.report(Diagnostic::OpenDirectory { path: dirname.to_vec(), cause: text(error) });
            return false;
        }
    };
    let index = match rustix::fs::statat(&root, "modules.dep", AtFlags::empty()) {
        Ok(stat) => microseconds(&stat),
        Err(error) => {
            reporter.report(Diagnostic::StatIndex { directory: dirname.to_vec(), cause: text(error) });
            return false;
        }
    };
    let mut walk = Walk { index, limits, reporter, open: Vec::new(), entered: 0 };
    walk.enter(root, dirname.to_vec());
    !walk.finds_newer()
}

/// A walk, depth first, with the directories on the way to where it is.
struct Walk<'a, R> {
    index: i64,
    limits: &'a Limits,
    reporter: &'a mut R,
    open: Vec<Level>,
    entered: usize,
}

struct Level {
    dir: Dir,
    path: Vec<u8>,
    id: (u64, u64),
    /// Entries still to visit, the next one last.
    entries: Vec<(Vec<u8>, FileType)>,
}

impl<R: Reporter> Walk<'_, R> {
    fn finds_newer(&mut self) -> bool {
        while let Some(level) = self.open.last_mut() {
            // What is to be said about it, the run that follows says.
            if self.entered > self.limits.directories {
                return true;
            }
            let Some((name, kind)) = level.entries.pop() else {
                self.open.pop();
                continue;
            };
            if self.visit(name, kind) {
                return true;
            }
        }
        false
    }

    /// Looks at one entry: whether it is a module that is newer.
    fn visit(&mut self, name: Vec<u8>, kind: FileType) -> bool {
        let Some(level) = self.open.last() else { return false };
        let module = is_module(&name);
        let path = || [&*level.path, &name].join(&b'/');
        if level.path.len() + name.len() + 1 >= PATH_MAX {
            let path = path();
            self.reporter.report(Diagnostic::EntryPathTooLong { path });
            return false;
        }
        // Only a module's time counts, and only links hide what they are.
        let stat = match kind {
            FileType::Directory => None,
            FileType::RegularFile if !module => return false,
            _ => match level.dir.fd().and_then(|dir| rustix::fs::statat(dir, &*name, AtFlags::empty())) {
                Ok(stat) => Some(stat),
                Err(error) => {
                    let dirfd = self.dirfd();
                    self.reporter.report(Diagnostic::Fstatat { dirfd, name, cause: text(error) });
                    return false;
                }
            },
        };
        let kind = stat.as_ref().map_or(kind, |stat| FileType::from_raw_mode(stat.st_mode));
        match (kind, stat) {
            (FileType::Directory, _) => {
                let path = path();
                self.descend(name, path);
            }
            (FileType::RegularFile, Some(stat)) => return module && microseconds(&stat) > self.index,
            (FileType::RegularFile, None) => {}
            (other, _) => {
                let mode = format!("{:o}", other.as_raw_mode()).into_bytes();
                let path = path();
                self.reporter.report(Diagnostic::UnsupportedFileType { path, mode });
            }
        }
        false
    }

    fn descend(&mut self, name: Vec<u8>, path: Vec<u8>) {
        let Some(level) = self.open.last() else { return };
        if self.open.len() > self.limits.depth {
            return self.reporter.report(Diagnostic::DirectoryDepth { path });
        }
        match level.dir.fd().and_then(|dir| open(dir, &name)) {
            Ok(fd) => self.enter(fd, path),
            Err(error) => {
                let dirfd = self.dirfd();
                self.reporter.report(Diagnostic::Openat { dirfd, name, cause: text(error) });
            }
        }
    }

    fn enter(&mut self, fd: OwnedFd, path: Vec<u8>) {
        let id = rustix::fs::fstat(&fd).map_or((0, u64::MAX), |stat| (stat.st_dev, stat.st_ino));
        if self.open.iter().any(|level| level.id == id) {
            return self.reporter.report(Diagnostic::DirectoryLoop { path });
        }
        let Ok(mut dir) = Dir::new(fd) else { return };
        let mut entries: Vec<(Vec<u8>, FileType)> = dir
            .by_ref()
            .flatten()
            .map(|entry| (entry.file_name().to_bytes().to_vec(), entry.file_type()))
            .filter(|(name, _)| !matches!(&**name, b"." | b".." | b"build" | b"source"))
            .collect();
        entries.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        self.open.push(Level { dir, path, id, entries });
        self.entered += 1;
    }

    /// The number of the present directory's descriptor, as kmod counts: 3 is the module directory.
    fn dirfd(&self) -> Vec<u8> {
        (self.open.len() + 2).to_string().into_bytes()
    }
}

fn is_module(name: &[u8]) -> bool {
    SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

fn open(at: impl std::os::fd::AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn microseconds(stat: &Stat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000)
}

fn text(error: Errno) -> Vec<u8> {
    strerror(error).into_bytes()
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
        assert_eq!(check(dir), (false, vec![]), "a link counts as what it leads to");
    }

    #[test]
    fn more_directories_than_the_ceiling_allows_are_out_of_date() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        make(&dir.join("modules.dep"), time(0));
        for name in ["a/1.ko", "b/2.ko", "c/3.ko"] {
            make(&dir.join(name), time(0));
        }
        let under = |directories| {
            let (path, limits) = (dir.as_os_str().as_bytes(), Limits { directories, ..Limits::DEFAULT });
            is_up_to_date(path, &limits, &mut Vec::new())
        };
        assert!(under(4) && !under(3));
    }

    #[test]
    fn what_is_missing_is_out_of_date() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().display();
        let said = format!("could not fstatat({dir}, modules.dep): No such file or directory");
        assert_eq!(check(root.path()), (false, vec![said]));
        let said = format!("could not open directory {dir}/none: No such file or directory");
        assert_eq!(check(&root.path().join("none")), (false, vec![said]));
    }

    #[test]
    fn odd_entries_are_reported_and_passed_over() {
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
