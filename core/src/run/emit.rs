//! The emit stage: which index file is generated when.

use alloc::vec::Vec;

use super::{
    hooks::Hooks,
    listed::Listed,
    piece::{Built, Piece, Tables, unbuilt},
};
use crate::{
    diagnostic::{Reporter, Stopped},
    options::Options,
    output::{IndexFiles, Output},
    parse::module::Facts,
    resolve::{self, Resolution},
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
    let tables = Tables { options, listed, facts, symbols: listed.symbols(options, facts) };
    let wanted = |output: Output| !(options.text_only && output.is_index());
    let outputs = WITHOUT_DEPENDENCIES.into_iter().filter(|&output| wanted(output));
    let pieces: Vec<Piece<'_>> = outputs.map(|output| Piece::new(&tables, output)).collect();
    let (mut resolution, mut built) = (None, Vec::new());
    let shared = &*hooks;
    let others = shared.build(&pieces, &mut || {
        let found = resolve::resolve(options, &listed.list, facts, &tables.symbols, reporter);
        if let Ok(order) = &found.order {
            built = tables.emit_dependencies(&found, order, &|output, bytes| shared.store(output, bytes));
        }
        resolution = Some(found);
    });
    built.extend(others);
    // The hooks have called the closure that sets it.
    let Some(Resolution { order, unresolved, links, .. }) = resolution else { return unbuilt(reporter) };
    if options.trace_links {
        hooks.links(&links).map_err(|diagnostic| reporter.stop(diagnostic))?;
    }
    order?;
    let mut files = Vec::with_capacity(Output::ALL.len());
    // Messages follow the order of the files.
    for output in Output::ALL.into_iter().filter(|&output| wanted(output)) {
        let Some(at) = built.iter().position(|built| built.output == output) else {
            return unbuilt(reporter);
        };
        let Built { result, said, .. } = built.swap_remove(at);
        said.0.into_iter().for_each(|diagnostic| reporter.report(diagnostic));
        let content = result.map_err(|stopped| reporter.stop(stopped.into_diagnostic()))?;
        files.push((output, content));
    }
    let store = |output, bytes| hooks.store(output, bytes);
    let files =
        files.into_iter().filter_map(|(output, content)| Some((output, content.store(output, &store)?)));
    Ok((IndexFiles::new(files.collect()), unresolved))
}
