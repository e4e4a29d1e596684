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
    pub(super) result: Result<Content, Stopped>,
    pub(super) said: Said,
}

/// [`Hooks::store`](super::Hooks::store).
pub(super) type Store<'s> = &'s dyn Fn(Output, Vec<u8>) -> Option<Vec<u8>>;

/// The content of a file.
#[derive(Debug)]
pub(super) enum Content {
    New(Vec<u8>),
    /// What [`Hooks::store`](super::Hooks::store) returned for it.
    Stored(Option<Vec<u8>>),
}

impl Content {
    /// Stores the content, unless that was done before.
    pub(super) fn store(self, output: Output, store: Store<'_>) -> Option<Vec<u8>> {
        match self {
            Self::New(bytes) => store(output, bytes),
            Self::Stored(kept) => kept,
        }
    }
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

/// A longer text of `modules.dep` leaves the memory before the index with the same lines comes into it: chains of
/// thousands of modules have lines of some hundred MiB together. Other files are stored when all are built: a
/// run that has too little memory to build them then has written none.
const LARGE_TEXT: usize = 8 << 20;

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
        Built { output, result: result.map(Content::New), said }
    }

    /// Generates the dependency files; stores them if they are large.
    pub(super) fn emit_dependencies(
        &self,
        found: &Resolution,
        order: &resolve::TopologicalOrder,
        store: Store<'_>,
    ) -> Vec<Built> {
        let (list, limits) = (&self.listed.list, &self.options.limits);
        let mut lines = DependencyLines::new(list, &found.graph, order);
        let text = lines.text();
        let is_large = text.len() > LARGE_TEXT;
        let content = |output, bytes| match is_large {
            true => Content::Stored(store(output, bytes)),
            false => Content::New(bytes),
        };
        let mut index = |text: Option<&[u8]>| {
            let (output, mut said) = (Output::DepIndex, Said::default());
            let result = output::dependency_index(list, &mut lines, text, limits, &mut said);
            Built { output, result: result.map(|bytes| content(output, bytes)), said }
        };
        let mut index = |text| (!self.options.text_only).then(|| index(text));
        let (text, index) = if is_large {
            (content(Output::Dep, text), index(None))
        } else {
            let index = index(Some(&text));
            (content(Output::Dep, text), index)
        };
        let text = Built { output: Output::Dep, result: Ok(text), said: Said::default() };
        index.into_iter().chain([text]).collect()
    }
}
