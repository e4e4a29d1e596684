//! One run: the stages, in order.
//!
//! ```text
//! list ──► read ──► decompress ──► parse ──► resolve ──► emit ──► publish
//! ╰ list ╯ ╰────────────────────── index ───────────────────────╯ the host
//! ```
//!
//! [`list()`] finds the modules, [`index()`] generates the files, [`run()`] does both, one module after the
//! other. [`Hooks`] hold the host's own part: threads, a cache, facts from an earlier run. Only this room
//! defines the order of the stages, and the output does not depend on the hooks.

use alloc::{string::ToString, vec::Vec};
use core::cell::RefCell;

use bstr::BString;

use crate::{
    decompress::{Compression, Decoder, PureDecoder},
    diagnostic::{Diagnostic, Reporter, Stopped},
    limits::Limits,
    list::{Listing, ModuleFile, ModuleList},
    options::{KernelSymbols, Options, Selection, Unresolved},
    output::{self, DependencyLines, IndexFiles, Output},
    parse::{
        kernel::{self, KernelSymbol},
        module::{Facts, LoadError, Loader},
    },
    resolve::{self, Resolution, SymbolTable},
    source::{IoError, IoErrorKind, Source},
};

/// The result of loading one module.
pub type Load = Result<Facts, LoadError>;

/// The host's part of a run. Default methods work sequentially.
pub trait Hooks {
    /// Collects the module files of the walk, in its order. A host can read modules during the walk; the
    /// module list may omit some of them, because another file of the same name takes precedence.
    fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
        walk.collect()
    }

    /// Loads every module of the list; the results are in list order.
    ///
    /// # Errors
    /// The reason for ending the run.
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic>;

    /// With [`Options::trace_links`]: the symbol that links each pair of modules, one line per pair. Called
    /// once, even if there are dependency cycles.
    ///
    /// # Errors
    /// The reason for ending the run.
    fn links(&mut self, _lines: &[u8]) -> Result<(), Diagnostic> {
        Ok(())
    }

    /// Calls `build` with each number below `pieces`, in any order and on any threads, and `meanwhile` once,
    /// on the calling thread. Results are in order of completion. A host with threads replaces this method;
    /// nothing else in the core's interface mentions them.
    fn build<T: Send>(
        &mut self,
        pieces: usize,
        build: impl Fn(usize) -> T + Sync,
        meanwhile: impl FnOnce(),
    ) -> Vec<T> {
        meanwhile();
        (0..pieces).map(build).collect()
    }
}

/// Hooks that load one module after the other.
pub struct InTurn<'h, S> {
    source: &'h S,
    loader: Loader<'h>,
}

impl<'h, S: Source> InTurn<'h, S> {
    /// Hooks that read from `source` and decode with `decoder`.
    pub fn new(source: &'h S, decoder: &'h mut dyn Decoder, limits: &'h Limits) -> Self {
        Self { source, loader: Loader::new(limits, decoder) }
    }

    /// Sets how much is kept of each module.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn detail(self, detail: crate::parse::module::Detail) -> Self {
        Self { loader: self.loader.detail(detail), ..self }
    }

    /// Loads one module.
    ///
    /// # Errors
    /// When the file cannot be opened, read or parsed.
    pub fn load_one(&mut self, path: &[u8]) -> Load {
        self.loader.load(&mut self.source.open(path)?)
    }
}

impl<S: Source> Hooks for InTurn<'_, S> {
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        Ok(list.modules().iter().map(|file| self.load_one(file.path())).collect())
    }
}

