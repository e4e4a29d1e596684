//! The classic run: the core's stages on an operating system.

mod destination;

use core::cell::{Cell, OnceCell, RefCell};
use core::num::NonZero;
use std::thread;

#[cfg(feature = "answers")]
use depmod_core::parts::{answer::KeepGoing, parse::module::Detail};
use depmod_core::parts::{
    list::{ModuleFile, ModuleList},
    run::{self, Built, Hooks, Indexed, Listed, Load, Next, Piece},
    sort::sort_by,
};
use depmod_core::{Diagnostic, IndexFiles, Options, Output, Reporter, Stopped};

use crate::cache::{self, Cache, FileSystem};
use crate::digest::Digest;
pub use crate::progress::Progress;
use crate::publish::{PATIENCE, Publisher};
use crate::source::DiskSource;
use crate::threads::{Threads, build_beside};
use destination::Destination;

/// Receives the results of listing and loading before they are used: the module list, all found files (including
/// those that another file of the same module name hides), and the result of loading each module of the list, with
/// details.
#[cfg(feature = "answers")]
pub(crate) type Inspect<'i> = dyn Fn(&ModuleList, &[ModuleFile], &[Load]) + 'i;

/// A run whose files are in place.
#[derive(Clone, Debug)]
pub struct Finished {
    pub(crate) listed: Listed,
    pub(crate) indexed: Option<Indexed>,
}

impl Finished {
    /// The paths of the indexed modules, in order.
    pub fn modules(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.listed.list.modules().iter().map(ModuleFile::path)
    }

    /// Whether the directory already held the right files according to the cache, and no module was read.
    #[must_use]
    pub fn was_current(&self) -> bool {
        self.indexed.is_none()
    }

    /// The number of symbols that [`Unresolved::Fail`](depmod_core::Unresolved::Fail) reported.
    #[must_use]
    pub fn unresolved(&self) -> usize {
        self.indexed.as_ref().map_or(0, |indexed| indexed.unresolved)
    }
}

/// One run over a module directory on disk. All settings except the options have defaults.
#[derive(Clone, Copy)]
pub struct Run<'r> {
    options: &'r Options,
    output: &'r [u8],
    jobs: NonZero<usize>,
    cache: Option<&'r [u8]>,
    progress: &'r dyn Progress,
    links: &'r dyn Fn(&[u8]) -> Result<(), Diagnostic>,
    #[cfg(feature = "answers")]
    inspect: Option<&'r Inspect<'r>>,
    #[cfg(feature = "answers")]
    keep_going: Option<&'r RefCell<KeepGoing>>,
}

impl<'r> Run<'r> {
    /// A run with one thread per processor, output in the module directory, and no cache.
    #[must_use]
    pub fn new(options: &'r Options) -> Self {
        let jobs = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self {
            options,
            output: &options.directory,
            jobs,
            cache: None,
            progress: &(),
            links: &|_| Ok(()),
            #[cfg(feature = "answers")]
            inspect: None,
            #[cfg(feature = "answers")]
            keep_going: None,
        }
    }

    /// Leaves out modules that cannot be read or are in dependency cycles, and those that need them, instead of
    /// failing or indexing them without dependencies. They are in `keep_going` afterwards. The cache is not used.
    #[cfg(feature = "answers")]
    #[must_use]
    pub(crate) fn keep_going(self, keep_going: &'r RefCell<KeepGoing>) -> Self {
        Self { keep_going: Some(keep_going), cache: None, ..self }
    }

    /// Inspects the loaded modules. Every module is then read, without the cache.
    #[cfg(feature = "answers")]
    #[must_use]
    pub(crate) fn inspect(self, inspect: &'r Inspect<'r>) -> Self {
        Self { inspect: Some(inspect), cache: None, ..self }
    }

    /// Writes into another directory, and creates it if it is missing.
    #[must_use]
    pub fn output(self, directory: &'r [u8]) -> Self {
        Self { output: directory, ..self }
    }

    /// Reads modules with this many threads.
    #[must_use]
    pub fn jobs(self, jobs: NonZero<usize>) -> Self {
        Self { jobs, ..self }
    }

    /// Keeps the facts of modules in this directory, usually [`cache::DIRECTORY`].
    #[must_use]
    pub fn cache(self, directory: Option<&'r [u8]>) -> Self {
        Self { cache: directory, ..self }
    }

