//! One run, stage by stage.
//!
//! ```text
//! list ──► read ──► decompress ──► parse ──► resolve ──► emit ──► publish
//! ╰ gather ╯        ╰── load: Loader ──╯     ╰ resolve ╯ ╰ emit ╯ host
//! ```
//!
//! [`run`] does all of it, one module after the other. A host that can do better takes the stages apart: it loads the
//! modules of [`Gathered::catalog`] with as many [`Loader`]s as it has threads, in any order, and builds the outputs side
//! by side. The bytes are the same.
//!
//! ```
//! use depmod_core::{decompress::PureDecoder, host::MemoryHost, output::Output, pipeline::{Request, run}};
//!
//! let mut host = MemoryHost::new();
//! host.insert(b"/lib/modules/6.1/modules.builtin", *b"kernel/fs/ext4.ko\n");
//! host.insert(b"/lib/modules/6.1/kernel/broken.ko", *b"#!/bin/sh\n");
//! let mut messages = Vec::new();
//! let request = Request::new(b"/lib/modules/6.1", b"6.1");
//! let files = run(&request, &host, &mut PureDecoder::default(), &mut messages).unwrap();
//! assert_eq!(files[0], (Output::Dep, b"kernel/broken.ko:\n".to_vec()));
//! assert_eq!(
//!     messages[1].to_string(),
//!     "failed to load symbols from /lib/modules/6.1/kernel/broken.ko: Exec format error",
//! );
//! ```

use alloc::{string::ToString, vec::Vec};
use core::fmt;

use crate::{
    catalog::{Catalog, ModuleFile},
    config::Config,
    decompress::{Compression, Decoder},
    diagnostic::Diagnostic,
    graph::{DependencyGraph, TopologicalOrder, report_cycles},
    host::{IoError, IoErrorKind, Reporter, Source},
    inputs::{self, KernelSymbol},
    limits::Limits,
    module::{Facts, LoadError, Loader},
    output::{self, DependencyLines, Output},
    symbols::{ModuleIndex, SymbolTable},
};

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// The module directory: `<basedir>/<moduledir>/<version>`, absolute.
    pub directory: Vec<u8>,
    /// The kernel version that configuration lines are matched with.
    pub version: Vec<u8>,
    /// Which modules.
    pub selection: Selection,
    /// Leave out modules that root does not own.
    pub root_owned_only: bool,
    /// Configuration files and directories; earlier ones mask later ones.
    pub config_paths: Vec<Vec<u8>>,
    /// Where the kernel's own symbols stand.
    pub kernel_symbols: Option<KernelSymbols>,
    /// `-P`: a character that symbol names may begin with.
    pub symbol_prefix: Option<u8>,
    /// What to say about needed symbols that nobody provides.
    pub unresolved: Unresolved,
    /// `-w`: report repeated aliases.
    pub warn_duplicates: bool,
    /// `-v`: tell which symbol links which modules, when they are [resolved](Resolved::new).
    pub trace_links: bool,
    /// Ceilings on everything.
    pub limits: Limits,
}

impl Request {
    /// All modules of a directory, with no options.
    #[must_use]
    pub fn new(directory: &[u8], version: &[u8]) -> Self {
        Self {
            directory: directory.to_vec(),
            version: version.to_vec(),
            selection: Selection::All,
            root_owned_only: false,
            config_paths: Vec::new(),
            kernel_symbols: None,
            symbol_prefix: None,
            unresolved: Unresolved::Ignore,
            warn_duplicates: false,
            trace_links: false,
            limits: Limits::DEFAULT,
        }
    }
}

/// Which modules a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All below the module directory and the external ones.
    All,
    /// These files, given by absolute path.
    Files(Vec<Vec<u8>>),
}

/// A file that lists the kernel's own symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelSymbols {
    /// `-E`: `Module.symvers`, with versions, which are then compared.
    Symvers(Vec<u8>),
    /// `-F`: `System.map`.
    SystemMap(Vec<u8>),
}

/// What to say about needed symbols that nobody provides, and about wrong versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing.
    Ignore,
    /// `-e`: warnings.
    Warn,
    /// `-u`: errors; [`Resolved::unresolved`] counts them.
    Fail,
}