/// Runs all stages, one module after the other, with this crate's decoders.
///
/// ```
/// use depmod_core::{MemorySource, Options, Output, run};
///
/// let mut source = MemorySource::new();
/// source.insert(b"/lib/modules/6.1/modules.builtin", *b"kernel/fs/ext4.ko\n");
/// source.insert(b"/lib/modules/6.1/kernel/broken.ko", *b"#!/bin/sh\n");
/// let mut messages = Vec::new();
/// let files = run(&Options::new("/lib/modules/6.1", "6.1"), &source, &mut messages).unwrap();
/// assert_eq!(files.get(Output::Dep), b"kernel/broken.ko:\n");
/// assert_eq!(
///     messages[1].to_string(),
///     "failed to load symbols from /lib/modules/6.1/kernel/broken.ko: Exec format error",
/// );
/// ```
///
/// # Errors
/// When an index file cannot be generated; the host must then publish nothing.
pub fn run<S: Source>(
    options: &Options,
    source: &S,
    reporter: &mut dyn Reporter,
) -> Result<IndexFiles, Stopped> {
    let mut decoder = PureDecoder::default();
    let hooks = InTurn::new(source, &mut decoder, &options.limits);
    let hooks = RefCell::new(hooks);
    with_one_retry(
        reporter,
        |mut reporter| list(options, source, &mut *hooks.borrow_mut(), &mut reporter),
        |listed, reporter| Ok(index(options, &listed, &mut *hooks.borrow_mut(), reporter)?.files),
    )
}

/// Lists and indexes; repeats both once if a module vanished in between. Messages of the first listing are
/// not repeated.
///
/// # Errors
/// Those of the stages; a module that vanishes during the second attempt is reported.
pub fn with_one_retry<L, T>(
    reporter: &mut dyn Reporter,
    mut list: impl FnMut(NotAgain<'_>) -> Result<L, Stopped>,
    mut index: impl FnMut(L, &mut dyn Reporter) -> Result<T, Stopped>,
) -> Result<T, Stopped> {
    let mut said = Vec::new();
    let listed = list(NotAgain { reporter: &mut *reporter, said: &mut said, retry: false })?;
    let first = index(listed, reporter);
    if !first.as_ref().is_err_and(is_vanished) {
        return first;
    }
    let listed = list(NotAgain { reporter: &mut *reporter, said: &mut said, retry: true })?;
    let second = index(listed, reporter);
    second.inspect_err(|stopped| {
        if is_vanished(stopped) {
            reporter.report(stopped.diagnostic().clone());
        }
    })
}

fn is_vanished(stopped: &Stopped) -> bool {
    matches!(stopped.diagnostic(), Diagnostic::ModuleVanished { .. })
}

/// The reporter of one listing: drops the messages of an earlier one.
pub struct NotAgain<'r> {
    reporter: &'r mut dyn Reporter,
    said: &'r mut Vec<Diagnostic>,
    retry: bool,
}

impl Reporter for NotAgain<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.retry {
            self.said.push(diagnostic.clone());
        } else if self.said.contains(&diagnostic) {
            return;
        }
        self.reporter.report(diagnostic);
    }
}

/// The input of a run, apart from the modules' contents.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The modules, in order.
    pub list: ModuleList,
    /// The file of [`Options::kernel_symbols`].
    pub kernel_symbols: Option<Vec<u8>>,
    /// `modules.builtin`. Without it the run continues; the emit stage reports its absence.
    pub builtin: Result<Vec<u8>, IoError>,
    /// `modules.builtin.modinfo`, likewise.
    pub builtin_modinfo: Result<Vec<u8>, IoError>,
}

/// The first stage: finds the modules and reads the other input.
///
/// # Errors
/// When the kernel's symbols, the module directory or an operand cannot be read.
pub fn list<S: Source>(
    options: &Options,
    source: &S,
    hooks: &mut impl Hooks,
    reporter: &mut dyn Reporter,
) -> Result<Listed, Stopped> {
    if options.unresolved != Unresolved::Ignore && options.kernel_symbols.is_none() {
        reporter.report(Diagnostic::ErrsymsAlone {});
    }
    let kernel_symbols = match &options.kernel_symbols {
        None => None,
        Some(KernelSymbols::Symvers(path) | KernelSymbols::SystemMap(path)) => {
            let bytes = match source.read_named(path, options.limits.text_size) {
                Ok(bytes) => bytes,
                // `fopen` opens a directory, and reading it returns no line.
                Err(error) if error.kind() == IoErrorKind::IsDirectory => Vec::new(),
                Err(cause) => {
                    return Err(reporter.stop(Diagnostic::LoadSymbols { path: path.clone(), cause }));
                }
            };
            // Parsed again for the resolve stage; its messages belong here.
            parse_kernel_symbols(options, &bytes, reporter);
            Some(bytes)
        }
    };
    let list = match &options.selection {
        Selection::All => {
            let mut listing = Listing::new(options, source, reporter);
            let found = hooks.find(&mut listing);
            listing.finish(found)?
        }
        Selection::Files(_) => ModuleList::of_operands(options, source, reporter)?,
    };
    let mut side = |name| {
        let path = options.path_of(name);
        match source.read(&path, options.limits.text_size) {
            Err(cause) if cause.is_fault() => Err(reporter.stop(Diagnostic::ReadFault { path, cause })),
            read => Ok(read),
        }
    };
    let (builtin, builtin_modinfo) = (side("modules.builtin")?, side("modules.builtin.modinfo")?);
    Ok(Listed { list, kernel_symbols, builtin, builtin_modinfo })
}