    /// Reports the progress of reading.
    #[must_use]
    pub fn progress(self, progress: &'r dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// With [`Options::trace_links`]: receives the lines that say which symbol links which modules. An error
    /// ends the run.
    #[must_use]
    pub fn links(self, links: &'r dyn Fn(&[u8]) -> Result<(), Diagnostic>) -> Self {
        Self { links, ..self }
    }

    /// Builds all files, and puts them in place together.
    ///
    /// # Errors
    /// When a file cannot be built or written; the output directory is then unchanged, unless the reason is
    /// [`Diagnostic::SyncDirectory`].
    pub fn publish(&self, reporter: &mut dyn Reporter) -> Result<Finished, Stopped> {
        // Input that is read under the lock cannot be older than the output of an earlier run. Errors of
        // opening the directory are reported later, where kmod reports them.
        let lock = Publisher::lock(self.output, PATIENCE, reporter).unwrap_or_default();
        let publisher = lock.map_or_else(OnceCell::new, OnceCell::from);
        let destination = Destination::new(self.output, &publisher);
        let store = |output, bytes: &[u8]| destination.write(output, bytes);
        let reported = Cell::new(false);
        let mut hooks = OnDisk {
            lock: publisher.get(),
            store: Some(&store),
            reported: Some(&reported),
            ..self.hooks(reporter)?
        };
        let mut watched = Watched { reporter: &mut *reporter, reported: &reported };
        let run::Outcome { listed, indexed } =
            run::run_with(self.options, &DiskSource, &mut hooks, &mut watched)?;
        let Some(indexed) = indexed else { return Ok(Finished { listed, indexed }) };
        let OnDisk { cache, linked, digests, .. } = hooks;
        let (publication, said) = destination.finish();
        said.into_iter().for_each(|diagnostic| watched.report(diagnostic));
        let quiet = !reported.get() && !linked;
        let result = quiet.then(|| in_order(digests.into_inner()));
        let mut said = Vec::new();
        let store = |cache: Cache| cache.store(self.options, &listed, &indexed, result, &mut said);
        // Publishing mostly waits for the disk.
        let published = thread::scope(|scope| {
            // Without a thread for it, the cache stays as it is, and the next run reads the modules again.
            let store = || cache.map(store);
            let _ = thread::Builder::new().spawn_scoped(scope, store);
            publication.and_then(|publication| publication.finish(&Output::ALL.map(Output::file_name)))
        });
        said.into_iter().for_each(|diagnostic| reporter.report(diagnostic));
        published.map_err(|diagnostic| reporter.stop(diagnostic))?;
        Ok(Finished { listed, indexed: Some(indexed) })
    }

    /// Builds the files without writing them.
    ///
    /// # Errors
    /// When a file cannot be built.
    pub fn build(&self, reporter: &mut dyn Reporter) -> Result<IndexFiles, Stopped> {
        self.make(reporter).map(|(_, indexed)| indexed.files)
    }

    /// The results of building the files.
    pub(crate) fn make(&self, reporter: &mut dyn Reporter) -> Result<(Listed, Indexed), Stopped> {
        let mut hooks = self.hooks(reporter)?;
        let outcome = run::run_with(self.options, &DiskSource, &mut hooks, reporter)?;
        let (listed, indexed) = outcome.complete(reporter)?;
        if let Some(cache) = hooks.cache {
            cache.store(self.options, &listed, &indexed, None, reporter);
        }
        Ok((listed, indexed))
    }

    /// The hooks of a run without a lock.
    fn hooks(&self, reporter: &mut dyn Reporter) -> Result<OnDisk<'r>, Stopped> {
        let admitted = match self.cache {
            None => None,
            Some(dir) => {
                let directories = [&*self.options.directory, self.output];
                cache::admit(dir, directories, reporter)?.map(|filesystem| (dir, filesystem))
            }
        };
        Ok(OnDisk::new(self, admitted))
    }
}

/// The digests in the order of the files.
fn in_order(mut digests: Vec<(Output, Digest)>) -> Vec<Digest> {
    sort_by(&mut digests, &|a, b| a.0.cmp(&b.0));
    digests.into_iter().map(|(_, digest)| digest).collect()
}

/// Receives a finished file.
type Store<'s> = dyn Fn(Output, &[u8]) + 's;

/// The hooks of a run on disk: threads and, where possible, a cache.
struct OnDisk<'r> {
    run: Run<'r>,
    threads: Threads<'r, DiskSource>,
    /// With a cache, few modules need reading, so loading waits for the list.
    admitted: Option<(&'r [u8], FileSystem)>,
    cache: Option<Cache>,
    /// Held on the output directory.
    lock: Option<&'r Publisher>,
    /// Receives the files; without it, they stay in memory.
    store: Option<&'r Store<'r>>,
    /// Of the stored files, for the cache.
    digests: RefCell<Vec<(Output, Digest)>>,
    /// Whether a diagnostic was reported; those of a listing appear again in every run, and do not count.
    reported: Option<&'r Cell<bool>>,
    /// The modules of the list were loaded; other files of theirs may follow.
    loaded: bool,
    /// Links were reported.
    linked: bool,
    /// All found files, for [`Run::inspect`].
    #[cfg(feature = "answers")]
    found: Vec<ModuleFile>,
}