/// The run ends here; a diagnostic has said why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped, as reported")
    }
}

impl core::error::Error for Stopped {}

/// Everything that is read before the modules themselves.
#[derive(Clone, Debug)]
pub struct Gathered {
    catalog: Catalog,
    kernel_symbols: Option<Vec<u8>>,
    builtin: Result<Vec<u8>, IoError>,
    builtin_modinfo: Result<Vec<u8>, IoError>,
}

impl Gathered {
    /// Finds the modules and reads what else the run needs.
    ///
    /// # Errors
    /// When the kernel's symbols, the module directory or an operand cannot be read.
    pub fn new<S: Source>(
        request: &Request,
        source: &S,
        reporter: &mut impl Reporter,
    ) -> Result<Self, Stopped> {
        Self::while_finding(request, source, reporter, &mut |_| {})
    }

    /// As [`Gathered::new`]; `found` hears the path of each module file of a directory as soon as it is
    /// found, so that another thread can begin to read it. Not all of them end in the catalog:
    /// another file may turn out to be preferred. [`ModuleFile::found`] tells which.
    ///
    /// # Errors
    /// As [`Gathered::new`].
    pub fn while_finding<S: Source>(
        request: &Request,
        source: &S,
        reporter: &mut impl Reporter,
        found: &mut dyn FnMut(&[u8]),
    ) -> Result<Self, Stopped> {
        let limits = &request.limits;
        if request.unresolved != Unresolved::Ignore && request.kernel_symbols.is_none() {
            reporter.report(Diagnostic::ErrsymsAlone {});
        }
        let kernel_symbols = match &request.kernel_symbols {
            None => None,
            Some(KernelSymbols::Symvers(path) | KernelSymbols::SystemMap(path)) => {
                let bytes = match source.read_named(path, limits.text_size) {
                    Ok(bytes) => bytes,
                    // `fopen` opens a directory, and reading it gives no line.
                    Err(error) if error.kind() == IoErrorKind::IsDirectory => Vec::new(),
                    Err(error) => {
                        let (path, cause) = (path.clone(), error.text().into());
                        reporter.report(Diagnostic::LoadSymbols { path, cause });
                        return Err(Stopped);
                    }
                };
                // Read again when the modules are resolved; its complaints belong here.
                request.parse_kernel_symbols(&bytes, reporter);
                Some(bytes)
            }
        };
        let catalog = match &request.selection {
            Selection::All => {
                let paths = &request.config_paths;
                let config = Config::load(source, paths, &request.version, limits, reporter);
                Catalog::of_directory(request, &config, source, reporter, found)?
            }
            Selection::Files(files) => Catalog::of_files(request, files, source, reporter)?,
        };
        let side = |name: &[u8]| source.read(&[&request.directory, name].concat(), limits.text_size);
        let (builtin, builtin_modinfo) = (side(b"/modules.builtin"), side(b"/modules.builtin.modinfo"));
        Ok(Self { catalog, kernel_symbols, builtin, builtin_modinfo })
    }

    /// The modules to load, in order.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The file of [`Request::kernel_symbols`].
    #[must_use]
    pub fn kernel_symbols(&self) -> Option<&[u8]> {
        self.kernel_symbols.as_deref()
    }

    /// `modules.builtin`.
    ///
    /// # Errors
    /// When it cannot be read; the run goes on, and says so when it emits.
    pub fn builtin(&self) -> Result<&[u8], &IoError> {
        self.builtin.as_deref()
    }

    /// `modules.builtin.modinfo`.
    ///
    /// # Errors
    /// As [`Self::builtin`].
    pub fn builtin_modinfo(&self) -> Result<&[u8], &IoError> {
        self.builtin_modinfo.as_deref()
    }

    /// Loads every module in turn.
    pub fn load<S: Source>(
        &self,
        source: &S,
        decoder: &mut dyn Decoder,
        limits: &Limits,
    ) -> Vec<Result<Facts, LoadError>> {
        let mut loader = Loader::new(limits, decoder);
        let load = |path: &[u8]| loader.load(&mut source.open(path)?);
        self.catalog.modules().iter().map(ModuleFile::path).map(load).collect()
    }
}

