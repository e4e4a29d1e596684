//! The cache: facts of modules from earlier runs.
//!
//! Reading and decoding modules is nearly all of a run's work, and most runs follow the change of one module.
//! One file per module directory in `/var/cache/depmod` holds every module's path, [`Stamp`] and facts. A run
//! asks the system for all stamps, takes the facts of modules with an unchanged stamp from the cache, and
//! reads the other modules.
//!
//! ```text
//! /lib/modules/6.1.0   unchanged: stamps of all modules but one     1 module is read, 4,228 are not
//!                      unchanged: all stamps, configuration,        no module is read, no file is built
//!                      modules.order, … and the index files
//! ```
//!
//! The cache affects neither the bytes of a result nor its messages:
//!
//! * a cache requires a file system with times set by this kernel (`FileSystem`); modules on a file system
//!   other than their directory's are always read;
//! * a stamp comes from the descriptor that was read, and is kept only if any later change must give another
//!   stamp (`Stamp::is_settled`);
//! * unreadable modules are not kept, so that each run reports them again;
//! * a result is kept only if the run reported nothing after the walk; it is kept with a checksum of all its
//!   input;
//! * a file is valid only if this build of the program wrote all of it for this directory.
//!
//! A cache that cannot be read or written costs time only.

mod filesystem;
mod format;
mod place;
mod record;

use std::collections::HashMap;
use std::num::NonZero;
use std::time::SystemTime;

use depmod_core::parts::sort::sort_by;
use depmod_core::parts::{
    diagnostic::CacheFault,
    list::{ModuleFile, ModuleList},
    parse::module::{Facts, LoadError, Loader},
    run::{Indexed, Listed, Load},
};
use depmod_core::{Diagnostic, Limits, Options, Reporter, Source, Stopped};
use rustix::io::Errno;

use crate::codecs::{self, HostDecoder};
use crate::digest::Digest;
use crate::progress::Progress;
use crate::source::{DiskSource, Stamp, io_error};
use crate::threads::on_threads;
pub(crate) use filesystem::FileSystem;
#[cfg(all(any(test, fuzzing), feature = "answers", feature = "c-codecs"))]
pub(crate) use format::fuzz;
use format::{CachedModule, Head, LastResult, encode};
use place::{Place, Stored};
use record::Field;

/// The directory of the cache without `--cache=DIR`.
pub const DIRECTORY: &str = "/var/cache/depmod";

/// Whether a run on these directories (of the modules, of the output) can keep its cache in `cache`. If not,
/// reports why at level INFO: the run is slower, with the same result.
///
/// # Errors
/// When an explicitly given directory is inside one of them.
pub(crate) fn admit(
    cache: &[u8],
    directories: [&[u8]; 2],
    reporter: &mut dyn Reporter,
) -> Result<Option<FileSystem>, Stopped> {
    let cause = if directories.iter().any(|directory| place::is_inside(cache, directory)) {
        if cache != DIRECTORY.as_bytes() {
            return Err(reporter.stop(Diagnostic::CacheInside { path: cache.into() }));
        }
        CacheFault::Inside
    } else {
        match FileSystem::of(directories[0]) {
            Ok(Some(filesystem)) => return Ok(Some(filesystem)),
            Ok(None) => CacheFault::Times,
            Err(error) => CacheFault::Io(io_error(error)),
        }
    };
    report_unusable(cache, cause, reporter);
    Ok(None)
}

/// The cache of one run.
#[derive(Debug)]
pub(crate) struct Cache {
    place: Place,
    /// The directory of the place, as given.
    path: Vec<u8>,
    program: Vec<u8>,
    directory: Vec<u8>,
    filesystem: FileSystem,
    /// The content of a valid file.
    stored: Option<Stored>,
    result: Option<LastResult>,
    /// For each module of the list, in order, the stamp of its facts; `None` if they are not to be kept.
    stamps: Vec<Option<Stamp>>,
    /// The same by path, if a module could not be loaded: another file may take its place in the list.
    by_path: Option<HashMap<Vec<u8>, Stamp>>,
    /// Whether the modules and stamps differ from those in the file.
    stale: bool,
}

