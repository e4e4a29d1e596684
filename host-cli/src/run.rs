//! One run of the command: the core's stages, with threads around them.

use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use depmod_core::diagnostic::Diagnostic;
use depmod_core::host::Reporter;
use depmod_core::output::Output;
use depmod_core::pipeline::{
    Gathered, KernelSymbols, Loaded, Request, Resolved, Selection, Stopped, Tables, Unresolved,
};

use crate::cache::{self, Cache};
use crate::codecs::HostDecoder;
use crate::load::{Early, Loading};
use crate::publish::{PATIENCE, Publisher};
use crate::settings::{Mode, Settings};
use crate::source::{DiskSource, from_io};

/// Exit status of a run that did all that it was asked.
pub const DONE: u8 = 0;
/// Exit status of a run that did not.
pub const FAILED: u8 = 1;

/// Indexes a module directory. What there is to say goes to `reporter`; the result is the exit status.
pub fn run(settings: &Settings, reporter: &mut impl Reporter, progress: &impl Progress) -> u8 {
    match try_run(settings, reporter, progress) {
        Ok(0) => DONE,
        Ok(_) | Err(Stopped) => FAILED,
    }
}

/// Told how far reading modules has come.
pub trait Progress: Sync {
    /// So many modules are to be read.
    fn begin(&self, modules: usize);
    /// One of them has been read.
    fn step(&self);
    /// All have been read.
    fn end(&self);
}

/// Returns how many symbols `-u` found missing.
fn try_run(
    settings: &Settings,
    reporter: &mut impl Reporter,
    progress: &impl Progress,
) -> Result<usize, Stopped> {
    let request = request(settings);
    let source = DiskSource;
    // What is read under the lock cannot be older than what another run publishes before us.
    // A directory that cannot be opened is complained about where kmod does.
    let lock = match settings.show {
        true => None,
        false => Publisher::lock(&settings.outdirname, PATIENCE, reporter).unwrap_or_default(),
    };
    let (jobs, limits) = (settings.jobs, &request.limits);
    let loading = Loading { source: &source, jobs, decoder: HostDecoder::default, limits };
    let admitted = match &settings.cache {
        None => None,
        Some(dir) => {
            let filesystem = cache::admit(dir, [&settings.dirname, &settings.outdirname], reporter)?;
            filesystem.map(|filesystem| (dir, filesystem))
        }
    };
    let mut gathered = Err(Stopped);
    let mut gather = |found: &mut dyn FnMut(&[u8])| {
        gathered = Gathered::while_finding(&request, &source, reporter, found);
    };
    let early = match admitted {
        None => loading.while_finding(&mut gather),
        // With a cache few modules have to be read.
        Some(_) => {
            gather(&mut |_| {});
            Early::default()
        }
    };
    // The process ends after its run: giving back so many pieces of memory one by one is left out.
    let gathered = ManuallyDrop::new(gathered?);
    let catalog = gathered.catalog();
    let mut cache = admitted.and_then(|(dir, filesystem)| {
        Cache::open(dir, &request.directory, filesystem, catalog, jobs, reporter)
    });
    progress.begin(catalog.modules().len());
    let step = || progress.step();
    let known = cache.as_ref().and_then(|cache| cache.result(&request, &gathered));
    if let (Some(digests), Some(publisher)) = (known, &lock) {
        let names = Output::ALL.into_iter().map(Output::file_name);
        if publisher.holds(&names.zip(digests.iter().copied()).collect::<Vec<_>>()) {
            catalog.modules().iter().for_each(|_| step());
            progress.end();
            return Ok(0);
        }
    }
    let results = match &mut cache {
        Some(cache) => cache.load(catalog, jobs, limits, step),
        None => loading.load_all(catalog, early, step),
    };
    progress.end();
    let mut heard = Heard { reporter, anything: false };
    let reporter = &mut heard;
    let loaded = ManuallyDrop::new(Loaded::new(catalog, results, reporter));
    let tables = ManuallyDrop::new(Tables::new(&request, &gathered, &loaded));
    let mut links = Vec::new();
    if settings.show {
        let resolved = Resolved::new(&tables, &mut links, reporter);
        print(&[&links]).map_err(|error| say(error, reporter))?;
        let resolved = resolved?;
        let shown = Output::ALL.into_iter().filter(|output| !output.is_index());
        let texts = shown.map(|output| resolved.emit(output, reporter)).collect::<Result<Vec<_>, _>>()?;
        print(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).map_err(|error| say(error, reporter))?;
        if let Some(cache) = cache {
            cache.store(&request, &gathered, &loaded, None, reporter);
        }
        return Ok(report_unresolved(&resolved, reporter));
    }
    let ahead = Ahead::new(&tables);
    let (resolved, built) = thread::scope(|scope| {
        let spawn = || thread::Builder::new().spawn_scoped(scope, || ahead.build());
        let other = (settings.jobs.get() > 1).then(spawn);
        let resolved = Resolved::new(&tables, &mut links, reporter).inspect_err(|_| ahead.cancel());
        let mut built = resolved.as_ref().map(build_dependencies).unwrap_or_default();
        built.append(&mut ahead.build());
        // Without another thread all is built by now.
        if let Some(Ok(other)) = other {
            built.append(&mut other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        (resolved, built)
    });
    print(&[&links]).map_err(|error| say(error, reporter))?;
    let resolved = resolved?;
    let publisher = match lock {
        Some(publisher) => publisher,
        None => Publisher::create(&settings.outdirname, PATIENCE, reporter)
            .map_err(|error| say(error, reporter))?,
    };
    let outputs = emit_all(&resolved, built, reporter)?;
    let files: Vec<_> =
        outputs.iter().map(|(output, bytes)| (output.file_name(), bytes.as_slice())).collect();
    let quiet = !reporter.anything && links.is_empty();
    let mut said = Vec::new();
    let mut store = |cache: Cache| {
        cache.store(&request, &gathered, &loaded, quiet.then_some(&*outputs), &mut said);
    };
    // Publishing waits for the disk most of the time.
    let published = thread::scope(|scope| {
        // Where there is no thread for it, the next run reads everything again.
        let store = || cache.map(&mut store);
        let _ = thread::Builder::new().spawn_scoped(scope, store);
        publisher.publish(&files)
    });
    said.into_iter().for_each(|diagnostic| reporter.report(diagnostic));
    published.map_err(|error| say(error, reporter))?;
    Ok(report_unresolved(&resolved, reporter))
}

/// How many symbols `-u` found missing; says so, because that fails the run.
fn report_unresolved(resolved: &Resolved<'_>, reporter: &mut impl Reporter) -> usize {
    let count = resolved.unresolved();
    if count > 0 {
        reporter.report(Diagnostic::UnresolvedCount { count: count.to_string().into() });
    }
    count
}

fn say(diagnostic: Diagnostic, reporter: &mut impl Reporter) -> Stopped {
    reporter.report(diagnostic);
    Stopped
}

/// Notes whether there was anything to say.
struct Heard<'a, R> {
    reporter: &'a mut R,
    anything: bool,
}

impl<R: Reporter> Reporter for Heard<'_, R> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.anything = true;
        self.reporter.report(diagnostic);
    }
}

