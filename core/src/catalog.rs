//! Which modules there are, and in which order (`reference/modules.md` §§4–5).
//!
//! The position of a module in this list is its priority in the indexes, so the order shows in the output: first
//! the modules that `modules.order` names, in its order, then the others in the order of kmod's hash table.

use alloc::vec::Vec;

use hashbrown::{HashMap, hash_map::Entry};

use crate::{
    config::Config,
    diagnostic::Diagnostic,
    hash::superfast,
    host::{IoError, IoErrorKind, Reporter, Source},
    inputs::Order,
    limits::Limits,
    name::{self, module_name},
    pipeline::{Request, Stopped},
    walk::walk,
};

/// Buckets of the hash table whose iteration order kmod's list has.
const BUCKETS: u32 = 512;

/// Length of the `.ko` that an uncompressed module's file name ends in.
const SUFFIX_LEN: usize = 3;

/// One module file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFile {
    path: Vec<u8>,
    name: Vec<u8>,
    /// Where the printed path begins in `path`.
    printed: usize,
    found: usize,
}

impl ModuleFile {
    fn new(directory: &[u8], path: &[u8], found: usize) -> Self {
        let below = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix(b"/"));
        let printed = below.map_or(0, |rest| path.len().saturating_sub(rest.len()));
        Self { path: path.to_vec(), name: module_name(path).collect(), printed, found }
    }

    /// Its absolute path, as it was found.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Its normalised name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The path that the outputs show: relative to the module directory where it lies below it.
    #[must_use]
    pub fn printed_path(&self) -> &[u8] {
        self.path.get(self.printed..).unwrap_or_default()
    }

    /// How many files were found before it, those included that are not in the catalog.
    #[must_use]
    pub fn found(&self) -> usize {
        self.found
    }

    /// The path by which `modules.order` names it, had it no compression.
    pub(crate) fn order_path(&self) -> Option<&[u8]> {
        if self.printed == 0 {
            return None;
        }
        let printed = self.printed_path();
        let directory = printed.len().saturating_sub(name::file_name(printed).len());
        let length = directory.saturating_add(self.name.len()).saturating_add(SUFFIX_LEN);
        printed.get(..length.min(printed.len()))
    }
}

/// The modules of one run, in their final order.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    modules: Vec<ModuleFile>,
}

impl Catalog {
    /// The modules, in order.
    #[must_use]
    pub fn modules(&self) -> &[ModuleFile] {
        &self.modules
    }

    /// Every module below `directory` and the configured external directories; of several files
    /// with one name the one that the configuration prefers. `found` hears of each.
    pub(crate) fn of_directory<S: Source>(
        request: &Request,
        config: &Config,
        source: &S,
        reporter: &mut impl Reporter,
        found: &mut dyn FnMut(&[u8]),
    ) -> Result<Self, Stopped> {
        let (directory, limits) = (&*request.directory, &request.limits);
        let mut modules: Vec<ModuleFile> = Vec::new();
        let mut by_name: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut foreign: Vec<Vec<u8>> = Vec::new();
        let mut count: usize = 0;
        let mut add = |path: &[u8]| {
            if request.root_owned_only && source.stat(path).is_ok_and(|stat| !stat.root_owned) {
                foreign.push(path.to_vec());
                return;
            }
            found(path);
            let file = ModuleFile::new(directory, path, count);
            count = count.saturating_add(1);
            match by_name.entry(file.name.clone()) {
                Entry::Vacant(slot) => {
                    slot.insert(modules.len());
                    modules.push(file);
                }
                Entry::Occupied(slot) => {
                    if let Some(old) = modules.get_mut(*slot.get())
                        && config.prefer_new(directory, &old.path, path)
                    {
                        *old = file;
                    }
                }
            }
        };
        if let Err((path, error)) = walk(directory, config, limits, source, reporter, &mut add) {
            let cause = error.text().as_bytes().to_vec();
            reporter.report(Diagnostic::OpenDirectory { path, cause: cause.clone() });
            reporter.report(Diagnostic::SearchModules { cause });
            return Err(Stopped);
        }
        for external in config.externals_last_first() {
            if let Err((path, error)) = walk(external, config, limits, source, reporter, &mut add) {
                let cause = error.text().into();
                reporter.report(Diagnostic::OpenDirectory { path, cause });
            }
        }
        foreign.into_iter().for_each(|path| reporter.report(Diagnostic::NotRootOwned { path }));
        Ok(Self::sorted(modules, directory, limits, source, reporter))
    }

    /// Just these files.
    pub(crate) fn of_files<S: Source>(
        request: &Request,
        files: &[Vec<u8>],
        source: &S,
        reporter: &mut impl Reporter,
    ) -> Result<Self, Stopped> {
        let (directory, limits) = (&*request.directory, &request.limits);
        let mut modules: Vec<ModuleFile> = Vec::new();
        let mut by_name: HashMap<Vec<u8>, usize> = HashMap::new();
        for (found, path) in files.iter().enumerate() {
            if path.first() != Some(&b'/') {
                reporter.report(Diagnostic::NotAbsolute { path: path.clone() });
                return Err(Stopped);
            }
            let file = ModuleFile::new(directory, path, found);
            let nameless = || if path.ends_with(b"/") { Err(IoError::not_found()) } else { Ok(()) };
            if let Err(error) = source.stat(path).and_then(|_| nameless()) {
                let (path, cause) = (path.clone(), error.text().into());
                reporter.report(Diagnostic::CreateModule { path, cause });
                return Err(Stopped);
            }
            match by_name.entry(file.name.clone()) {
                Entry::Vacant(slot) => {
                    slot.insert(modules.len());
                    modules.push(file);
                }
                Entry::Occupied(slot) => {
                    let old = modules.get(*slot.get()).map(|old| old.path.clone()).unwrap_or_default();
                    let (name, path) = (file.name, file.path);
                    if old == path {
                        reporter.report(Diagnostic::DuplicateOperand { name });
                        reporter.report(Diagnostic::AddModule { path });
                    } else {
                        reporter.report(Diagnostic::OperandNameTaken { name, new: path.clone(), old });
                        let cause = b"File exists".to_vec();
                        reporter.report(Diagnostic::CreateModule { path, cause });
                    }
                    return Err(Stopped);
                }
            }
        }
        Ok(Self::sorted(modules, directory, limits, source, reporter))
    }

    fn sorted<S: Source>(
        mut modules: Vec<ModuleFile>,
        directory: &[u8],
        limits: &Limits,
        source: &S,
        reporter: &mut impl Reporter,
    ) -> Self {
        modules.sort_by_cached_key(|file| (superfast(&file.name) % BUCKETS, file.name.clone()));
        let path = [directory, b"/modules.order"].concat();
        match source.read(&path, limits.text_size) {
            // `fopen` opens a directory, and reading it gives no line.
            Err(error) if error.kind() == IoErrorKind::IsDirectory => {}
            Err(error) => reporter.report(Diagnostic::OpenSideFile {
                name: b"modules.order".to_vec(),
                directory: directory.to_vec(),
                cause: error.text().into(),
            }),
            Ok(bytes) => match Order::parse(&bytes) {
                Ok(order) => modules.sort_by_cached_key(|file| {
                    file.order_path().and_then(|path| order.position(path)).unwrap_or(usize::MAX)
                }),
                Err(corrupt) => reporter.report(corrupt.diagnostic(&path)),
            },
        }
        Self { modules }
    }
}
