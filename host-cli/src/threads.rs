//! Loading modules on several threads.
//!
//! The facts of a module depend on its file alone, and each result goes to the module's position in the list:
//! the number of threads does not affect the output.

use std::{
    fs,
    num::NonZero,
    panic::resume_unwind,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use bstr::{BStr, BString};
use depmod_core::parts::hash::superfast;
use depmod_core::parts::sort::sort_by;
use depmod_core::parts::{
    decompress::Decoder,
    list::{ModuleFile, ModuleList},
    name::is_compressed_module,
    parse::module::{LoadError, Loader},
    run::{Built, Hooks, Load, Piece},
};
use depmod_core::{Diagnostic, Limits, Source};
use hashbrown::{HashMap, HashSet};

use crate::codecs::HostDecoder;
use crate::progress::Progress;

/// The limit for `--jobs`: more threads only wait for each other.
const MAX_THREADS: usize = 256;

/// Threads for uncompressed modules that are not in the page cache: they wait for the disk, not for a processor.
const COLD_READERS: usize = 16;

/// Bytes that a run reads from a disk during its walk if the modules are not in the page cache.
const COLD: u64 = 256 << 10;

/// A run's [`Hooks`] on several threads: modules are read during the walk, and files are built in parallel.
///
/// ```
/// use std::num::NonZero;
/// use depmod::{source::DiskSource, threads::Threads};
/// use depmod_core::{Options, Output, parts::run};
///
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path().to_str().unwrap();
/// let options = Options::new(directory, "6.1");
/// let mut hooks = Threads::new(&DiskSource, &options.limits, NonZero::new(4).unwrap());
/// let mut messages = Vec::new();
/// let outcome = run::run_with(&options, &DiskSource, &mut hooks, &mut messages)?;
/// assert_eq!(outcome.indexed.unwrap().files.get(Output::Dep), b"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Threads<'t, S, D = HostDecoder> {
    source: &'t S,
    limits: &'t Limits,
    jobs: NonZero<usize>,
    decoder: fn() -> D,
    /// Modules that were loaded during the walk, by path.
    early: HashMap<BString, Load>,
    /// The walk waited for a disk.
    is_cold: bool,
    #[cfg(feature = "answers")]
    detail: depmod_core::parts::parse::module::Detail,
}

impl<'t, S: Source + Sync> Threads<'t, S> {
    /// Reads from this source with this many threads, including the calling one, each with a decoder of this
    /// build.
    pub fn new(source: &'t S, limits: &'t Limits, jobs: NonZero<usize>) -> Self {
        let decoder = HostDecoder::default;
        Self {
            source,
            limits,
            jobs,
            decoder,
            early: HashMap::new(),
            is_cold: false,
            #[cfg(feature = "answers")]
            detail: depmod_core::parts::parse::module::Detail::Classic,
        }
    }

    /// Sets how much is kept of each module.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn detail(self, detail: depmod_core::parts::parse::module::Detail) -> Self {
        Self { detail, ..self }
    }
}

impl<'t, S: Source + Sync, D: Decoder> Threads<'t, S, D> {
    /// Loads every module of the list that was not loaded during the walk. Each module of the list is a step of the
    /// progress, on any thread.
    pub(crate) fn load_all(&mut self, list: &ModuleList, progress: &dyn Progress) -> Vec<Load> {
        let modules = list.modules();
        let early = &mut self.early;
        let mut results: Vec<Option<Load>> =
            modules.iter().map(|file| early.remove(BStr::new(file.path()))).collect();
        results.iter().flatten().for_each(|_| progress.step(0));
        let left = (0..modules.len()).filter(|&at| results[at].is_none()).collect();
        let (order, sizes) = self.schedule(modules, left);
        if !sizes.is_empty() {
            progress.weigh(sizes.iter().flatten().sum());
        }
        let loads = on_threads(modules.len(), &order, self.readers(modules), |queue| {
            let mut decoder = (self.decoder)();
            let mut loader = self.loader(&mut decoder);
            let mut load = |at: usize| {
                let load = self.load_one(&mut loader, modules[at].path());
                progress.step(sizes.get(at).copied().flatten().unwrap_or(0));
                (at, load)
            };
            queue.map(&mut load).collect()
        });
        for (result, load) in results.iter_mut().zip(loads) {
            *result = result.take().or(load);
        }
        results.into_iter().flatten().collect()
    }