/// The results of a run.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The facts of each module, in list order; `None` where loading failed.
    pub facts: Vec<Option<Facts>>,
    /// The index files.
    pub files: IndexFiles,
    /// The number of symbols that [`Unresolved::Fail`] reported.
    pub unresolved: usize,
}

/// The other stages: loads the modules, resolves dependencies, and generates the index files.
///
/// A module that vanished after the listing ends the stage with [`Diagnostic::ModuleVanished`], which is not
/// reported: the list is out of date, and the caller lists again.
///
/// # Errors
/// When the machine fails, a module exceeds a limit, or an index file cannot be generated; the host must then
/// publish nothing.
pub fn index(
    options: &Options,
    listed: &Listed,
    hooks: &mut impl Hooks,
    reporter: &mut dyn Reporter,
) -> Result<Indexed, Stopped> {
    let loads = load(listed, hooks, reporter)?;
    let facts = report_loads(&listed.list, loads, reporter);
    let (files, unresolved) = emit(options, listed, &facts, hooks, reporter)?;
    Ok(Indexed { facts, files, unresolved })
}

/// The read, decompress and parse stages: loads every module of the list. Defects of single modules are in
/// the results and are not reported.
///
/// # Errors
/// As [`index`]: when the machine fails, a module exceeds a limit, or a module vanished after the listing.
pub fn load(
    listed: &Listed,
    hooks: &mut impl Hooks,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Load>, Stopped> {
    let loads = hooks.load(&listed.list).map_err(|diagnostic| reporter.stop(diagnostic))?;
    ensure_read(&listed.list, &loads, reporter)?;
    Ok(loads)
}

/// Outputs that do not need dependencies, the slowest first.
const WITHOUT_DEPENDENCIES: [Output; 9] = [
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

/// An index file or the reason for its absence, and the messages of its generation.
type Emitted = (Output, Result<Vec<u8>, Stopped>, Vec<Diagnostic>);

/// Generates the index files; dependencies are resolved while files that do not need them are generated.
fn emit(
    options: &Options,
    listed: &Listed,
    facts: &[Option<Facts>],
    hooks: &mut impl Hooks,
    reporter: &mut dyn Reporter,
) -> Result<(IndexFiles, usize), Stopped> {
    let kernel = listed.kernel_symbols.as_deref();
    let kernel = kernel.map(|bytes| parse_kernel_symbols(options, bytes, &mut ()));
    let symbols = SymbolTable::new(kernel.as_deref(), facts, options.symbol_prefix);
    let tables = Tables { options, listed, facts, symbols };
    let wanted = |output: Output| !(options.text_only && output.is_index());
    let pieces: Vec<Output> = WITHOUT_DEPENDENCIES.into_iter().filter(|&output| wanted(output)).collect();
    let piece = |at: usize| pieces.get(at).map(|&output| tables.emit(output));
    let (mut resolution, mut built) = (None, Vec::new());
    let others = hooks.build(pieces.len(), piece, || {
        let found = resolve::resolve(options, &listed.list, facts, &tables.symbols, reporter);
        if let Ok(order) = &found.order {
            built = tables.emit_dependencies(&found, order);
        }
        resolution = Some(found);
    });
    built.extend(others.into_iter().flatten());
    // The hooks have called the closure that sets it.
    let Some(Resolution { order, unresolved, links, .. }) = resolution else { return unbuilt(reporter) };
    if options.trace_links {
        hooks.links(&links).map_err(|diagnostic| reporter.stop(diagnostic))?;
    }
    order?;
    let mut files = Vec::with_capacity(Output::ALL.len());
    // Messages follow the order of the files.
    for output in Output::ALL.into_iter().filter(|&output| wanted(output)) {
        let Some(at) = built.iter().position(|(built, ..)| *built == output) else {
            return unbuilt(reporter);
        };
        let (output, result, said) = built.swap_remove(at);
        said.into_iter().for_each(|diagnostic| reporter.report(diagnostic));
        files.push((output, result?));
    }
    Ok((IndexFiles::new(files), unresolved))
}

/// Reports hooks that skipped a part of their work.
fn unbuilt<T>(reporter: &mut dyn Reporter) -> Result<T, Stopped> {
    let (name, cause) = (Output::Dep.file_name(), "not all files were built".into());
    Err(reporter.stop(Diagnostic::WriteIndex { name, cause }))
}

/// The modules with their facts and symbols.
struct Tables<'run> {
    options: &'run Options,
    listed: &'run Listed,
    facts: &'run [Option<Facts>],
    symbols: SymbolTable<'run>,
}

impl Tables<'_> {
    /// Generates one of the files that do not need dependencies.
    fn emit(&self, output: Output) -> Emitted {
        let &Self { options, listed, facts, ref symbols } = self;
        let (list, limits) = (&listed.list, &options.limits);
        let mut said = Vec::new();
        let result = match output {
            Output::Alias => Ok(output::alias(list, facts)),
            Output::AliasIndex => output::alias_index(list, facts, options, &mut said),
            Output::Softdep => Ok(output::softdep(list, facts)),
            Output::Weakdep => Ok(output::weakdep(list, facts)),
            Output::Symbols => Ok(output::symbols(list, symbols)),
            Output::SymbolsIndex => output::symbol_index(list, symbols, limits, &mut said),
            Output::BuiltinIndex => output::builtin_index(options, &listed.builtin, &mut said),
            Output::BuiltinAliasIndex => {
                output::builtin_alias_index(options, &listed.builtin_modinfo, &mut said)
            }
            Output::Devname => Ok(output::devname(list, facts, &mut said)),
            Output::Dep | Output::DepIndex => unbuilt(&mut said),
        };
        (output, result, said)
    }

    /// Generates the dependency files.
    fn emit_dependencies(&self, found: &Resolution, order: &resolve::TopologicalOrder) -> Vec<Emitted> {
        let list = &self.listed.list;
        let lines = DependencyLines::new(list, &found.graph, order);
        let mut built = Vec::new();
        if !self.options.text_only {
            let mut said = Vec::new();
            let index = output::dependency_index(list, &lines, &self.options.limits, &mut said);
            built.push((Output::DepIndex, index, said));
        }
        built.push((Output::Dep, Ok(lines.into_text()), Vec::new()));
        built
    }
}

