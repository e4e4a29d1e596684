//! `-A`: would a full run change anything? ([`reference::cli`](depmod_core::reference::cli) §4)
//!
//! kmod only looks whether a module is newer than `modules.dep`. Here `-A` does nothing only if
//!
//! * the eleven files are there, each has the form of its kind, and all have the time of one run;
//! * no temporary file of a killed run is there;
//! * no module, directory of modules, list of the kernel build or configuration file is newer;
//! * `modules.dep` names the modules that are there, and no others.
//!
//! No module is read. Times are compared in whole microseconds; equal times count as up to date. Two
//! differences from kmod's walk: names are visited in byte order, and a link to a parent directory is not
//! followed.

use core::cell::Cell;

use bstr::{BStr, BString};
use depmod_core::parts::list::{Order, Walk, WalkError, config::Config, has_control_character, printed_path};
use depmod_core::parts::name::module_name;
use depmod_core::{Diagnostic, DirEntry, Index, IoError, Options, Output, Reporter, Source};
use hashbrown::HashMap;
use rustix::fs::Stat;

use crate::publish::is_temporary;
use crate::source::{Directories, DiskFile, DiskSource, io_error};

/// The lists of the kernel build.
const LISTS: [&str; 3] = [Order::FILE_NAME, "modules.builtin", "modules.builtin.modinfo"];

/// Whether the index files of this module directory are those of a full run. Errors that prevent the
/// comparison are reported.
pub(super) fn is_up_to_date(options: &Options, reporter: &mut dyn Reporter) -> bool {
    let directory = options.directory.as_slice();
    let watched = Watched { directories: Directories::default(), directory, newest: Cell::new(i64::MIN) };
    let mut walk = match Walk::new(directory, &watched, &options.limits) {
        Ok(walk) => walk.with_path_limit(),
        Err(WalkError { path, cause }) => {
            reporter.report(Diagnostic::OpenDirectory { path, cause });
            return false;
        }
    };
    let status = |path: &[u8]| watched.directories.status(path);
    let index = match status(&options.path_of(Output::Dep.file_name())) {
        Ok(stat) => microseconds(&stat),
        Err(error) => {
            let (directory, cause) = (directory.into(), io_error(error));
            reporter.report(Diagnostic::StatIndex { directory, cause });
            return false;
        }
    };
    let is_newer = |path: &[u8]| status(path).is_ok_and(|stat| microseconds(&stat) > index);
    if LISTS.iter().any(|name| is_newer(&options.path_of(name))) || has_newer_config(options, is_newer) {
        return false;
    }
    // The run that follows reports errors of the configuration.
    let Options { config_paths, version, limits, .. } = options;
    let Ok(config) = Config::load(&DiskSource, config_paths, version, limits, &mut ()) else { return false };
    let Some(dep) =
        complete_files(options, |path| status(path).is_ok_and(|stat| microseconds(&stat) == index))
    else {
        return false;
    };
    let mut listed = Listed::new(&dep);
    loop {
        match walk.next_file(&config, reporter) {
            Ok(None) => break,
            Ok(Some(path)) => {
                let printed = printed_path(directory, path);
                // The next run handles a module deleted during the walk.
                let Ok(stat) = status(path) else { continue };
                // Left out, with an error that the run for it has reported.
                if has_control_character(printed) {
                    continue;
                }
                let is_listed = !options.admits_owner(stat.st_uid == 0) || listed.find(printed);
                if !is_listed || microseconds(&stat) > index {
                    return false;
                }
            }
            // The run that follows reports the error.
            Err(_) => return false,
        }
    }
    // Modules of external directories.
    let mut others = listed.paths.iter().filter(|(_, count)| **count == 0);
    watched.newest.get() <= index
        && others.all(|(path, _)| {
            let slash = path.iter().rposition(|&byte| byte == b'/');
            let parent = slash.and_then(|at| path.get(..at.max(1)));
            let exists = path.starts_with(b"/") && status(path).is_ok();
            exists && !is_newer(path) && !parent.is_some_and(is_newer)
        })
}