pub(crate) fn request(settings: &Settings) -> Request {
    let symvers = settings.symvers.clone().map(KernelSymbols::Symvers);
    let mut request = Request::new(&settings.dirname, &settings.version);
    request.selection = match settings.mode {
        Mode::All | Mode::Quick => Selection::All,
        Mode::Files => Selection::Files(settings.files.clone()),
    };
    request.root_owned_only = settings.root_owned_only;
    request.config_paths.clone_from(&settings.config);
    request.kernel_symbols = symvers.or(settings.filesyms.clone().map(KernelSymbols::SystemMap));
    request.symbol_prefix = settings.symbol_prefix;
    request.unresolved = match () {
        () if settings.unresolved_error => Unresolved::Fail,
        () if settings.errsyms && !settings.quiet => Unresolved::Warn,
        () => Unresolved::Ignore,
    };
    request.warn_duplicates = settings.warn;
    request.trace_links = settings.verbosity > 0;
    request
}

/// A file, or why there is none, and what its making had to say.
type Emitted = (Output, Result<Vec<u8>, Stopped>, Vec<Diagnostic>);

/// Builds the files that need no dependencies, on any number of threads.
struct Ahead<'run> {
    tables: &'run Tables<'run>,
    next: AtomicUsize,
}

impl<'run> Ahead<'run> {
    /// What takes longest comes first.
    const ORDER: [Output; 9] = [
        Output::AliasIndex,
        Output::SymbolsIndex,
        Output::Symbols,
        Output::Alias,
        Output::Softdep,
        Output::Weakdep,
        Output::BuiltinAliasIndex,
        Output::BuiltinIndex,
        Output::Devname,
    ];

    fn new(tables: &'run Tables<'run>) -> Self {
        Self { tables, next: AtomicUsize::new(0) }
    }

    /// Builds what no other thread has begun.
    fn build(&self) -> Vec<Emitted> {
        let mut built = Vec::new();
        while let Some(&output) = Self::ORDER.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let mut said = Vec::new();
            if let Some(result) = self.tables.emit(output, &mut said) {
                built.push((output, result, said));
            }
        }
        built
    }

    /// Nothing more is to be begun.
    fn cancel(&self) {
        self.next.store(Self::ORDER.len(), Ordering::Relaxed);
    }
}

/// Builds the files of the dependencies, while other threads may still be busy with those that need none.
fn build_dependencies(resolved: &Resolved<'_>) -> Vec<Emitted> {
    let build = |output| {
        let mut said = Vec::new();
        (output, resolved.emit(output, &mut said), said)
    };
    [Output::DepIndex, Output::Dep].map(build).into()
}

/// The eleven files in kmod's order, those that are built and the others; says what there is to say in
/// that order too.
fn emit_all(
    resolved: &Resolved<'_>,
    mut built: Vec<Emitted>,
    reporter: &mut impl Reporter,
) -> Result<Vec<(Output, Vec<u8>)>, Stopped> {
    let mut emit = |output| match built.iter().position(|(built, ..)| *built == output) {
        None => Ok((output, resolved.emit(output, reporter)?)),
        Some(at) => {
            let (output, result, said) = built.swap_remove(at);
            said.into_iter().for_each(|diagnostic| reporter.report(diagnostic));
            Ok((output, result?))
        }
    };
    Output::ALL.into_iter().map(&mut emit).collect()
}

/// Writes to standard output. That nobody reads on is no failure.
fn print(texts: &[&[u8]]) -> Result<(), Diagnostic> {
    let mut out = io::stdout().lock();
    let result = texts.iter().try_for_each(|text| out.write_all(text)).and_then(|()| out.flush());
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Diagnostic::StandardOutput { cause: from_io(&error).text().into() })
        }
        _ => Ok(()),
    }
}