impl Cache {
    /// Opens the cache file in `cache` for a module directory with these modules, and asks for their stamps.
    /// `filesystem` comes from [`admit`]. `None`, and at most a message at level INFO, if there is no usable
    /// cache.
    pub(crate) fn open(
        cache: &[u8],
        directory: &[u8],
        filesystem: FileSystem,
        list: &ModuleList,
        jobs: NonZero<usize>,
        reporter: &mut dyn Reporter,
    ) -> Option<Self> {
        let opened = program().and_then(|program| Ok((program, Place::open(cache, directory)?)));
        let (program, place) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                report_unusable(cache, CacheFault::Io(io_error(error)), reporter);
                return None;
            }
        };
        let modules = list.modules();
        let order: Vec<usize> = (0..modules.len()).collect();
        let stamps = on_threads(order.len(), &order, jobs, |queue| {
            // Opened, so that a missing read permission is reported as without a cache.
            let stamp = |at: usize| Some(DiskSource.open(modules[at].path()).ok()?.stamp());
            let here = |stamp: &Stamp| stamp.device() == filesystem.device;
            queue.map(|at| (at, stamp(at).filter(here))).collect()
        });
        let mut this = Self {
            place,
            path: cache.to_vec(),
            program,
            directory: directory.to_vec(),
            filesystem,
            stored: None,
            result: None,
            stamps: stamps.into_iter().map(Option::flatten).collect(),
            by_path: None,
            stale: true,
        };
        if let Some(stored) = this.place.read(modules.len())
            && let Some(bytes) = stored.read_head()
            && let Some(head) = stored.prefix.head(&bytes)
            && (head.program, head.directory) == (&*this.program, &*this.directory)
            && head.filesystem == filesystem.id
        {
            (this.result, this.stored) = (head.result, Some(stored));
        }
        Some(this)
    }

    /// The eleven files of this run, in the order of [`Output::ALL`], if they are known without reading
    /// modules. There are no further messages then.
    pub(crate) fn result(&self, options: &Options, listed: &Listed) -> Option<&[Digest]> {
        let result = self.result.as_ref()?;
        (self.input(options, listed)? == result.input).then_some(&result.outputs)
    }

    /// Loads every module of the list, where possible from the cache.
    pub(crate) fn load(
        &mut self,
        list: &ModuleList,
        jobs: NonZero<usize>,
        limits: &Limits,
        progress: &dyn Progress,
    ) -> Vec<Load> {
        let modules = list.modules();
        let body = self.stored.take().and_then(|stored| Some((stored.read_body()?, stored.prefix)));
        let cached = body.as_ref().and_then(|(bytes, prefix)| prefix.body(bytes)).unwrap_or_default();
        let by_path: HashMap<&[u8], &CachedModule<'_>> =
            cached.iter().map(|cached| (cached.path, cached)).collect();
        let cached_at = |at: usize| {
            let stamp = self.stamps.get(at).copied().flatten()?;
            by_path.get(modules[at].path()).filter(|cached| cached.stamp == stamp)
        };
        // Modules to read come first, the largest before the others.
        let mut order: Vec<usize> = (0..modules.len()).collect();
        let key = |at: usize| match cached_at(at) {
            Some(_) => (true, 0),
            None => (false, u64::MAX - self.stamps[at].map_or(0, |stamp| stamp.size())),
        };
        let keys: Vec<(bool, u64)> = order.iter().map(|at| key(*at)).collect();
        sort_by(&mut order, &|a, b| keys[*a].cmp(&keys[*b]));
        // What the cache has is no work.
        let work = |at: usize| match keys[at] {
            (true, _) => 0,
            (false, rest) => u64::MAX - rest,
        };
        progress.weigh(order.iter().map(|at| work(*at)).sum());
        let now = SystemTime::now();
        let results = on_threads(order.len(), &order, jobs, |queue| {
            let mut decoder = HostDecoder::default();
            let mut loader = Loader::new(limits, &mut decoder);
            let mut load = |at: usize| -> (Load, Option<Stamp>) {
                if let Some(cached) = cached_at(at)
                    && let Ok(facts) = Facts::from_bytes(cached.facts.to_vec())
                {
                    return (Ok(facts), Some(cached.stamp));
                }
                match DiskSource.open(modules[at].path()) {
                    Err(error) => (Err(LoadError::from(error)), None),
                    Ok(mut file) => {
                        let load = loader.load(&mut file);
                        let stamp = file.stamp();
                        let here = stamp.device() == self.filesystem.device;
                        let keep = load.is_ok() && here && stamp.is_settled(now);
                        (load, keep.then_some(stamp))
                    }
                }
            };
            let loaded = |at| {
                let loaded = load(at);
                progress.step(work(at));
                (at, loaded)
            };
            queue.map(loaded).collect()
        });
        let (loads, stamps): (Vec<Load>, Vec<_>) = results.into_iter().flatten().unzip();
        let same = |(file, stamp): (&ModuleFile, &Option<Stamp>)| {
            stamp.is_none_or(|stamp| by_path.get(file.path()).is_some_and(|cached| cached.stamp == stamp))
        };
        self.stale = body.is_none()
            || stamps.iter().flatten().count() != cached.len()
            || !modules.iter().zip(&stamps).all(same);
        if loads.iter().any(Result::is_err) {
            let kept = modules.iter().zip(&stamps);
            self.by_path =
                Some(kept.filter_map(|(file, stamp)| Some((file.path().to_vec(), (*stamp)?))).collect());
        }
        self.stamps = stamps;
        loads
    }

    /// Keeps the facts that the run found, and its result if it reported nothing.
    pub(crate) fn store(
        self,
        options: &Options,
        listed: &Listed,
        indexed: &Indexed,
        outputs: Option<Vec<Digest>>,
        reporter: &mut dyn Reporter,
    ) {
        let result = match (outputs, self.input(options, listed)) {
            (Some(outputs), Some(input)) => Some(LastResult { input, outputs }),
            // The old result is still valid: it has the same input.
            _ => self.result.clone(),
        };
        if !self.stale && result == self.result {
            return;
        }
        let (directory, filesystem) = (&self.directory, self.filesystem.id);
        let head = Head { program: &self.program, directory, filesystem, result };
        let count = listed.list.modules().len();
        let modules = listed.list.modules().iter().zip(&indexed.facts).enumerate();
        let cached = modules.filter_map(|(at, (file, facts))| {
            let stamp = match &self.by_path {
                None => self.stamps.get(at).copied().flatten(),
                Some(by_path) => by_path.get(file.path()).copied(),
            };
            Some(CachedModule { path: file.path(), stamp: stamp?, facts: facts.as_ref()?.as_bytes() })
        });
        if let Err(error) = self.place.replace(&encode(&head, &cached.collect()), count) {
            report_unusable(&self.path, CacheFault::Io(io_error(error)), reporter);
        }
    }

    /// Checksum of all input of the outputs; `None` if it is not known reliably.
    fn input(&self, options: &Options, listed: &Listed) -> Option<u128> {
        let mut bytes = Vec::new();
        self.program.as_slice().write(&mut bytes);
        options.key().as_slice().write(&mut bytes);
        listed.kernel_symbols.as_deref().map(Digest::of).write(&mut bytes);
        Digest::of(listed.builtin.as_deref().ok()?).write(&mut bytes);
        Digest::of(listed.builtin_modinfo.as_deref().ok()?).write(&mut bytes);
        for (file, stamp) in listed.list.modules().iter().zip(&self.stamps) {
            file.path().write(&mut bytes);
            (*stamp)?.write(&mut bytes);
        }
        Some(Digest::of(&bytes).sum)
    }
}