impl Request {
    fn parse_kernel_symbols<'data>(
        &'data self,
        bytes: &'data [u8],
        reporter: &mut impl Reporter,
    ) -> Vec<KernelSymbol<'data>> {
        let prefix = self.symbol_prefix;
        let mut keep = |symbol| match symbol {
            Ok(symbol) => Some(symbol),
            Err(diagnostic) => {
                reporter.report(diagnostic);
                None
            }
        };
        match &self.kernel_symbols {
            Some(KernelSymbols::Symvers(path)) => {
                inputs::symvers(bytes, path, prefix).filter_map(&mut keep).collect()
            }
            Some(KernelSymbols::SystemMap(path)) => {
                inputs::system_map(bytes, path, prefix).filter_map(&mut keep).collect()
            }
            None => Vec::new(),
        }
    }
}

/// The modules as they were loaded, in catalog order; complaints have been made.
#[derive(Clone, Debug)]
pub struct Loaded {
    facts: Vec<Option<Facts>>,
}

impl Loaded {
    /// Takes what loading gave for each module of the catalog, and reports what went wrong, in order.
    pub fn new(
        catalog: &Catalog,
        results: Vec<Result<Facts, LoadError>>,
        reporter: &mut impl Reporter,
    ) -> Self {
        let facts = catalog.modules().iter().zip(results).map(|(file, result)| match result {
            Ok(facts) => {
                if facts.exports_invalid() {
                    report_load(reporter, file.path(), b"Invalid argument");
                }
                if facts.name_unended() {
                    reporter.report(Diagnostic::NameUnended { path: file.path().to_vec() });
                }
                if let Some(lost) = facts.needs_lost() {
                    let (path, cause) = (file.path().to_vec(), lost.cause());
                    reporter.report(Diagnostic::NeedsLost { path, cause });
                }
                Some(facts)
            }
            Err(error) => {
                report_load_error(reporter, file.path(), &error);
                None
            }
        });
        Self { facts: facts.collect() }
    }

    /// What each module told, in catalog order; `None` where loading failed.
    #[must_use]
    pub fn facts(&self) -> &[Option<Facts>] {
        &self.facts
    }
}

fn report_load(reporter: &mut impl Reporter, path: &[u8], cause: &[u8]) {
    reporter.report(Diagnostic::LoadModule { path: path.to_vec(), cause: cause.to_vec() });
}

/// kmod examines a module three times and decompresses it anew each time, so that what the decoder says shows
/// before the error and twice after it (`reference/modules.md` §7.1); gzip speaks once.
fn report_load_error(reporter: &mut impl Reporter, path: &[u8], error: &LoadError) {
    let cause = error.cause();
    let LoadError::Decode(decode) = error else { return report_load(reporter, path, cause.as_bytes()) };
    let format = decode.format();
    let says = |text: &str| Diagnostic::Decoder { format: format.name().into(), cause: text.into() };
    let text = decode.text();
    reporter.report(says(text));
    report_load(reporter, path, cause.as_bytes());
    let again = match format {
        _ if decode.is_refusal() => return,
        Compression::Gzip => return,
        // The second and third time kmod reads on from where the first stopped.
        Compression::Xz => "Unexpected end of input",
        Compression::Zstd => text,
    };
    reporter.report(says(again));
    reporter.report(says(again));
}

/// The modules with all that is known of each; enough for every output but `modules.dep` and its index.
pub struct Tables<'run> {
    request: &'run Request,
    catalog: &'run Catalog,
    facts: &'run [Option<Facts>],
    symbols: SymbolTable<'run>,
    builtin: &'run Result<Vec<u8>, IoError>,
    builtin_modinfo: &'run Result<Vec<u8>, IoError>,
}

impl<'run> Tables<'run> {
    /// Enters all symbols.
    #[must_use]
    pub fn new(request: &'run Request, gathered: &'run Gathered, loaded: &'run Loaded) -> Self {
        let kernel = gathered.kernel_symbols.as_deref();
        let kernel = kernel.map(|bytes| request.parse_kernel_symbols(bytes, &mut Silent));
        Self {
            request,
            catalog: &gathered.catalog,
            facts: &loaded.facts,
            symbols: SymbolTable::new(kernel.as_deref(), &loaded.facts, request.symbol_prefix),
            builtin: &gathered.builtin,
            builtin_modinfo: &gathered.builtin_modinfo,
        }
    }

