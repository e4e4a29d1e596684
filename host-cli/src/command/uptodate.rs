//! `-A`: whether a full run would change anything. The rules are the core's; the files here are on disk.

use depmod_core::parts::run::is_current;
use depmod_core::parts::source::{DatedSource, FileTime};
use depmod_core::{DirEntry, IoError, Options, Reporter, Source, Stat};

use crate::publish;
use crate::source::{Directories, DiskFile, DiskSource, io_error, stat_of};

/// Whether the index files of this module directory are those of a full run. Errors that prevent the
/// comparison are reported.
pub(super) fn is_up_to_date(options: &Options, reporter: &mut dyn Reporter) -> bool {
    is_current(options, &DiskSource, &Dated(Directories::default()), reporter)
}

/// The file system, with times.
struct Dated(Directories);

impl Source for Dated {
    type File = DiskFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        self.0.list(dir)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        self.0.stat(path)
    }

    fn open(&self, path: &[u8]) -> Result<DiskFile, IoError> {
        self.0.open(path)
    }
}

impl DatedSource for Dated {
    fn stat_dated(&self, path: &[u8]) -> Result<(Stat, FileTime), IoError> {
        let stat = self.0.status(path).map_err(io_error)?;
        let time = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
        Ok((stat_of(&stat), time))
    }

    fn is_temporary(&self, name: &[u8]) -> bool {
        publish::is_temporary(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use depmod_core::parts::list::Order;
    use depmod_core::parts::run::SIDE_FILES;
    use depmod_core::{Diagnostic, Output};
    use std::fs::{self, File};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::time::SystemTime;

    use rustix::fs::{FileType, Mode};

    use crate::run::Run;

    fn time(micros: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(1_000_000_000_000_000 + micros)
    }

    fn set(path: &Path, at: SystemTime) {
        File::open(path).unwrap().set_modified(at).unwrap();
    }

    fn make(path: &Path, at: SystemTime) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "no module\n").unwrap();
        set(path, at);
    }

    fn options(dir: &Path) -> Options {
        Options::new(dir.as_os_str().as_bytes(), "5.0").config_paths(Vec::<&[u8]>::new())
    }

