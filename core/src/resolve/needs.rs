//! From needed symbols to the dependency graph ([`reference::resolution`](crate::reference::resolution) §3).

use alloc::{vec, vec::Vec};

use bstr::BString;

use super::{DependencyGraph, ModuleIndex, SymbolTable, TopologicalOrder, report_cycles};
use crate::{
    diagnostic::{Diagnostic, Reporter, Stopped},
    list::{ModuleFile, ModuleList},
    options::{KernelSymbols, Options, Unresolved},
    parse::module::Facts,
};

/// The dependencies of all modules.
#[derive(Debug)]
pub struct Resolution {
    /// The direct dependencies.
    pub graph: DependencyGraph,
    /// The topological order; an error if there are dependency cycles.
    pub order: Result<TopologicalOrder, Stopped>,
    /// The number of symbols that [`Unresolved::Fail`] reported.
    pub unresolved: usize,
    /// With [`Options::trace_links`], one line for each pair of linked modules.
    pub links: Vec<u8>,
}

/// Finds a provider for every needed symbol.
pub fn resolve(
    options: &Options,
    list: &ModuleList,
    facts: &[Option<Facts>],
    symbols: &SymbolTable<'_>,
    reporter: &mut dyn Reporter,
) -> Resolution {
    let seen_by = vec![None; list.modules().len()];
    let mut resolver = Resolver { options, list, symbols, links: Vec::new(), unresolved: 0, seen_by };
    let graph = resolver.resolve(facts, reporter);
    let Resolver { links, unresolved, .. } = resolver;
    let order = TopologicalOrder::new(&graph)
        .map_err(|unnumbered| report_cycles_of(options, list, &graph, &unnumbered, reporter));
    Resolution { graph, order, unresolved, links }
}

/// The state of building the dependency graph.
struct Resolver<'run> {
    options: &'run Options,
    list: &'run ModuleList,
    symbols: &'run SymbolTable<'run>,
    links: Vec<u8>,
    unresolved: usize,
    /// For each provider, the last module found to depend on it.
    seen_by: Vec<Option<ModuleIndex>>,
}

impl Resolver<'_> {
    fn resolve(&mut self, facts: &[Option<Facts>], reporter: &mut dyn Reporter) -> DependencyGraph {
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
        reporter: &mut dyn Reporter,
    ) {
        let report = self.options.unresolved != Unresolved::Ignore && self.options.kernel_symbols.is_some();
        let compare = report && matches!(self.options.kernel_symbols, Some(KernelSymbols::Symvers(_)));
        for need in facts.needs() {
            let Some((symbol, provider)) = self.symbols.provider_of(need.name) else {
                if report && !need.weak {
                    self.report_unknown(module, need.name, reporter);
                }
                continue;
            };
            if compare && !need.weak && provider.crc != need.crc {
                let (path, symbol) = (self.path(module).into(), need.name.into());
                reporter.report(Diagnostic::SymbolVersion { path, symbol });
            }
            let Some(target) = provider.owner else { continue };
            let seen = usize::try_from(target).ok().and_then(|at| self.seen_by.get_mut(at));
            if let Some(seen) = seen.filter(|seen| **seen != Some(module)) {
                *seen = Some(module);
                dependencies.push(target);
                if self.options.trace_links {
                    self.trace(module, symbol, target);
                }
            }
        }
    }

    fn report_unknown(&mut self, module: ModuleIndex, symbol: &[u8], reporter: &mut dyn Reporter) {
        let (path, symbol) = (self.path(module).into(), symbol.into());
        if self.options.unresolved == Unresolved::Fail {
            self.unresolved = self.unresolved.saturating_add(1);
            reporter.report(Diagnostic::UnresolvedSymbol { path, symbol });
        } else {
            reporter.report(Diagnostic::UnknownSymbol { path, symbol });
        }
    }

    fn trace(&mut self, module: ModuleIndex, symbol: &[u8], target: ModuleIndex) {
        let list = self.list;
        let path = |module| list.get(module).map(ModuleFile::path).unwrap_or_default();
        for part in [path(module), b" needs \"", symbol, b"\": ", path(target), b"\n"] {
            self.links.extend_from_slice(part);
        }
    }

    fn path(&self, module: ModuleIndex) -> &[u8] {
        self.list.get(module).map(ModuleFile::path).unwrap_or_default()
    }
}

fn report_cycles_of(
    options: &Options,
    list: &ModuleList,
    graph: &DependencyGraph,
    unnumbered: &[ModuleIndex],
    reporter: &mut dyn Reporter,
) -> Stopped {
    let name =
        |module: &ModuleIndex| BString::from(list.get(*module).map(ModuleFile::name).unwrap_or_default());
    let report = report_cycles(graph, unnumbered, &options.limits);
    let count = Diagnostic::CyclesFound { count: report.modules };
    let mut stopped = None;
    for cycle in &report.cycles {
        let cycle = Diagnostic::Cycle { names: cycle.iter().map(name).collect() };
        match stopped {
            None => stopped = Some(reporter.stop(cycle)),
            Some(_) => reporter.report(cycle),
        }
    }
    if report.cut {
        reporter.report(Diagnostic::CycleReportCut { lines: options.limits.cycle_lines });
    }
    match stopped {
        None => reporter.stop(count),
        Some(stopped) => {
            reporter.report(count);
            stopped
        }
    }
}