/// The running program: another build of it may extract other facts from the same modules.
fn program() -> Result<Vec<u8>, Errno> {
    let stamp = Stamp::new(&rustix::fs::stat("/proc/self/exe")?);
    let mut bytes = Vec::new();
    env!("CARGO_PKG_VERSION").as_bytes().write(&mut bytes);
    codecs::FEATURES.as_bytes().write(&mut bytes);
    stamp.write(&mut bytes);
    Ok(bytes)
}

/// Reports at level INFO that this directory has no cache, or no newer one.
fn report_unusable(cache: &[u8], cause: CacheFault, reporter: &mut dyn Reporter) {
    reporter.report(Diagnostic::CacheUnusable { path: cache.into(), cause });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use depmod_core::Output;
    use depmod_core::parts::parse::module::{FactsBuilder, ModinfoKey};
    use depmod_core::parts::run::list;

    const JOBS: NonZero<usize> = NonZero::<usize>::MIN;

    /// A module directory with two files that are not modules, and a cache that has facts of both.
    struct Case {
        root: tempfile::TempDir,
        options: Options,
        listed: Listed,
    }

    impl Case {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for name in ["a.ko", "b.ko", "modules.order", "modules.builtin", "modules.builtin.modinfo"] {
                fs::write(root.path().join(name), "no module").unwrap();
            }
            let options = Options::new(root.path().as_os_str().as_bytes(), "5.0");
            let listed = listed(&options);
            Self { root, options, listed }
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.root.path().join(name)
        }

        fn open(&self) -> Cache {
            let dir = self.path("cache");
            let mut said = Vec::new();
            let cache = Cache::open(
                dir.as_os_str().as_bytes(),
                &self.options.directory,
                self.filesystem(),
                &self.listed.list,
                JOBS,
                &mut said,
            );
            assert_eq!(said, []);
            cache.unwrap()
        }

        /// Tests must run on any file system.
        fn filesystem(&self) -> FileSystem {
            let stamp = DiskSource.open(&self.options.directory).unwrap().stamp();
            FileSystem { device: stamp.device(), id: 7 }
        }

        fn load(&self, cache: &mut Cache) -> Vec<Option<Facts>> {
            let loads = cache.load(&self.listed.list, JOBS, &self.options.limits, &());
            loads.into_iter().map(Result::ok).collect()
        }

        /// Stores these facts as if they had been read from both files.
        fn remember(&self, outputs: Option<Vec<Digest>>) {
            let facts = self.listed.list.modules().iter().map(|_| Some(facts())).collect();
            let indexed = Indexed { facts, files: depmod_core::IndexFiles::new(Vec::new()), unresolved: 0 };
            let mut said = Vec::new();
            self.open().store(&self.options, &self.listed, &indexed, outputs, &mut said);
            assert_eq!(said, []);
        }
    }

    fn facts() -> Facts {
        let mut builder = FactsBuilder::default();
        builder.modinfo(ModinfoKey::Alias, b"remembered");
        builder.finish().unwrap()
    }

    fn listed(options: &Options) -> Listed {
        list(options, &DiskSource, &mut Vec::new()).unwrap()
    }

    fn outputs() -> Vec<Digest> {
        Output::ALL.map(|output| Digest::of(output.file_name().as_bytes())).to_vec()
    }

    fn rewrite(path: &Path) {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, "nomodule!").unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn cached_modules_are_not_read_again() {
        let case = Case::new();
        let mut cache = case.open();
        assert_eq!(case.load(&mut cache), [None, None]);
        assert!(cache.stale);
        case.remember(None);
        let mut cache = case.open();
        assert_eq!(case.load(&mut cache), [Some(facts()), Some(facts())]);
        assert!(!cache.stale);

        std::thread::sleep(std::time::Duration::from_millis(20));
        rewrite(&case.path("b.ko"));
        let mut cache = case.open();
        assert_eq!(case.load(&mut cache).iter().flatten().count(), 1);
        assert!(cache.stale, "unreadable modules are not kept");
    }

    #[test]
    fn results_are_known_while_their_input_is_unchanged() {
        let mut case = Case::new();
        case.remember(Some(outputs()));
        let expected = outputs();
        let known = |case: &Case| case.open().result(&case.options, &case.listed).map(<[_]>::to_vec);
        assert_eq!(known(&case), Some(expected.clone()));
        // A run without a result keeps the last one.
        case.open().place.replace(b"", 0).unwrap();
        assert_eq!(known(&case), None);
        case.remember(Some(outputs()));
        case.remember(None);
        assert_eq!(known(&case), Some(expected.clone()));

        case.options.symbol_prefix = Some(b'_');
        assert_eq!(known(&case), None);
        case.options.symbol_prefix = None;
        for name in ["modules.builtin", "modules.builtin.modinfo"] {
            fs::write(case.path(name), "kernel/x.ko").unwrap();
            case.listed = listed(&case.options);
            assert_eq!(known(&case), None);
            fs::remove_file(case.path(name)).unwrap();
            case.listed = listed(&case.options);
            assert_eq!(known(&case), None);
            fs::write(case.path(name), "no module").unwrap();
            case.listed = listed(&case.options);
            assert_eq!(known(&case), Some(expected.clone()));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        rewrite(&case.path("b.ko"));
        assert_eq!(known(&case), None);
    }

    #[test]
    fn modules_on_other_file_systems_are_always_read() {
        let case = Case::new();
        case.remember(Some(outputs()));
        let mut cache = case.open();
        cache.filesystem.device ^= 1;
        let other = cache.filesystem;
        let dir = case.path("cache");
        let (dir, directory) = (dir.as_os_str().as_bytes(), &case.options.directory);
        let cache = Cache::open(dir, directory, other, &case.listed.list, JOBS, &mut Vec::new());
        let mut cache = cache.unwrap();
        assert_eq!(cache.result(&case.options, &case.listed), None);
        assert_eq!(case.load(&mut cache), [None, None]);
    }

    #[test]
    fn caches_of_other_programs_and_directories_are_ignored() {
        let case = Case::new();
        case.remember(Some(outputs()));
        let cache = case.open();
        let (program, directory) = (&*cache.program, &*cache.directory);
        for (program, directory, filesystem) in
            [(&b"other"[..], directory, 7), (program, b"/other", 7), (program, directory, 8)]
        {
            let head = Head { program, directory, filesystem, result: cache.result.clone() };
            case.open().place.replace(&encode(&head, &Vec::new()), 0).unwrap();
            let opened = case.open();
            assert!(opened.stored.is_none() && opened.result.is_none());
        }
    }
}