    /// Decoders need processors and memory, so compressed modules have no additional threads.
    fn readers(&self, modules: &[ModuleFile]) -> NonZero<usize> {
        match NonZero::new(COLD_READERS) {
            Some(readers) if self.is_cold && self.jobs.get() > 1 && !any_compressed(modules) => {
                self.jobs.max(readers)
            }
            _ => self.jobs,
        }
    }

    fn loader<'l>(&'l self, decoder: &'l mut D) -> Loader<'l> {
        let loader = Loader::new(self.limits, decoder);
        #[cfg(feature = "answers")]
        let loader = loader.detail(self.detail);
        loader
    }

    fn load_one(&self, loader: &mut Loader<'_>, path: &[u8]) -> Load {
        let opened = self.source.open(path).map_err(LoadError::from);
        opened.and_then(|mut file| loader.load(&mut file))
    }

    /// The order of loading, and the sizes of the files if it depends on them. The loading times of compressed modules
    /// differ much (one driver is 4 % of a kernel): the largest go first, so that no thread works alone at the end.
    fn schedule(&self, modules: &[ModuleFile], mut order: Vec<usize>) -> (Vec<usize>, Vec<Option<u64>>) {
        if self.jobs.get() == 1 || !any_compressed(modules) {
            return (order, Vec::new());
        }
        let size = |at: usize| self.source.stat(modules[at].path()).map_or(0, |stat| stat.size);
        let sizes =
            on_threads(modules.len(), &order, self.jobs, |queue| queue.map(|at| (at, size(at))).collect());
        sort_by(&mut order, &|a, b| sizes[*b].cmp(&sizes[*a]));
        (order, sizes)
    }
}

impl<S: Source + Sync, D: Decoder> Hooks for Threads<'_, S, D> {
    fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
        let queue = Found::default();
        let early = Mutex::new(HashMap::new());
        let work = || {
            let mut decoder = (self.decoder)();
            let mut loader = self.loader(&mut decoder);
            let mut path = Vec::new();
            while queue.next(&mut path) {
                let load = self.load_one(&mut loader, &path);
                lock(&early).insert(BString::from(path.as_slice()), load);
            }
        };
        let mut found = Vec::new();
        let before = bytes_from_disks();
        // Hashes: a module that waits for the list because of a collision loses nothing.
        let mut names = HashSet::<u32>::new();
        with_helpers(self.jobs.get() - 1, &work, |helpers| {
            for file in walk {
                // Without helper threads, queued paths would stay in the queue. Of files with the same name, most
                // are not needed.
                if helpers > 0 && names.insert(superfast(file.name())) {
                    queue.push(file.path());
                }
                found.push(file);
            }
            queue.close();
        });
        self.early = early.into_inner().unwrap_or_else(PoisonError::into_inner);
        let read = before.zip(bytes_from_disks()).map(|(before, after)| after.saturating_sub(before));
        self.is_cold = read.is_some_and(|bytes| bytes >= COLD);
        found
    }

    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        Ok(self.load_all(list, &()))
    }

    fn build(&self, pieces: &[Piece<'_>], meanwhile: &mut dyn FnMut()) -> Vec<Built> {
        build_beside(self.jobs, pieces.len(), |at| pieces[at].build(), meanwhile)
    }
}

fn any_compressed(modules: &[ModuleFile]) -> bool {
    modules.iter().any(|file| is_compressed_module(file.path()))
}

