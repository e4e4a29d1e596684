//! Loading modules on several threads.
//!
//! Each module's facts depend on nothing but its file, and each result goes to its module's place in
//! the catalog: the number of threads does not change a byte.

use std::{
    cmp::Reverse,
    collections::HashMap,
    num::NonZero,
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, ScopedJoinHandle},
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

/// How modules are loaded: by how many threads, from where, with what.
pub(crate) struct Loading<'run, S, D> {
    pub(crate) source: &'run S,
    pub(crate) jobs: NonZero<usize>,
    pub(crate) decoder: fn() -> D,
    pub(crate) limits: &'run Limits,
}

impl<S: Source + Sync, D: Decoder> Loading<'_, S, D> {
    /// Loads modules while `find` is still finding them, which it tells to what it is given. Returns what `find`
    /// returned, and the modules that other threads had loaded by then.
    pub(crate) fn while_finding<T>(&self, find: impl FnOnce(&mut dyn FnMut(&[u8])) -> T) -> (T, Early) {
        let (sender, receiver) = mpsc::channel::<Vec<u8>>();
        let receiver = Mutex::new(receiver);
        let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
        let all_found = AtomicBool::new(false);
        let work = || {
            let mut decoder = (self.decoder)();
            let mut loader = Loader::new(self.limits, &mut decoder);
            let mut loaded = Vec::new();
            // What is left then is better divided among all threads.
            while let Some(path) = next().filter(|_| !all_found.load(Ordering::Relaxed)) {
                let load = self.load_one(&mut loader, &path);
                loaded.push((path, load));
            }
            loaded
        };
        thread::scope(|scope| {
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let helpers: Vec<_> = (1..self.jobs.get().min(MAX_THREADS)).map_while(spawn).collect();
            // Without a thread to load them, they are not needed.
            let result = find(&mut |path| drop((!helpers.is_empty()).then(|| sender.send(path.to_vec()))));
            all_found.store(true, Ordering::Relaxed);
            drop(sender);
            let join =
                |helper: ScopedJoinHandle<'_, _>| helper.join().unwrap_or_else(|panic| resume_unwind(panic));
            (result, helpers.into_iter().flat_map(join).collect())
        })
    }

    /// Loads every module of the catalog but those that have been loaded `early`, and gives the results
    /// in its order. `done` is called for each module, on any thread.
    pub(crate) fn load_all(&self, catalog: &Catalog, mut early: Early, done: impl Fn() + Sync) -> Vec<Load> {
        let modules = catalog.modules();
        let mut results: Vec<Option<Load>> = modules.iter().map(|file| early.remove(file.path())).collect();
        results.iter().flatten().for_each(|_| done());
        let left = (0..modules.len()).filter(|&at| results[at].is_none()).collect();
        let order = self.schedule(modules, left);
        let loads = on_threads(&order, self.jobs, |queue| {
            let mut decoder = (self.decoder)();
            let mut loader = Loader::new(self.limits, &mut decoder);
            let mut load = |at: usize| {
                let load = self.load_one(&mut loader, modules[at].path());
                done();
                (at, load)
            };
            queue.map(&mut load).collect()
        });
        for (at, load) in loads {
            results[at] = Some(load);
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
            let mut sizes = on_threads(&order, self.jobs, |queue| queue.map(|at| (at, size(at))).collect());
            sizes.sort_unstable_by_key(|&(at, size)| (Reverse(size), at));
            order = sizes.into_iter().map(|(at, _)| at).collect();
        }
        order
    }
}

/// Modules that were loaded before all were found, by their path.
pub(crate) type Early = HashMap<Vec<u8>, Load>;

/// Does something for each of these places. Every thread takes places from a common queue, which gives
/// them in this order, and returns what it made of them. The results come in the order of the places' numbers.
pub(crate) fn on_threads<T: Send>(
    order: &[usize],
    jobs: NonZero<usize>,
    work: impl Fn(Queue<'_>) -> Vec<(usize, T)> + Sync,
) -> Vec<(usize, T)> {
    let next = AtomicUsize::new(0);
    let work = || work(Queue { order, next: &next });
    let helpers = jobs.get().min(order.len()).min(MAX_THREADS);
    thread::scope(|scope| {
        // Where the system gives no more threads, those that there are do the work.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..helpers).map_while(spawn).collect();
        let mut results = work();
        for other in others {
            results.append(&mut other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results.sort_unstable_by_key(|&(at, _)| at);
        results
    })
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
