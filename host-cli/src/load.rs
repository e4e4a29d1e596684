//! Loading modules on several threads.
//!
//! Each module's facts depend on nothing but its file, and each result goes to its module's place in
//! the catalog: the number of threads does not change a byte.

use std::{
    cmp::Reverse,
    num::NonZero,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
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

/// Loads every module of the catalog and gives the results in its order. `done` is called after each
/// module, on any thread.
pub(crate) fn load_all<S: Source + Sync, D: Decoder>(
    catalog: &Catalog,
    source: &S,
    jobs: NonZero<usize>,
    decoder: impl Fn() -> D + Sync,
    limits: &Limits,
    done: impl Fn() + Sync,
) -> Vec<Load> {
    let modules = catalog.modules();
    let order = schedule(modules, source, jobs);
    let results = on_threads(&order, jobs, |queue| {
        let mut decoder = decoder();
        let mut loader = Loader::new(limits, &mut decoder);
        let mut load = |at: usize| {
            let opened = source.open(modules[at].path()).map_err(LoadError::from);
            let load = opened.and_then(|mut file| loader.load(&mut file));
            done();
            (at, load)
        };
        queue.map(&mut load).collect()
    });
    results.into_iter().flatten().collect()
}

/// Does something for each place of a list. Every thread works on places that it takes from a common
/// queue, which gives them in this order, and returns what it made of them; the results stand in the
/// order of the list.
pub(crate) fn on_threads<T: Send>(
    order: &[usize],
    jobs: NonZero<usize>,
    work: impl Fn(Queue<'_>) -> Vec<(usize, T)> + Sync,
) -> Vec<Option<T>> {
    let next = AtomicUsize::new(0);
    let work = || work(Queue { order, next: &next });
    let mut results: Vec<Option<T>> = Vec::new();
    results.resize_with(order.len(), || None);
    let mut place = |part: Vec<(usize, T)>| {
        for (at, result) in part {
            results[at] = Some(result);
        }
    };
    let helpers = jobs.get().min(order.len()).min(MAX_THREADS);
    thread::scope(|scope| {
        // Where the system gives no more threads, those that there are do the work.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..helpers).map_while(spawn).collect();
        place(work());
        for other in others {
            place(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    });
    results
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

/// The order in which modules are taken. Compressed ones differ much in the time they take (one
/// driver is 4 % of a kernel): the largest go first, so that no thread is left alone with one at the end.
fn schedule(modules: &[ModuleFile], source: &impl Source, jobs: NonZero<usize>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..modules.len()).collect();
    if jobs.get() > 1 && modules.iter().any(|file| !file.path().ends_with(b".ko")) {
        order.sort_by_cached_key(|&at| Reverse(source.stat(modules[at].path()).map_or(0, |stat| stat.size)));
    }
    order
}