fn parse_kernel_symbols<'data>(
    options: &'data Options,
    bytes: &'data [u8],
    reporter: &mut dyn Reporter,
) -> Vec<KernelSymbol<'data>> {
    let prefix = options.symbol_prefix;
    let mut keep = |symbol| match symbol {
        Ok(symbol) => Some(symbol),
        Err(diagnostic) => {
            reporter.report(diagnostic);
            None
        }
    };
    match &options.kernel_symbols {
        Some(KernelSymbols::Symvers(path)) => {
            kernel::symvers(bytes, path, prefix).filter_map(&mut keep).collect()
        }
        Some(KernelSymbols::SystemMap(path)) => {
            kernel::system_map(bytes, path, prefix).filter_map(&mut keep).collect()
        }
        None => Vec::new(),
    }
}

/// A defect of a module's file is reported, and the run continues. After a machine fault or an exceeded
/// limit, the module's content is unknown: a new index would lose entries of the existing one.
fn ensure_read(list: &ModuleList, loads: &[Load], reporter: &mut dyn Reporter) -> Result<(), Stopped> {
    for (file, error) in
        list.modules().iter().zip(loads).filter_map(|(file, load)| Some((file, load.as_ref().err()?)))
    {
        let path = BString::from(file.path());
        match error {
            LoadError::Io(cause) if cause.kind() == IoErrorKind::NotFound => {
                return Err(Stopped::because(&Diagnostic::ModuleVanished { path }));
            }
            LoadError::Io(cause) if cause.is_fault() => {
                return Err(reporter.stop(Diagnostic::ReadFault { path, cause: cause.clone() }));
            }
            LoadError::Decode(error) if error.is_no_memory() => {
                return Err(reporter.stop(Diagnostic::ReadFault { path, cause: IoError::no_memory() }));
            }
            LoadError::Decode(error) if error.is_ceiling() => {
                let cause = error.cause();
                return Err(reporter.stop(Diagnostic::ModuleCeiling { path, cause }));
            }
            LoadError::TooLarge { .. } => {
                let cause = error.to_string().into();
                return Err(reporter.stop(Diagnostic::ModuleCeiling { path, cause }));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The facts of the loaded modules; reports the errors of the others, in order.
fn report_loads(list: &ModuleList, loads: Vec<Load>, reporter: &mut dyn Reporter) -> Vec<Option<Facts>> {
    let loaded = list.modules().iter().zip(loads).map(|(file, load)| match load {
        Ok(facts) => {
            if facts.exports_invalid() {
                report_load(reporter, file.path(), IoError::invalid());
            }
            if facts.name_unended() {
                reporter.report(Diagnostic::NameUnended { path: file.path().into() });
            }
            if let Some(discarded) = facts.needs_discarded() {
                let (path, cause) = (file.path().into(), discarded.cause());
                reporter.report(Diagnostic::NeedsDiscarded { path, cause });
            }
            Some(facts)
        }
        Err(error) => {
            report_load_error(reporter, file.path(), &error);
            None
        }
    });
    loaded.collect()
}

fn report_load(reporter: &mut dyn Reporter, path: &[u8], cause: IoError) {
    reporter.report(Diagnostic::LoadModule { path: path.into(), cause });
}

/// kmod examines a module three times and decompresses it each time, so the decoder's message appears before
/// the error and twice after it ([`reference::modules`](crate::reference::modules) §7.1); gzip's appears
/// once.
fn report_load_error(reporter: &mut dyn Reporter, path: &[u8], error: &LoadError) {
    let cause = error.cause();
    let LoadError::Decode(decode) = error else { return report_load(reporter, path, cause) };
    let format = decode.format();
    let says = |cause| Diagnostic::Decoder { format: format.name(), cause };
    let text = decode.cause();
    reporter.report(says(text.clone()));
    report_load(reporter, path, cause);
    let again = match format {
        _ if decode.is_refusal() => return,
        Compression::Gzip => return,
        // The second and third time, kmod continues reading at the end of the first attempt.
        Compression::Xz => "Unexpected end of input".into(),
        Compression::Zstd => text,
    };
    reporter.report(says(again.clone()));
    reporter.report(says(again));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        parse::module::examples::module,
        source::{FaultySource, MemorySource},
    };
    use alloc::string::{String, ToString};

    const DIRECTORY: &str = "/lib/modules/6.1";

    fn options() -> Options {
        let options =
            Options::new(DIRECTORY, "6.1").config_paths(["/c"]).trace_links(true).warn_duplicates(true);
        options.kernel_symbols(Some(KernelSymbols::SystemMap("/map".into()))).unresolved(Unresolved::Fail)
    }

    /// A kernel that makes every stage report something.
    fn kernel() -> MemorySource {
        let mut source = MemorySource::new();
        let mut insert = |path: &str, bytes: &[u8]| source.insert(path.as_bytes(), bytes);
        insert("/c/a.conf", b"external * /opt\nexternal * /gone\nnonsense\n");
        insert("/map", b"0 T printk\n0 T __ksymtab_printk\nnonsense\n");
        let mut insert = |path: &str, bytes: &[u8]| insert(&[DIRECTORY, path].concat(), bytes);
        insert("/modules.order", b"kernel/disk.ko\n");
        insert("/modules.builtin", b"kernel/fs/ext4.ko\n#\n");
        insert("/modules.builtin.modinfo", b"ext4.alias=fs-ext4\0ext4.alias=a]\0");
        insert("/kernel/bus.ko", &module(&["bus_add"], &["printk"], &["alias=bus]", "alias=pci:v1"]));
        let info = ["alias=pci:v2", "alias=pci:v2", "alias=devname:disk", "softdep=pre: bus", "weakdep=fs"];
        insert("/kernel/disk.ko", &module(&[], &["bus_add", "gone"], &info));
        insert("/kernel/broken.ko", b"#!/bin/sh\n");
        source.insert(b"/opt/bus.ko", module(&[], &[], &[]));
        source.insert(b"/opt/extra.ko", module(&[], &["bus_add"], &[]));
        source
    }

    /// Hooks in a host's possible order: modules as its threads finish them, the last piece first.
    struct Backwards<'h> {
        in_turn: InTurn<'h, MemorySource>,
        links: Vec<String>,
    }

    impl Hooks for Backwards<'_> {
        fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
            let mut loads: Vec<Load> =
                list.modules().iter().rev().map(|file| self.in_turn.load_one(file.path())).collect();
            loads.reverse();
            Ok(loads)
        }

        fn links(&mut self, lines: &[u8]) -> Result<(), Diagnostic> {
            self.links.push(String::from_utf8(lines.to_vec()).unwrap());
            Ok(())
        }

        fn build<T: Send>(
            &mut self,
            pieces: usize,
            build: impl Fn(usize) -> T + Sync,
            meanwhile: impl FnOnce(),
        ) -> Vec<T> {
            let built = (0..pieces).rev().map(build).collect();
            meanwhile();
            built
        }
    }

    #[test]
    fn messages_and_dependencies_of_a_run() {
        let mut messages = Vec::new();
        let files = run(&options(), &kernel(), &mut messages).unwrap();
        assert!(files.iter().map(|(output, _)| output).eq(Output::ALL));
        assert_eq!(
            files.get(Output::Dep).escape_ascii().to_string(),
            "kernel/disk.ko: kernel/bus.ko\\nkernel/bus.ko:\\nkernel/broken.ko:\\n/opt/extra.ko: kernel/bus.ko\\n"
        );
        let messages: Vec<_> = messages.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "/map:3: invalid line: nonsense\n",
                "/c/a.conf:3: ignoring bad line starting with 'nonsense'",
                "could not open directory /gone: No such file or directory",
                "failed to load symbols from /lib/modules/6.1/kernel/broken.ko: Exec format error",
                "/lib/modules/6.1/kernel/disk.ko needs unknown symbol gone",
                "duplicate module alias:\npci:v2 disk",
                "Unmatched bracket in bus]",
                "Invalid modules.builtin line: #\n",
                "Unmatched bracket in a]",
                "Module 'disk' has devname (disk) but lacks major and minor information. Ignoring.",
            ]
        );
    }

    #[test]
    fn order_of_hooks_does_not_affect_results() {
        let (source, options, limits) = (kernel(), options(), Limits::DEFAULT);
        let mut said = Vec::new();
        let files = run(&options, &source, &mut said).unwrap();
        let mut decoder = PureDecoder::default();
        let in_turn = InTurn::new(&source, &mut decoder, &limits);
        let mut hooks = Backwards { in_turn, links: Vec::new() };
        let mut messages = Vec::new();
        let listed = list(&options, &source, &mut hooks, &mut messages).unwrap();
        let indexed = index(&options, &listed, &mut hooks, &mut messages).unwrap();
        assert_eq!(indexed.files, files);
        assert_eq!(messages, said);
        assert_eq!(indexed.unresolved, 1);
        let loaded: Vec<bool> = indexed.facts.iter().map(Option::is_some).collect();
        assert_eq!(loaded, [true, true, false, true]);
        let bus = "/lib/modules/6.1/kernel/bus.ko";
        assert_eq!(
            hooks.links,
            [[
                "/lib/modules/6.1/kernel/disk.ko needs \"bus_add\": ",
                bus,
                "\n",
                "/opt/extra.ko needs \"bus_add\": ",
                bus,
                "\n",
            ]
            .concat()]
        );
    }

    #[test]
    fn text_only_runs_have_the_same_text_files() {
        let all = run(&options(), &kernel(), &mut ()).unwrap();
        let text = run(&options().text_only(true), &kernel(), &mut ()).unwrap();
        assert!(text.iter().eq(all.iter().filter(|(output, _)| !output.is_index())));
    }

    /// Hooks that skip their work.
    struct Forgetful {
        meanwhile: bool,
    }

    impl Hooks for Forgetful {
        fn load(&mut self, _: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
            Ok(Vec::new())
        }

        fn build<T: Send>(
            &mut self,
            _: usize,
            _: impl Fn(usize) -> T + Sync,
            meanwhile: impl FnOnce(),
        ) -> Vec<T> {
            if self.meanwhile {
                meanwhile();
            }
            Vec::new()
        }
    }

    #[test]
    fn missing_files_are_an_error() {
        let options = Options::new(DIRECTORY, "6.1");
        for meanwhile in [false, true] {
            let (mut hooks, mut messages) = (Forgetful { meanwhile }, Vec::new());
            let listed = list(&options, &kernel(), &mut hooks, &mut ()).unwrap();
            let stopped = index(&options, &listed, &mut hooks, &mut messages).unwrap_err();
            assert_eq!(stopped.to_string(), "Could not write index 'modules.dep': not all files were built");
            assert_eq!(messages, [stopped.diagnostic().clone()]);
        }
    }

    #[test]
    fn any_failed_call_is_reported() {
        let (source, options) = (kernel(), options());
        let counting = FaultySource::counting(&source);
        let mut said = Vec::new();
        let files = run(&options, &counting, &mut said).unwrap();
        let mut silent = Vec::new();
        let calls = counting.calls();
        assert!(calls > 20);
        for call in 0..calls {
            let faulty = FaultySource::new(&source, call, IoError::other("fault"));
            let mut messages = Vec::new();
            match run(&options, &faulty, &mut messages) {
                Err(stopped) => assert!(messages.contains(stopped.diagnostic())),
                Ok(with_fault) => {
                    if with_fault != files && messages.iter().all(|message| said.contains(message)) {
                        silent.push(call);
                    }
                }
            }
            assert!(faulty.calls() <= calls);
        }
        assert_eq!(silent, [2], "kmod ignores a configuration path that cannot be examined");
    }

    #[test]
    fn machine_faults_end_the_run_with_one_message() {
        let (source, options) = (kernel(), options());
        let mut said = Vec::new();
        let counting = FaultySource::counting(&source);
        run(&options, &counting, &mut said).unwrap();
        for call in 0..counting.calls() {
            let faulty = FaultySource::new(&source, call, IoError::no_memory());
            let mut messages = Vec::new();
            let stopped = run(&options, &faulty, &mut messages).expect_err(&call.to_string());
            messages.retain(|message| !said.contains(message));
            assert_eq!(messages, [stopped.diagnostic().clone()], "call {call}");
            let text = stopped.to_string();
            assert!(text.contains("Cannot allocate memory"), "{text}");
        }
    }

    /// Lists a missing module the given number of times.
    struct Vanishing {
        memory: MemorySource,
        times: core::cell::Cell<usize>,
    }

    impl Source for Vanishing {
        type File = <MemorySource as Source>::File;

        fn list(&self, dir: &[u8]) -> Result<Vec<crate::source::DirEntry>, IoError> {
            let mut entries = self.memory.list(dir)?;
            let left = self.times.get();
            if dir == DIRECTORY.as_bytes() && left > 0 {
                self.times.set(left - 1);
                let (name, kind) = ("gone.ko".into(), crate::source::EntryKind::File);
                entries.push(crate::source::DirEntry { name, kind });
            }
            Ok(entries)
        }

        fn stat(&self, path: &[u8]) -> Result<crate::source::Stat, IoError> {
            self.memory.stat(path)
        }

        fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
            self.memory.open(path)
        }
    }

    #[test]
    fn vanished_modules_cause_one_new_listing() {
        let mut said = Vec::new();
        let files = run(&options(), &kernel(), &mut said).unwrap();
        let vanishing = |times| Vanishing { memory: kernel(), times: core::cell::Cell::new(times) };
        let mut messages = Vec::new();
        assert_eq!(run(&options(), &vanishing(1), &mut messages), Ok(files));
        assert_eq!(messages, said);
        let mut messages = Vec::new();
        let stopped = run(&options(), &vanishing(2), &mut messages).unwrap_err();
        assert_eq!(messages.last(), Some(stopped.diagnostic()));
        let text = "/lib/modules/6.1/gone.ko vanished while modules were read; index files left as they were";
        assert_eq!(stopped.to_string(), text);
        assert_eq!(messages.iter().filter(|message| message.to_string() == text).count(), 1);
    }

    #[test]
    fn stopped_runs_carry_the_first_cause() {
        let plain = || Options::new(DIRECTORY, "6.1");
        let operands = |paths: &[&str]| {
            plain().selection(Selection::Files(paths.iter().map(|&path| path.into()).collect()))
        };
        let symbols = KernelSymbols::Symvers("/none".into());
        let mut limits = Limits::DEFAULT;
        limits.index_size = 100;
        let mut source = kernel();
        // `more` is the number of messages after the cause.
        let check = |source: &MemorySource, options: Options, text: &str, more: usize| {
            let mut messages = Vec::new();
            let stopped = run(&options, source, &mut messages).unwrap_err();
            assert_eq!(stopped.to_string(), text);
            assert_eq!(messages.iter().rev().nth(more), Some(stopped.diagnostic()));
        };
        let absent = "could not open directory /none: No such file or directory";
        check(&source, Options::new("/none", "6.1"), absent, 1);
        let unreadable = "could not load /none: No such file or directory";
        check(&source, plain().kernel_symbols(Some(symbols)), unreadable, 0);
        check(&source, operands(&["a.ko"]), "a.ko: not absolute path.", 0);
        let unknown = "could not create module /none.ko: No such file or directory";
        check(&source, operands(&["/opt/bus.ko", "/none.ko"]), unknown, 0);
        check(&source, operands(&["/opt/bus.ko", "/opt/bus.ko"]), "hash_add_unique bus: File exists", 1);
        let large = "Could not write index 'modules.dep.bin': index larger than 100 bytes";
        check(&source, plain().limits(limits), large, 0);

        source.insert(b"/lib/modules/6.1/one.ko", module(&["one"], &["two"], &["alias=\u{e9}"]));
        source.insert(b"/lib/modules/6.1/two.ko", module(&["two"], &[], &[]));
        let foreign = "Module index: bad character '\u{fffd}'=0xc3 - only 7-bit ASCII is supported:\n\u{e9}";
        check(&source, plain(), foreign, 0);
        source.insert(b"/lib/modules/6.1/two.ko", module(&["two"], &["one"], &[]));
        check(&source, plain(), "Cycle detected: two -> one -> two", 1);
    }

    /// Hooks that fail.
    struct Failing {
        load: bool,
    }

    impl Hooks for Failing {
        fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
            let loads = list.modules().iter().map(|_| Err(LoadError::TooShort { size: 0 })).collect();
            if self.load { Err(Diagnostic::SymbolPrefix {}) } else { Ok(loads) }
        }

        fn links(&mut self, _: &[u8]) -> Result<(), Diagnostic> {
            Err(Diagnostic::StandardOutput { cause: IoError::other("full") })
        }
    }

    #[test]
    fn hook_failures_are_reported() {
        for (load, code) in [(true, "SymbolPrefix"), (false, "StandardOutput")] {
            let (mut hooks, mut messages) = (Failing { load }, Vec::new());
            let listed = list(&options(), &kernel(), &mut hooks, &mut ()).unwrap();
            let stopped = index(&options(), &listed, &mut hooks, &mut messages).unwrap_err();
            assert_eq!(stopped.diagnostic().code(), code);
            assert_eq!(messages.last(), Some(stopped.diagnostic()));
        }
    }
}
