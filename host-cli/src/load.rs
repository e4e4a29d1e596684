//! Loading modules on several threads.
//!
//! Each module's facts depend on nothing but its file, and each result goes to its module's place in
//! the catalog: the number of threads does not change a byte.

use std::{
    cmp::Reverse,
    num::NonZero,
    panic::resume_unwind,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use depmod_core::{
    catalog::{Catalog, ModuleFile},
    decompress::Decoder,
    host::Source,
    limits::Limits,
    module::{Facts, LoadError, Loader},
};

/// More threads than this wait for each other, whatever `--jobs` says.
const MAX_THREADS: usize = 256;

/// What loading one module gave.
pub(crate) type Load = Result<Facts, LoadError>;

/// Something that finds modules, and is given what wants to hear of each one's path.
pub(crate) type Find<'run> = &'run mut dyn FnMut(&mut dyn FnMut(&[u8]));

/// How modules are loaded: by how many threads, from where, with what.
pub(crate) struct Loading<'run, S, D> {
    pub(crate) source: &'run S,
    pub(crate) jobs: NonZero<usize>,
    pub(crate) decoder: fn() -> D,
    pub(crate) limits: &'run Limits,
}

impl<S: Source + Sync, D: Decoder> Loading<'_, S, D> {
    /// Loads modules while `find` is still finding them, which it tells to what it is given. Returns what
    /// other threads had loaded by then.
    pub(crate) fn while_finding(&self, find: Find<'_>) -> Early {
        let (queue, loaded) = (Found::default(), Mutex::new(Early::new()));
        let work = || {
            let mut decoder = (self.decoder)();
            let mut loader = Loader::new(self.limits, &mut decoder);
            let mut path = Vec::new();
            while let Some(found) = queue.next(&mut path) {
                let load = self.load_one(&mut loader, &path);
                let mut loaded = lock(&loaded);
                let length = loaded.len().max(found + 1);
                loaded.resize_with(length, || None);
                loaded[found] = Some(load);
            }
        };
        with_helpers(self.jobs.get() - 1, &work, &mut |helpers| {
            // Without a thread to load them, they are not needed.
            find(&mut |path| {
                if helpers > 0 {
                    queue.push(path);
                }
            });
            queue.close();
        });
        loaded.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads every module of the catalog but those that have been loaded `early`, and gives the results
    /// in its order. `done` is called for each module, on any thread.
    pub(crate) fn load_all(&self, catalog: &Catalog, mut early: Early, done: impl Fn() + Sync) -> Vec<Load> {
        let modules = catalog.modules();
        let mut results: Vec<Option<Load>> =
            modules.iter().map(|file| early.get_mut(file.found()).and_then(Option::take)).collect();
        results.iter().flatten().for_each(|_| done());
        let left = (0..modules.len()).filter(|&at| results[at].is_none()).collect();
        let order = self.schedule(modules, left);
        let loads = on_threads(modules.len(), &order, self.jobs, |queue| {
            let mut decoder = (self.decoder)();
            let mut loader = Loader::new(self.limits, &mut decoder);
            let mut load = |at: usize| {
                let load = self.load_one(&mut loader, modules[at].path());
                done();
                (at, load)
            };
            queue.map(&mut load).collect()
        });
        for (result, load) in results.iter_mut().zip(loads) {
            *result = result.take().or(load);
        }
        results.into_iter().flatten().collect()
    }

    fn load_one(&self, loader: &mut Loader<'_>, path: &[u8]) -> Load {
        let opened = self.source.open(path).map_err(LoadError::from);
        opened.and_then(|mut file| loader.load(&mut file))
    }

    /// The order in which modules are taken. Compressed ones differ much in the time they take (one
    /// driver is 4 % of a kernel): the largest go first, so that no thread is left alone with one at the end.
    fn schedule(&self, modules: &[ModuleFile], mut order: Vec<usize>) -> Vec<usize> {
        if self.jobs.get() > 1 && modules.iter().any(|file| !file.path().ends_with(b".ko")) {
            let size = |at: usize| self.source.stat(modules[at].path()).map_or(0, |stat| stat.size);
            let sizes = on_threads(modules.len(), &order, self.jobs, |queue| {
                queue.map(|at| (at, size(at))).collect()
            });
            order.sort_by_cached_key(|&at| Reverse(sizes[at]));
        }
        order
    }
}

/// Modules that were loaded before all were found, in the order in which they were.
pub(crate) type Early = Vec<Option<Load>>;

/// Paths of modules, in the order in which they are found.
#[derive(Default)]
struct Found {
    state: Mutex<FoundState>,
    more: Condvar,
}

#[derive(Default)]
struct FoundState {
    /// One after the other.
    paths: Vec<u8>,
    /// Where each one ends.
    ends: Vec<usize>,
    /// How many of them have been taken.
    taken: usize,
    closed: bool,
}

impl Found {
    fn push(&self, path: &[u8]) {
        let mut state = lock(&self.state);
        state.paths.extend_from_slice(path);
        let end = state.paths.len();
        state.ends.push(end);
        drop(state);
        self.more.notify_one();
    }

    /// Waits for the next one, puts it into `path` and gives its number. What is left when all have been
    /// found is better divided among all threads.
    fn next(&self, path: &mut Vec<u8>) -> Option<usize> {
        let mut state = lock(&self.state);
        while !state.closed {
            let at = state.taken;
            if let Some(&end) = state.ends.get(at) {
                let start = at.checked_sub(1).map_or(0, |before| state.ends[before]);
                path.clear();
                path.extend_from_slice(&state.paths[start..end]);
                state.taken += 1;
                return Some(at);
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.more.notify_all();
    }
}

/// Does something for each of these places of a list. Every thread takes places from a common queue, which
/// gives them in this order, and returns what it made of them; the results stand at their places.
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
    with_helpers(jobs.get().min(order.len()).saturating_sub(1), &work, &mut |_| work());
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Lets so many threads work beside this one, or as many as the system gives; `main` gets their number.
fn with_helpers(helpers: usize, work: &(dyn Fn() + Sync), main: &mut dyn FnMut(usize)) {
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

/// Places that are still to be worked on.
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