    /// Gives the files below a directory, its subdirectories and the eleven files this time.
    fn age(dir: &Path, at: SystemTime) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                age(&entry.path(), at);
            }
            if kind.is_dir() || kind.is_file() {
                set(&entry.path(), at);
            }
        }
    }

    /// An indexed module directory with these modules, all of one time.
    fn indexed(modules: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        modules.iter().for_each(|name| make(&root.path().join(name), time(0)));
        index(root.path());
        root
    }

    fn index(dir: &Path) {
        Run::new(&options(dir)).publish(&mut ()).unwrap();
        age(dir, time(0));
    }

    fn check(dir: &Path) -> (bool, Vec<String>) {
        let mut said: Vec<Diagnostic> = Vec::new();
        let answer = is_up_to_date(&options(dir), &mut said);
        (answer, said.iter().map(ToString::to_string).collect())
    }

    const CURRENT: (bool, Vec<String>) = (true, vec![]);
    const OUTDATED: (bool, Vec<String>) = (false, vec![]);

    #[test]
    fn control_characters_count_in_printed_paths() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a\x01b");
        make(&dir.join("kernel/m.ko"), time(0));
        make(&dir.join("kernel/left\x01out.ko"), time(0));
        assert!(!check(&dir).0, "no index");
        index(&dir);
        assert_eq!(check(&dir), CURRENT);
        make(&dir.join("kernel/new.ko"), time(0));
        set(&dir.join("kernel"), time(0));
        assert_eq!(check(&dir), OUTDATED);
    }

    #[test]
    fn temporary_files_of_a_killed_run_are_out_of_date() {
        let root = indexed(&["kernel/m.ko"]);
        assert_eq!(check(root.path()), CURRENT);
        make(&root.path().join(".modules.dep.1.depmod-new"), time(0));
        assert_eq!(check(root.path()), OUTDATED);
    }

    #[test]
    fn times_are_compared_in_microseconds() {
        let root = indexed(&["kernel/fs/m.ko.xz"]);
        let module = root.path().join("kernel/fs/m.ko.xz");
        set(&module, time(0) + Duration::from_nanos(999));
        assert_eq!(check(root.path()), CURRENT);
        set(&module, time(1));
        assert_eq!(check(root.path()), OUTDATED);
    }

    #[test]
    fn a_run_is_up_to_date_afterwards() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("m.ko"), "no module\n").unwrap();
        for _ in 0..2 {
            Run::new(&options(root.path())).publish(&mut ()).unwrap();
            assert_eq!(check(root.path()), CURRENT);
        }
    }

    #[test]
    fn only_modules_count() {
        let root = indexed(&["kernel/m.ko"]);
        let dir = root.path();
        for name in ["kernel/.ko", "kernel/m.ko.bz2", "build/m.ko", "kernel/source/m.ko"] {
            make(&dir.join(name), time(9));
            set(&dir.join("kernel"), time(0));
        }
        assert_eq!(check(dir), CURRENT);
        fs::remove_file(dir.join("kernel/m.ko")).unwrap();
        make(&dir.join("other"), time(9));
        symlink("../other", dir.join("kernel/m.ko")).unwrap();
        set(&dir.join("kernel"), time(0));
        assert_eq!(check(dir), OUTDATED, "a link counts as its target");
    }

    #[test]
    fn too_many_directories_are_out_of_date() {
        let root = indexed(&["a/1.ko", "b/2.ko", "c/3.ko"]);
        let under = |directories| {
            let mut options = options(root.path());
            options.limits.directories = directories;
            is_up_to_date(&options, &mut Vec::new())
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
    fn each_file_must_be_complete_and_of_the_same_run() {
        for output in Output::ALL {
            let root = indexed(&["kernel/m.ko"]);
            let dir = root.path();
            let path = dir.join(output.file_name());
            let bytes = fs::read(&path).unwrap();
            let with = |bytes: &[u8], at| {
                fs::write(&path, bytes).unwrap();
                set(&path, time(at));
                check(dir).0
            };
            assert!(with(&bytes, 0), "{output:?}");
            assert!(!with(&bytes, 1), "{output:?} of another run");
            assert!(!with(&vec![0; bytes.len()], 0) || bytes.is_empty(), "{output:?} with zeros");
            assert!(!with(b"", 0) || bytes.is_empty(), "{output:?} without bytes");
            assert!(!with(&bytes[..bytes.len().saturating_sub(1)], 0) || bytes.is_empty(), "{output:?} cut");
            fs::remove_file(&path).unwrap();
            assert!(!check(dir).0, "no {output:?}");
        }
    }

    #[test]
    fn modules_and_list_must_agree() {
        let root = indexed(&["kernel/m.ko", "n.ko"]);
        let dir = root.path();
        assert_eq!(check(dir), CURRENT);
        make(&dir.join("kernel/m.ko.gz"), time(0));
        set(&dir.join("kernel"), time(0));
        assert_eq!(check(dir), CURRENT, "another file of the same name");
        make(&dir.join("o.ko"), time(0));
        assert_eq!(check(dir), OUTDATED, "an old file that came later");
        index(dir);
        assert_eq!(check(dir), CURRENT);
        fs::remove_file(dir.join("n.ko")).unwrap();
        assert_eq!(check(dir), OUTDATED, "a removed module");
        index(dir);
        set(&dir.join("kernel"), time(1));
        assert_eq!(check(dir), OUTDATED, "a changed directory");
    }

    #[test]
    fn newer_input_besides_modules_is_out_of_date() {
        let root = indexed(&["kernel/m.ko"]);
        let dir = root.path();
        for name in SIDE_FILES {
            fs::write(dir.join(name), "").unwrap();
            index(dir);
            assert_eq!(check(dir), CURRENT, "{name}");
            fs::remove_file(dir.join(name)).unwrap();
            assert_eq!(check(dir).0, name == Order::FILE_NAME, "no {name}");
            fs::write(dir.join(name), "").unwrap();
            set(&dir.join(name), time(1));
            assert_eq!(check(dir), OUTDATED, "{name}");
            set(&dir.join(name), time(0));
            assert_eq!(check(dir), CURRENT, "{name}");
        }
        let config = tempfile::tempdir().unwrap();
        let external = config.path().join("x/e.ko");
        make(&external, time(0));
        make(&config.path().join("c/a.conf"), time(0));
        let path = config.path().join("c");
        let text = format!("external * {}\n", config.path().join("x").display());
        fs::write(path.join("a.conf"), text).unwrap();
        age(config.path(), time(0));
        let options = options(dir).config_paths([path.as_os_str().as_bytes()]);
        let current = || is_up_to_date(&options, &mut ());
        assert!(current(), "the configuration is not newer");
        Run::new(&options).publish(&mut ()).unwrap();
        age(dir, time(0));
        assert!(current());
        set(&external, time(1));
        assert!(!current(), "a newer external module");
        set(&external, time(0));
        fs::remove_file(&external).unwrap();
        assert!(!current(), "no external module");
        make(&external, time(0));
        set(&config.path().join("x"), time(0));
        assert!(current());
        set(&path.join("a.conf"), time(1));
        assert!(!current(), "newer configuration");
    }

    #[test]
    fn unsupported_entries_are_reported_and_skipped() {
        let root = indexed(&["k/a.ko"]);
        let dir = root.path();
        symlink("nowhere", dir.join("k/dangling")).unwrap();
        symlink("..", dir.join("k/loop")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, dir.join("k/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        set(&dir.join("k"), time(0));
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
