//! One run: the stages, in order.
//!
//! ```text
//! list ──► read ──► decompress ──► parse ──► resolve ──► emit ──► publish
//! ╰ list ╯ ╰────────── load ───────────────╯ ╰───── emit ──────╯ the host
//! ```
//!
//! [`run_with()`] is the driver of every host; [`run()`] drives one module after the other. [`Hooks`] hold the
//! host's own part: threads, a cache, facts from an earlier run. Only this room defines the order of the
//! stages, and the output does not depend on the hooks.

mod current;
mod defects;
mod emit;
mod hooks;
mod listed;
mod load;
mod piece;
#[cfg(test)]
mod tests;

pub use current::is_current;
#[cfg(feature = "answers")]
pub(crate) use defects::report_unreadable;
pub use hooks::{Hooks, InTurn, Load, Next};
pub use listed::{Listed, SIDE_FILES};
pub use piece::{Built, Piece};

use alloc::vec::Vec;

use listed::parse_kernel_symbols;

use crate::{
    decompress::PureDecoder,
    diagnostic::{Diagnostic, Reporter, Stopped},
    list::{Listing, ModuleFile, ModuleList},
    options::{KernelSymbols, Options, Selection, Unresolved},
    output::IndexFiles,
    parse::{
        kernel::{BUILTIN, BUILTIN_MODINFO},
        module::Facts,
    },
    source::{IoError, IoErrorKind, Source},
};

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
    let mut hooks = InTurn::new(source, &mut decoder, &options.limits);
    let outcome = run_with(options, source, &mut hooks, reporter)?;
    Ok(outcome.complete(reporter)?.1.files)
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The modules and other inputs.
    pub listed: Listed,
    /// The index files; `None` if the hooks [finished](Next::Finish) the run before.
    pub indexed: Option<Indexed>,
}

impl Outcome {
    /// The results of a run that the hooks did not finish early.
    ///
    /// # Errors
    /// When they did.
    pub fn complete(self, reporter: &mut dyn Reporter) -> Result<(Listed, Indexed), Stopped> {
        match self.indexed {
            Some(indexed) => Ok((self.listed, indexed)),
            None => piece::unbuilt(reporter),
        }
    }
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

/// Runs all stages with a host's hooks. Stages begin again with a new list if a module vanished after the
/// listing, once, and whenever the hooks ask for it; messages of an earlier listing are not repeated.
///
/// # Errors
/// When the module directory or another input cannot be read, the machine fails, a module exceeds a limit, a
/// module vanishes during the second attempt, or an index file cannot be generated; the host must then publish
/// nothing. The reporter has received the reason.
pub fn run_with<S: Source>(
    options: &Options,
    source: &S,
    hooks: &mut dyn Hooks,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Stopped> {
    let (mut said, mut first, mut vanished) = (Vec::new(), true, false);
    loop {
        let most = options.limits.messages;
        let mut once = NotAgain { reporter: &mut *reporter, said: &mut said, first, most };
        let mut listed = list_with(options, source, &mut |walk| hooks.find(walk), &mut once)?;
        let mut next = hooks.listed(&listed, &mut once);
        first = false;
        if next == Next::Continue {
            let mut loads = match load::load(&mut listed.list, hooks, options.limits.candidates, &mut once) {
                Ok(loads) => loads,
                Err(Diagnostic::ModuleVanished { .. }) if !vanished => {
                    vanished = true;
                    continue;
                }
                Err(diagnostic) => return Err(reporter.stop(diagnostic)),
            };
            next = hooks.loaded(&listed, &mut loads, reporter);
            if next == Next::Continue {
                let facts = defects::report(&listed.list, loads, reporter);
                let (files, unresolved) = emit::emit(options, &listed, &facts, hooks, reporter)?;
                return Ok(Outcome { listed, indexed: Some(Indexed { facts, files, unresolved }) });
            }
        }
        if next == Next::Finish {
            return Ok(Outcome { listed, indexed: None });
        }
    }
}

/// The reporter of one listing: drops the messages of an earlier one.
struct NotAgain<'r> {
    reporter: &'r mut dyn Reporter,
    said: &'r mut Vec<Diagnostic>,
    first: bool,
    /// [`Limits::messages`](crate::Limits::messages): some lists have a message for each line.
    most: usize,
}

impl Reporter for NotAgain<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.first && self.said.contains(&diagnostic) {
            return;
        }
        if self.said.len() < self.most {
            self.said.push(diagnostic.clone());
        }
        self.reporter.report(diagnostic);
    }

    fn stop(&mut self, diagnostic: Diagnostic) -> Stopped {
        self.reporter.stop(diagnostic)
    }
}

/// The first stage alone: finds the modules and reads the other input.
///
/// # Errors
/// When the kernel's symbols, the module directory or an operand cannot be read.
pub fn list<S: Source>(
    options: &Options,
    source: &S,
    reporter: &mut dyn Reporter,
) -> Result<Listed, Stopped> {
    list_with(options, source, &mut |walk| walk.collect(), reporter)
}

/// [`Hooks::find`].
type Find<'f> = dyn FnMut(&mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> + 'f;

fn list_with<S: Source>(
    options: &Options,
    source: &S,
    find: &mut Find<'_>,
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
            let found = find(&mut listing);
            listing.finish(found)?
        }
        Selection::Files(_) => ModuleList::of_operands(options, source, reporter)?,
    };
    let mut side = |name: &str| {
        let mut missing = IoError::not_found();
        for (_, path) in options.paths_of(name) {
            match source.read(&path, options.limits.text_size) {
                Err(cause) if cause.is_fault() => {
                    return Err(reporter.stop(Diagnostic::ReadFault { path, cause }));
                }
                Err(cause) if cause.kind() == IoErrorKind::NotFound => missing = cause,
                read => return Ok(read),
            }
        }
        Ok(Err(missing))
    };
    let (builtin, builtin_modinfo) = (side(BUILTIN)?, side(BUILTIN_MODINFO)?);
    Ok(Listed { list, kernel_symbols, builtin, builtin_modinfo })
}