    /// Builds one file; `None` for those that [`Resolved::emit`] builds.
    pub fn emit(&self, output: Output, reporter: &mut impl Reporter) -> Option<Result<Vec<u8>, Stopped>> {
        let Self { request, catalog, facts, symbols, .. } = self;
        let limits = &request.limits;
        Some(match output {
            Output::Dep | Output::DepIndex => return None,
            Output::Alias => Ok(output::alias(catalog, facts)),
            Output::AliasIndex => {
                output::alias_index(catalog, facts, request.warn_duplicates, limits, reporter)
            }
            Output::Softdep => Ok(output::softdep(catalog, facts)),
            Output::Weakdep => Ok(output::weakdep(catalog, facts)),
            Output::Symbols => Ok(output::symbols(catalog, symbols)),
            Output::SymbolsIndex => output::symbol_index(catalog, symbols, limits, reporter),
            Output::BuiltinIndex => output::builtin_index(&request.directory, self.builtin, limits, reporter),
            Output::BuiltinAliasIndex => {
                output::builtin_alias_index(&request.directory, self.builtin_modinfo, limits, reporter)
            }
            Output::Devname => Ok(output::devname(catalog, facts, reporter)),
        })
    }
}

/// The modules with their dependencies: ready to emit everything.
pub struct Resolved<'run> {
    tables: &'run Tables<'run>,
    lines: DependencyLines,
    unresolved: usize,
}

impl<'run> Resolved<'run> {
    /// Finds out who needs whom. With [`Request::trace_links`], `links` gets a line for each pair of
    /// modules that a symbol links, in a cycle too.
    ///
    /// # Errors
    /// When modules need each other in a cycle.
    pub fn new(
        tables: &'run Tables<'run>,
        links: &mut Vec<u8>,
        reporter: &mut impl Reporter,
    ) -> Result<Self, Stopped> {
        let &Tables { request, catalog, facts, ref symbols, .. } = tables;
        let mut resolver = Resolver {
            request,
            catalog,
            symbols,
            links,
            unresolved: 0,
            seen_by: alloc::vec![None; catalog.modules().len()],
        };
        let graph = resolver.resolve(facts, reporter);
        let unresolved = resolver.unresolved;
        let order = TopologicalOrder::new(&graph).map_err(|rest| {
            report_cycles_of(catalog, &graph, &rest, &request.limits, reporter);
            Stopped
        })?;
        Ok(Self { tables, lines: DependencyLines::new(catalog, &graph, &order), unresolved })
    }

    /// How many symbols [`Unresolved::Fail`] has reported.
    #[must_use]
    pub fn unresolved(&self) -> usize {
        self.unresolved
    }

    /// Builds one file, whichever.
    ///
    /// # Errors
    /// When it cannot be built; nothing must be published then.
    pub fn emit(&self, output: Output, reporter: &mut impl Reporter) -> Result<Vec<u8>, Stopped> {
        let Tables { request, catalog, .. } = self.tables;
        match self.tables.emit(output, reporter) {
            Some(result) => result,
            None if output.is_index() => {
                output::dependency_index(catalog, &self.lines, &request.limits, reporter)
            }
            None => Ok(self.lines.text().to_vec()),
        }
    }
}

/// What making the edges of the graph needs.
struct Resolver<'run> {
    request: &'run Request,
    catalog: &'run Catalog,
    symbols: &'run SymbolTable<'run>,
    links: &'run mut Vec<u8>,
    unresolved: usize,
    /// For each module the last one that was found to need it.
    seen_by: Vec<Option<ModuleIndex>>,
}

