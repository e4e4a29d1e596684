//! The host's part of a run.

use alloc::vec::Vec;

use super::{
    listed::Listed,
    piece::{Built, Piece},
};
use crate::{
    decompress::Decoder,
    diagnostic::{Diagnostic, Reporter},
    limits::Limits,
    list::{ModuleFile, ModuleList},
    output::Output,
    parse::module::{Facts, LoadError, Loader},
    source::Source,
};

/// The result of loading one module.
pub type Load = Result<Facts, LoadError>;

/// How a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// With the next stage.
    Continue,
    /// With a new list: [`Hooks::find`] will return other files.
    ListAgain,
    /// Not at all: index files are not needed.
    Finish,
}

/// The host's part of a run. Default methods work sequentially, and never end a run early.
pub trait Hooks {
    /// Collects the module files of the walk, in its order. A host can read modules during the walk; the
    /// module list may omit some of them, because another file of the same name takes precedence.
    fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
        walk.collect()
    }

    /// Called after each listing, before any module is loaded.
    fn listed(&mut self, _: &Listed, _: &mut dyn Reporter) -> Next {
        Next::Continue
    }

    /// Loads every module of the list; the results are in list order. Called again, with a short list, for
    /// other files of modules that cannot be loaded.
    ///
    /// # Errors
    /// The reason for ending the run.
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic>;

    /// Called with the loaded modules, before their defects are reported.
    fn loaded(&mut self, _: &Listed, _: &mut Vec<Load>, _: &mut dyn Reporter) -> Next {
        Next::Continue
    }

    /// With [`Options::trace_links`](crate::Options::trace_links): the symbol that links each pair of modules, one line per pair. Called
    /// once, even if there are dependency cycles.
    ///
    /// # Errors
    /// The reason for ending the run.
    fn links(&mut self, _lines: &[u8]) -> Result<(), Diagnostic> {
        Ok(())
    }

    /// Builds these pieces and calls `meanwhile` once, in any order. The order of the results does not matter either.
    fn build(&self, pieces: &[Piece<'_>], meanwhile: &mut dyn FnMut()) -> Vec<Built> {
        meanwhile();
        pieces.iter().map(Piece::build).collect()
    }

    /// Receives each finished file; what it returns is in [`Indexed::files`](super::Indexed::files). Large
    /// files come as soon as they are built, others when all are. A host saves memory if it writes a file under a
    /// temporary name and returns `None`. The run can still fail afterwards.
    fn store(&self, _: Output, bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
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