impl<'r> OnDisk<'r> {
    fn new(run: &Run<'r>, admitted: Option<(&'r [u8], FileSystem)>) -> Self {
        let threads = Threads::new(&DiskSource, &run.options.limits, run.jobs);
        #[cfg(feature = "answers")]
        let threads = match (run.inspect, run.keep_going) {
            (None, None) => threads,
            _ => threads.detail(Detail::Full),
        };
        Self {
            run: *run,
            threads,
            admitted,
            cache: None,
            lock: None,
            store: None,
            digests: RefCell::default(),
            reported: None,
            loaded: false,
            linked: false,
            #[cfg(feature = "answers")]
            found: Vec::new(),
        }
    }

    /// Whether the locked output directory already holds the output of this run.
    fn is_current(&self, listed: &Listed) -> bool {
        let known = self.cache.as_ref().and_then(|cache| cache.result(self.run.options, listed));
        let (Some(digests), Some(publisher)) = (known, self.lock) else { return false };
        let names = Output::ALL.into_iter().map(Output::file_name);
        publisher.holds(&names.zip(digests.iter().copied()).collect::<Vec<_>>())
    }
}

#[cfg(feature = "answers")]
impl OnDisk<'_> {
    /// Whether modules were left out, and the list is another one than at first.
    fn is_repeated(&self) -> bool {
        self.run.keep_going.is_some_and(|keep_going| !keep_going.borrow().left_out().is_empty())
    }
}

impl Hooks for OnDisk<'_> {
    fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
        #[cfg(feature = "answers")]
        if let Some(keep_going) = self.run.keep_going.filter(|_| self.is_repeated()) {
            return walk.filter(|file| !keep_going.borrow().omits(file)).collect();
        }
        let found: Vec<ModuleFile> =
            if self.admitted.is_none() { self.threads.find(walk) } else { walk.collect() };
        #[cfg(feature = "answers")]
        if self.run.inspect.is_some() {
            self.found.clone_from(&found);
        }
        found
    }

    fn listed(&mut self, listed: &Listed, reporter: &mut dyn Reporter) -> Next {
        self.loaded = false;
        let Run { options, progress, jobs, .. } = self.run;
        self.cache = self.admitted.and_then(|(dir, filesystem)| {
            Cache::open(dir, &options.directory, filesystem, &listed.list, jobs, reporter)
        });
        progress.begin(listed.list.modules().len());
        if self.is_current(listed) {
            listed.list.modules().iter().for_each(|_| progress.step(0));
            progress.end();
            return Next::Finish;
        }
        if let Some(reported) = self.reported {
            reported.set(false);
        }
        Next::Continue
    }

    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        let Run { progress, jobs, options, .. } = self.run;
        #[cfg(feature = "answers")]
        if let Some(loads) =
            self.run.keep_going.and_then(|keep_going| keep_going.borrow_mut().loaded_before(list))
        {
            progress.end();
            return Ok(loads);
        }
        let again = core::mem::replace(&mut self.loaded, true);
        let loads = match &mut self.cache {
            Some(cache) if !again => cache.load(list, jobs, &options.limits, progress),
            _ => self.threads.load_all(list, if again { &() } else { progress }),
        };
        if again {
            return Ok(loads);
        }
        progress.end();
        #[cfg(feature = "answers")]
        if let Some(inspect) = self.run.inspect.filter(|_| !self.is_repeated()) {
            inspect(list, &self.found, &loads);
        }
        Ok(loads)
    }

    #[cfg(feature = "answers")]
    fn loaded(&mut self, listed: &Listed, loads: &mut Vec<Load>, reporter: &mut dyn Reporter) -> Next {
        self.run.keep_going.map_or(Next::Continue, |keep_going| {
            keep_going.borrow_mut().check(self.run.options, listed, loads, reporter)
        })
    }

    fn links(&mut self, lines: &[u8]) -> Result<(), Diagnostic> {
        self.linked |= !lines.is_empty();
        (self.run.links)(lines)
    }

    fn build(&self, pieces: &[Piece<'_>], meanwhile: &mut dyn FnMut()) -> Vec<Built> {
        build_beside(self.run.jobs, pieces.len(), |at| pieces[at].build(), meanwhile)
    }

    fn store(&self, output: Output, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Some(store) = self.store else { return Some(bytes) };
        store(output, &bytes);
        if self.cache.is_some() {
            self.digests.borrow_mut().push((output, Digest::of(&bytes)));
        }
        None
    }
}

/// Notes whether any diagnostic was reported.
struct Watched<'a> {
    reporter: &'a mut dyn Reporter,
    reported: &'a Cell<bool>,
}

impl Reporter for Watched<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.reported.set(true);
        self.reporter.report(diagnostic);
    }
}