impl Resolver<'_> {
    fn resolve(&mut self, facts: &[Option<Facts>], reporter: &mut impl Reporter) -> DependencyGraph {
        let mut graph = DependencyGraph::default();
        let mut dependencies = Vec::new();
        for (module, facts) in (0..).zip(facts) {
            dependencies.clear();
            if let Some(facts) = facts {
                self.resolve_one(module, facts, &mut dependencies, reporter);
            }
            graph.push(dependencies.iter().copied());
        }
        graph
    }

    fn resolve_one(
        &mut self,
        module: ModuleIndex,
        facts: &Facts,
        dependencies: &mut Vec<ModuleIndex>,
        reporter: &mut impl Reporter,
    ) {
        let report = self.request.unresolved != Unresolved::Ignore && self.request.kernel_symbols.is_some();
        let compare = report && matches!(self.request.kernel_symbols, Some(KernelSymbols::Symvers(_)));
        for need in facts.needs() {
            let Some((symbol, provider)) = self.symbols.provider_of(need.name) else {
                if report && !need.weak {
                    self.report_unknown(module, need.name, reporter);
                }
                continue;
            };
            if compare && !need.weak && provider.crc != need.crc {
                let (path, symbol) = (self.path(module).to_vec(), need.name.to_vec());
                reporter.report(Diagnostic::SymbolVersion { path, symbol });
            }
            let Some(owner) = provider.owner else { continue };
            let seen = usize::try_from(owner).ok().and_then(|at| self.seen_by.get_mut(at));
            if let Some(seen) = seen.filter(|seen| **seen != Some(module)) {
                *seen = Some(module);
                dependencies.push(owner);
                if self.request.trace_links {
                    self.trace(module, symbol, owner);
                }
            }
        }
    }

    fn report_unknown(&mut self, module: ModuleIndex, symbol: &[u8], reporter: &mut impl Reporter) {
        let (path, symbol) = (self.path(module).to_vec(), symbol.to_vec());
        if self.request.unresolved == Unresolved::Fail {
            self.unresolved = self.unresolved.saturating_add(1);
            reporter.report(Diagnostic::UnresolvedSymbol { path, symbol });
        } else {
            reporter.report(Diagnostic::UnknownSymbol { path, symbol });
        }
    }

    fn trace(&mut self, module: ModuleIndex, symbol: &[u8], owner: ModuleIndex) {
        let (module, owner) = (self.path(module).to_vec(), self.path(owner).to_vec());
        for part in [&*module, b" needs \"", symbol, b"\": ", &owner, b"\n"] {
            self.links.extend_from_slice(part);
        }
    }

    fn path(&self, module: ModuleIndex) -> &[u8] {
        let at = usize::try_from(module).unwrap_or(usize::MAX);
        self.catalog.modules().get(at).map(ModuleFile::path).unwrap_or_default()
    }
}

fn report_cycles_of(
    catalog: &Catalog,
    graph: &DependencyGraph,
    unnumbered: &[ModuleIndex],
    limits: &Limits,
    reporter: &mut impl Reporter,
) {
    let name = |module: &ModuleIndex| {
        let at = usize::try_from(*module).unwrap_or(usize::MAX);
        catalog.modules().get(at).map(ModuleFile::name).unwrap_or_default()
    };
    let report = report_cycles(graph, unnumbered, limits);
    for cycle in &report.cycles {
        let names = cycle.iter().map(name).collect::<Vec<_>>().join(&b" -> "[..]);
        reporter.report(Diagnostic::Cycle { names });
    }
    if report.cut {
        reporter.report(Diagnostic::CycleReportCut { lines: limits.cycle_lines.to_string().into() });
    }
    reporter.report(Diagnostic::CyclesFound { count: report.modules.to_string().into() });
}

/// Drops what has been said before.
struct Silent;

impl Reporter for Silent {
    fn report(&mut self, _: Diagnostic) {}
}

/// Does everything, one module after the other, and gives the eleven files in kmod's order.
///
/// # Errors
/// When any of them cannot be made; a diagnostic says why.
pub fn run<S: Source>(
    request: &Request,
    source: &S,
    decoder: &mut dyn Decoder,
    reporter: &mut impl Reporter,
) -> Result<Vec<(Output, Vec<u8>)>, Stopped> {
    let gathered = Gathered::new(request, source, reporter)?;
    let results = gathered.load(source, decoder, &request.limits);
    let loaded = Loaded::new(gathered.catalog(), results, reporter);
    let tables = Tables::new(request, &gathered, &loaded);
    let resolved = Resolved::new(&tables, &mut Vec::new(), reporter)?;
    Output::ALL.into_iter().map(|output| Ok((output, resolved.emit(output, reporter)?))).collect()
}
