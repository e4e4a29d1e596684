//! Pieces of the emit stage's work.

use alloc::vec::Vec;

use super::listed::Listed;
use crate::{
    diagnostic::{Diagnostic, Reporter, Stopped, WriteFault},
    options::Options,
    output::{self, DependencyLines, Output},
    parse::module::Facts,
    resolve::{self, Resolution, SymbolTable},
};

/// One piece of the emit stage's work, to be done in any order.
pub struct Piece<'run> {
    tables: &'run Tables<'run>,
    output: Output,
}

impl<'run> Piece<'run> {
    pub(super) fn new(tables: &'run Tables<'run>, output: Output) -> Self {
        Self { tables, output }
    }

    /// Does this piece of work.
    #[must_use]
    pub fn build(&self) -> Built {
        self.tables.emit(self.output)
    }
}

/// The result of a [`Piece`].
#[derive(Debug)]
pub struct Built {
    pub(super) output: Output,
    /// The file, or the reason for its absence.
    pub(super) result: Result<Vec<u8>, Stopped>,
    pub(super) said: Said,
}

/// The messages of a piece, reported in the order of the files. A reason for the file's absence is in the result.
#[derive(Debug, Default)]
pub(super) struct Said(pub(super) Vec<Diagnostic>);

impl Reporter for Said {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    fn stop(&mut self, diagnostic: Diagnostic) -> Stopped {
        Stopped::because(&diagnostic)
    }
}

/// Reports hooks that skipped a part of their work.
pub(super) fn unbuilt<T>(reporter: &mut dyn Reporter) -> Result<T, Stopped> {
    let (name, cause) = (Output::Dep.file_name(), WriteFault::Unbuilt);
    Err(reporter.stop(Diagnostic::WriteIndex { name, cause }))
}

/// The modules with their facts and symbols.
pub(super) struct Tables<'run> {
    pub(super) options: &'run Options,
    pub(super) listed: &'run Listed,
    pub(super) facts: &'run [Option<Facts>],
    pub(super) symbols: SymbolTable<'run>,
}

impl Tables<'_> {
    /// Generates one of the files that do not need dependencies.
    fn emit(&self, output: Output) -> Built {
        let &Self { options, listed, facts, ref symbols } = self;
        let (list, limits) = (&listed.list, &options.limits);
        let mut said = Said::default();
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
        Built { output, result, said }
    }

    /// Generates the dependency files.
    pub(super) fn emit_dependencies(
        &self,
        found: &Resolution,
        order: &resolve::TopologicalOrder,
    ) -> Vec<Built> {
        let list = &self.listed.list;
        let lines = DependencyLines::new(list, &found.graph, order);
        let mut built = Vec::new();
        if !self.options.text_only {
            let mut said = Said::default();
            let index = output::dependency_index(list, &lines, &self.options.limits, &mut said);
            built.push(Built { output: Output::DepIndex, result: index, said });
        }
        built.push(Built { output: Output::Dep, result: Ok(lines.into_text()), said: Said::default() });
        built
    }
}