/// What all threads of this process have read from disks, instead of from the page cache. Small builds don't ask.
fn bytes_from_disks() -> Option<u64> {
    if !cfg!(feature = "c-codecs") {
        return None;
    }
    let counts = fs::read_to_string("/proc/self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("read_bytes: "))?.parse().ok()
}

/// [`Hooks::build`] on threads: `meanwhile` runs on this thread, which then builds the files that no other
/// thread has begun.
pub(crate) fn build_beside<T: Send>(
    jobs: NonZero<usize>,
    pieces: usize,
    build: impl Fn(usize) -> T + Sync,
    meanwhile: impl FnOnce(),
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let built = Mutex::new(Vec::with_capacity(pieces));
    let work = || {
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&piece| piece < pieces);
        while let Some(piece) = take() {
            let piece = build(piece);
            lock(&built).push(piece);
        }
    };
    with_helpers((jobs.get() - 1).min(1), &work, |_| {
        meanwhile();
        work();
    });
    built.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Paths of modules in the order of the walk.
#[derive(Default)]
struct Found {
    state: Mutex<FoundState>,
    more: Condvar,
}

#[derive(Default)]
struct FoundState {
    /// Concatenated.
    paths: Vec<u8>,
    /// End of each path.
    ends: Vec<usize>,
    /// Number of paths taken.
    taken: usize,
    /// Number of waiting threads: waking costs a system call even if there is none.
    waiting: usize,
    closed: bool,
}

impl Found {
    fn push(&self, path: &[u8]) {
        let mut state = lock(&self.state);
        state.paths.extend_from_slice(path);
        let end = state.paths.len();
        state.ends.push(end);
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.more.notify_one();
        }
    }

    /// Waits for the next path, and copies it into `path`. Ends with the walk: all threads share the
    /// remaining paths better.
    fn next(&self, path: &mut Vec<u8>) -> bool {
        let mut state = lock(&self.state);
        while !state.closed {
            let at = state.taken;
            if let Some(&end) = state.ends.get(at) {
                let start = at.checked_sub(1).map_or(0, |before| state.ends[before]);
                path.clear();
                path.extend_from_slice(&state.paths[start..end]);
                state.taken += 1;
                return true;
            }
            state.waiting += 1;
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        false
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.more.notify_all();
    }
}

/// Calls a function for each of these positions of a list. Threads take positions in this order from a common
/// queue; each result is stored at its position.
pub(crate) fn on_threads<T: Send>(
    list: usize,
    order: &[usize],
    jobs: NonZero<usize>,
    work: impl Fn(Queue<'_>) -> Vec<(usize, T)> + Sync,
) -> Vec<Option<T>> {
    let next = AtomicUsize::new(0);
    let mut places: Vec<Option<T>> = Vec::new();
    places.resize_with(list, || None);
    let results = Mutex::new(places);
    let work = || {
        let part = work(Queue { order, next: &next });
        let mut results = lock(&results);
        for (at, result) in part {
            results[at] = Some(result);
        }
    };
    with_helpers(jobs.get().min(order.len()).saturating_sub(1), &work, |_| work());
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on this many additional threads, or on as many as the system provides; `main` receives their
/// number.
fn with_helpers(helpers: usize, work: &(dyn Fn() + Sync), main: impl FnOnce(usize)) {
    thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let helpers: Vec<_> = (0..helpers.min(MAX_THREADS - 1)).map_while(spawn).collect();
        main(helpers.len());
        for helper in helpers {
            helper.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Positions still to be processed.
pub(crate) struct Queue<'a> {
    order: &'a [usize],
    next: &'a AtomicUsize,
}

impl Iterator for Queue<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.order.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use depmod_core::parts::run;
    use depmod_core::{MemorySource, Options};

    #[test]
    fn only_plain_modules_outside_the_page_cache_have_more_readers_than_jobs() {
        let readers = |file: &str, jobs: usize, is_cold: bool| {
            let mut source = MemorySource::new();
            source.insert(format!("/d/kernel/{file}").as_bytes(), *b"");
            let options = Options::new("/d", "6.1");
            let list = run::list(&options, &source, &mut Vec::new()).unwrap().list;
            assert_eq!(list.modules().len(), 1);
            let mut threads = Threads::new(&source, &options.limits, NonZero::new(jobs).unwrap());
            threads.is_cold = is_cold;
            threads.readers(list.modules()).get()
        };
        assert_eq!(readers("a.ko", 2, true), COLD_READERS);
        assert_eq!(readers("a.ko", 32, true), 32);
        assert_eq!(readers("a.ko", 1, true), 1);
        assert_eq!(readers("a.ko", 2, false), 2);
        assert_eq!(readers("a.ko.xz", 2, true), 2);
    }
}
