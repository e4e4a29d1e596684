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
    let next = AtomicUsize::new(0);
    let work = || {
        let mut decoder = decoder();
        let mut loader = Loader::new(limits, &mut decoder);
        let mut results = Vec::new();
        while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            results.push((
                at,
                source
                    .open(modules[at].path())
                    .map_err(LoadError::from)
                    .and_then(|mut file| loader.load(&mut file)),
            ));
            done();
        }
        results
    };
    let mut results: Vec<Option<Load>> = Vec::new();
    results.resize_with(modules.len(), || None);
    let mut place = |part: Vec<(usize, Load)>| {
        for (at, load) in part {
            results[at] = Some(load);
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.get()).map(|_| scope.spawn(work)).collect();
        place(work());
        for other in others {
            place(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    });
    results.into_iter().flatten().collect()
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