/// The content of `modules.dep`, if all files have this run's time and the form of their kind.
fn complete_files(options: &Options, has_time: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let (mut dep, mut has_nodes) = (None, false);
    for output in Output::ALL {
        let path = options.path_of(output.file_name());
        if !has_time(&path) {
            return None;
        }
        let bytes = DiskSource.read(&path, options.limits.text_size).ok()?;
        // Without the list, kmod makes an empty index.
        let list = match output {
            Output::BuiltinIndex => Some(LISTS[1]),
            Output::BuiltinAliasIndex => Some(LISTS[2]),
            _ => None,
        };
        let has_list = || list.is_none_or(|list| DiskSource.stat(&options.path_of(list)).is_ok());
        let may_be_empty = match output {
            Output::Dep => true,
            Output::Devname => !has_nodes,
            _ => !has_list(),
        };
        let is_whole = match &*bytes {
            [] => may_be_empty,
            _ if !has_list() => false,
            _ if output.is_index() => Index::parse(&bytes).is_ok_and(|index| index.skim().is_ok()),
            [.., last] => *last == b'\n' && !bytes.contains(&0),
        };
        if !is_whole {
            return None;
        }
        match output {
            Output::Dep => dep = Some(bytes),
            Output::Alias => has_nodes = lines_of(&bytes).any(|line| line.starts_with(b"alias devname:")),
            _ => {}
        }
    }
    dep
}

fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// The paths of modules that begin the lines of `modules.dep`.
fn lines(dep: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines_of(dep).map(|line| {
        let end = line.windows(2).position(|pair| pair == b": ");
        end.and_then(|end| line.get(..end)).or_else(|| line.strip_suffix(b":")).unwrap_or(line)
    })
}

/// The modules of `modules.dep`.
struct Listed<'f> {
    dep: &'f [u8],
    /// The number of files found at each path.
    paths: HashMap<BString, usize>,
    /// The names, made at the first module that is not listed.
    names: HashMap<BString, usize>,
}

impl<'f> Listed<'f> {
    fn new(dep: &'f [u8]) -> Self {
        let mut this = Self { dep, paths: HashMap::new(), names: HashMap::new() };
        for path in lines(dep) {
            this.paths.insert(path.into(), 0);
        }
        this
    }

    /// Whether a module that was found is listed, or another one of its name.
    fn find(&mut self, path: &[u8]) -> bool {
        if let Some(count) = self.paths.get_mut(BStr::new(path)) {
            *count += 1;
            return true;
        }
        let name = |path: &[u8]| BString::from(module_name(path).collect::<Vec<u8>>());
        if self.names.is_empty() {
            for path in lines(self.dep) {
                self.names.insert(name(path), 0);
            }
        }
        self.names.contains_key(&name(path))
    }
}

/// Whether a file or directory of the configuration is newer.
fn has_newer_config(options: &Options, is_newer: impl Fn(&[u8]) -> bool) -> bool {
    options.config_paths.iter().any(|path| {
        let files = DiskSource.list(path).unwrap_or_default();
        let is_newer_file = |file: &DirEntry| is_newer(&[path.as_slice(), b"/", &file.name].concat());
        is_newer(path) || files.iter().any(is_newer_file)
    })
}

/// A source that notes the newest directory that a walk lists below the module directory. The module
/// directory itself changes with its index files; there, only temporary files of a killed run count.
struct Watched<'w> {
    directories: Directories,
    directory: &'w [u8],
    newest: Cell<i64>,
}

impl Source for Watched<'_> {
    type File = DiskFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let entries = self.directories.list(dir)?;
        if dir == self.directory {
            if entries.iter().any(|entry| is_temporary(&entry.name)) {
                self.newest.set(i64::MAX);
            }
        } else {
            let stat = self.directories.status(dir).map_err(io_error)?;
            self.newest.set(self.newest.get().max(microseconds(&stat)));
        }
        Ok(entries)
    }

    fn stat(&self, path: &[u8]) -> Result<depmod_core::Stat, IoError> {
        self.directories.stat(path)
    }

    fn open(&self, path: &[u8]) -> Result<DiskFile, IoError> {
        self.directories.open(path)
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
        for name in LISTS {
            fs::write(dir.join(name), "").unwrap();
            index(dir);
            assert_eq!(check(dir), CURRENT, "{name}");
            fs::remove_file(dir.join(name)).unwrap();
            assert_eq!(check(dir).0, name == LISTS[0], "no {name}");
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
