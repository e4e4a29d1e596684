//! The emit stage: which index file is generated when.

use alloc::vec::Vec;

use super::{
    hooks::Hooks,
    listed::{Listed, parse_kernel_symbols},
    piece::{Emitted, Piece},
};
use crate::{
    diagnostic::{Diagnostic, Reporter, Stopped, WriteFault},
    options::Options,
    output::{self, DependencyLines, IndexFiles, Output},
    parse::module::Facts,
    resolve::{self, Resolution, SymbolTable},
};

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

/// Generates the index files; dependencies are resolved while files that do not need them are generated.
pub(super) fn emit(
    options: &Options,
    listed: &Listed,
    facts: &[Option<Facts>],
    hooks: &mut dyn Hooks,
    reporter: &mut dyn Reporter,
) -> Result<(IndexFiles, usize), Stopped> {
    let kernel = listed.kernel_symbols.as_deref();
    let kernel = kernel.map(|bytes| parse_kernel_symbols(options, bytes, &mut ()));
    let symbols = SymbolTable::new(kernel.as_deref(), facts, options.symbol_prefix);
    let tables = Tables { options, listed, facts, symbols };
    let wanted = |output: Output| !(options.text_only && output.is_index());
    let pieces: Vec<Output> = WITHOUT_DEPENDENCIES.into_iter().filter(|&output| wanted(output)).collect();
    let piece = |at: usize| Piece(pieces.get(at).map(|&output| tables.emit(output)));
    let (mut resolution, mut built) = (None, Vec::new());
    let others = hooks.build(pieces.len(), &piece, &mut || {
        let found = resolve::resolve(options, &listed.list, facts, &tables.symbols, reporter);
        if let Ok(order) = &found.order {
            built = tables.emit_dependencies(&found, order);
        }
        resolution = Some(found);
    });
    built.extend(others.into_iter().filter_map(|Piece(emitted)| emitted));
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
pub(super) fn unbuilt<T>(reporter: &mut dyn Reporter) -> Result<T, Stopped> {
    let (name, cause) = (Output::Dep.file_name(), WriteFault::Unbuilt);
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
