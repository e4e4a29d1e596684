//! Whether a run would change anything, from names and times alone: the rules of `-A`
//! ([`reference::cli`](crate::reference::cli) §4).
//!
//! kmod only looks whether a module is newer than `modules.dep`. Here index files are current only if
//!
//! * the eleven files are there, each has the form of its kind, and all have the time of one run;
//! * no temporary file of a killed run is there;
//! * no module, directory of modules, list of the kernel build or configuration file is newer;
//! * `modules.dep` names the modules that are there, and no others.
//!
//! No module is read. Times are compared in whole microseconds; equal times count as current. Two
//! differences from kmod's walk: names are visited in byte order, and a link to a parent directory is not
//! followed.

use alloc::vec::Vec;
use core::cell::Cell;

use bstr::{BStr, BString};
use hashbrown::HashMap;

use super::listed::SIDE_FILES;
use crate::{
    diagnostic::{Diagnostic, Reporter},
    index::Index,
    list::{Walk, WalkError, config::Config, has_control_character, printed_path},
    name::module_name,
    options::Options,
    output::Output,
    parse::kernel::{BUILTIN, BUILTIN_MODINFO},
    source::{DatedSource, DirEntry, FileTime, IoError, Source, Stat},
};

/// Whether the index files of the module directory are those of a full run. Files are read from `source`; `dated`
/// is the same file system for the walk and for times. Errors that prevent the comparison are reported.
pub fn is_current<S: Source, D: DatedSource>(
    options: &Options,
    source: &S,
    dated: &D,
    reporter: &mut dyn Reporter,
) -> bool {
    let directory = options.directory.as_slice();
    let watched = Watched { source: dated, directory, newest: Cell::new(FileTime::MIN) };
    let mut walk = match Walk::new(directory, &watched, &options.limits) {
        Ok(walk) => walk.with_path_limit(),
        Err(WalkError { path, cause }) => {
            reporter.report(Diagnostic::OpenDirectory { path, cause });
            return false;
        }
    };
    let time = |path: &[u8]| dated.stat_dated(path).map(|(_, time)| microseconds(time));
    let index = match time(&options.path_of(Output::Dep.file_name())) {
        Ok(time) => time,
        Err(cause) => {
            reporter.report(Diagnostic::StatIndex { directory: directory.into(), cause });
            return false;
        }
    };
    let is_newer = |path: &[u8]| time(path).is_ok_and(|time| time > index);
    if SIDE_FILES.iter().any(|name| is_newer(&options.path_of(name)))
        || has_newer_config(options, source, is_newer)
    {
        return false;
    }
    // The run that follows reports errors of the configuration.
    let Options { config_paths, version, limits, .. } = options;
    let Ok(config) = Config::load(source, config_paths, version, limits, &mut ()) else { return false };
    let has_time = |path: &[u8]| time(path).is_ok_and(|time| time == index);
    let Some(dep) = complete_files(options, source, has_time) else { return false };
    let mut known = Known::new(&dep);
    loop {
        match walk.next_file(&config, reporter) {
            Ok(None) => break,
            Ok(Some(path)) => {
                let printed = printed_path(directory, path);
                // The next run handles a module deleted during the walk.
                let Ok((stat, time)) = dated.stat_dated(path) else { continue };
                // Left out, with an error that the run for it has reported.
                if has_control_character(printed) {
                    continue;
                }
                let is_known = !options.admits_owner(stat.root_owned) || known.find(printed);
                if !is_known || microseconds(time) > index {
                    return false;
                }
            }
            // The run that follows reports the error.
            Err(_) => return false,
        }
    }
    // Modules of external directories.
    let mut others = known.paths.iter().filter(|(_, count)| **count == 0);
    watched.newest.get() <= index
        && others.all(|(path, _)| {
            let slash = path.iter().rposition(|&byte| byte == b'/');
            let parent = slash.and_then(|at| path.get(..at.max(1)));
            let exists = path.starts_with(b"/") && time(path).is_ok();
            exists && !is_newer(path) && !parent.is_some_and(is_newer)
        })
}

/// The content of `modules.dep`, if all files have this run's time and the form of their kind.
fn complete_files(
    options: &Options,
    source: &impl Source,
    has_time: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let (mut dep, mut has_nodes) = (None, false);
    for output in Output::ALL {
        let path = options.path_of(output.file_name());
        if !has_time(&path) {
            return None;
        }
        let bytes = source.read(&path, options.limits.text_size).ok()?;
        // Without the list, kmod makes an empty index.
        let list = match output {
            Output::BuiltinIndex => Some(BUILTIN),
            Output::BuiltinAliasIndex => Some(BUILTIN_MODINFO),
            _ => None,
        };
        let has_list = || list.is_none_or(|list| source.stat(&options.path_of(list)).is_ok());
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
struct Known<'f> {
    dep: &'f [u8],
    /// The number of files found at each path.
    paths: HashMap<BString, usize>,
    /// The names, made at the first module that is not listed.
    names: HashMap<BString, usize>,
}

impl<'f> Known<'f> {
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
            *count = count.saturating_add(1);
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
fn has_newer_config(options: &Options, source: &impl Source, is_newer: impl Fn(&[u8]) -> bool) -> bool {
    options.config_paths.iter().any(|path| {
        let files = source.list(path).unwrap_or_default();
        let is_newer_file = |file: &DirEntry| is_newer(&[path.as_slice(), b"/", &file.name].concat());
        is_newer(path) || files.iter().any(is_newer_file)
    })
}

/// A source that notes the newest directory that a walk lists below the module directory. The module
/// directory itself changes with its index files; there, only temporary files of a killed run count.
struct Watched<'w, S> {
    source: &'w S,
    directory: &'w [u8],
    newest: Cell<FileTime>,
}

impl<S: DatedSource> Source for Watched<'_, S> {
    type File = S::File;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let entries = self.source.list(dir)?;
        if dir == self.directory {
            if entries.iter().any(|entry| self.source.is_temporary(&entry.name)) {
                self.newest.set(FileTime::MAX);
            }
        } else {
            let (_, time) = self.source.stat_dated(dir)?;
            self.newest.set(self.newest.get().max(microseconds(time)));
        }
        Ok(entries)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        self.source.stat(path)
    }

    fn open(&self, path: &[u8]) -> Result<S::File, IoError> {
        self.source.open(path)
    }
}

fn microseconds(time: FileTime) -> FileTime {
    time.div_euclid(1000)
}
