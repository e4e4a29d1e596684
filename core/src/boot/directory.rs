//! The modules of one kernel version with their index files, from any source.
//!
//! Modules are in a directory of a [`Source`]: a disk, a firmware volume, or an archive, decompressed by
//! [`open_archive`] and parsed by [`Archive`](super::Archive). [`locate`](super::locate()) finds the
//! directory, [`ModuleDirectory`] lists its modules and provides index files for them:
//!
//! * the shipped index files, if they are valid: checking five indexes takes milliseconds;
//! * otherwise computed index files, which requires reading every module.
//!
//! The load order is the same in both cases, because planning reads only the index files.
//!
//! ```
//! use depmod_core::{Limits, MemorySource, Output};
//! use depmod_core::parts::{answer::Stale, boot::{ModuleDirectory, Provenance, locate}, decompress::PureDecoder};
//!
//! let mut source = MemorySource::new();
//! source.insert(b"/recovery/lib/modules/6.1/modules.order", *b"");
//! let location = locate(&source, b"/recovery", None)?;
//! assert_eq!(location.directory, "/recovery/lib/modules/6.1");
//! assert_eq!(location.version, "6.1");
//!
//! let mut messages = Vec::new();
//! let directory = ModuleDirectory::new(&source, &location, &Limits::DEFAULT);
//! let (files, provenance) = directory.index_files(&mut PureDecoder::default(), &mut messages)?;
//! assert_eq!(provenance, Provenance::Computed(Stale::Missing(Output::Dep)));
//! assert_eq!(files.get(Output::Dep), b"");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{collections::BTreeSet, vec::Vec};

use bstr::{BStr, BString};

use super::{DirectoryError, Location, folded, indexed_facts::IndexedFacts};
use crate::{
    answer::{Stale, ensure_fit},
    decompress::{Compression, DecodeError, Decoder},
    diagnostic::{Diagnostic, Reporter, Stopped},
    limits::Limits,
    list::{ModuleFile, ModuleList, Order},
    options::{Options, Selection},
    output::{IndexFiles, Output},
    run::{self, Hooks, InTurn, Listed, Load, Next, Outcome},
    source::{IoError, Source},
};

/// Origin of index files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Shipped with the modules.
    Shipped,
    /// Computed, because the shipped index files were rejected.
    Computed(Stale),
}

/// The modules of one kernel version. Of several modules with the same name, the one that kmod prefers without
/// configuration counts.
#[derive(Debug)]
pub struct ModuleDirectory<'s, S> {
    source: &'s S,
    options: Options,
}

impl<'s, S: Source> ModuleDirectory<'s, S> {
    /// The module directory at this location. Nothing is read yet.
    #[must_use]
    pub fn new(source: &'s S, location: &Location, limits: &Limits) -> Self {
        Self { source, options: location.options().limits(limits.clone()) }
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.options.directory
    }

    /// The source of the directory.
    #[must_use]
    pub fn source(&self) -> &'s S {
        self.source
    }

    /// The shipped index files if they are valid: all eleven, each structurally valid, and listing exactly the
    /// present modules; a module replaced at the same path is not detected. Otherwise index files computed from
    /// all modules. Missing modules of `modules.order` are reported; case-insensitive file systems lose modules.
    ///
    /// # Errors
    /// When the directory cannot be read. When files have to be computed, also if a module is unreadable or
    /// there are dependency cycles: a load order without these modules could lack dependencies of others.
    pub fn index_files(
        &self,
        decoder: &mut dyn Decoder,
        reporter: &mut dyn Reporter,
    ) -> Result<(IndexFiles, Provenance), DirectoryError> {
        let mut shipped = Err(Stale::Missing(Output::Dep));
        let mut listed = |listed: &Listed, reporter: &mut dyn Reporter| {
            self.report_missing(&listed.list, reporter);
            shipped = self.shipped(listed, None);
            if shipped.is_ok() { Next::Finish } else { Next::Continue }
        };
        let in_turn = InTurn::new(self.source, decoder, &self.options.limits);
        let mut hooks = EveryModule { in_turn, existing: InitrdModules::default(), listed: &mut listed };
        let outcome = drive(&self.options, self.source, &mut hooks, reporter)?;
        match shipped {
            Ok(files) => Ok((files, Provenance::Shipped)),
            Err(stale) => Ok((outcome.complete(&mut ())?.1.files, Provenance::Computed(stale))),
        }
    }

    /// The modules' paths as in the outputs, and facts from shipped index files. Older releases of kmod do not
    /// write `modules.weakdep`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn shipped_facts(&self) -> Result<(Vec<BString>, Option<IndexedFacts>), Stopped> {
        let listed = run::list(&self.options, self.source, &mut ())?;
        let paths = listed.list.modules().iter().map(|module| module.printed_path().into()).collect();
        let files = self.shipped(&listed, Some(Output::Weakdep)).ok();
        Ok((paths, files.and_then(|files| IndexedFacts::of(&files))))
    }

    fn shipped(&self, listed: &Listed, optional: Option<Output>) -> Result<IndexFiles, Stale> {
        let mut files = Vec::new();
        for output in Output::ALL {
            let path = self.options.path_of(output.file_name());
            let bytes = match self.source.read(&path, self.options.limits.text_size) {
                Ok(bytes) => bytes,
                Err(_) if optional == Some(output) => b"\n".to_vec(),
                Err(_) => return Err(Stale::Missing(output)),
            };
            files.push((output, bytes));
        }
        let files = IndexFiles::new(files);
        ensure_fit(&files, &listed.list, listed.builtin.as_deref().ok())?;
        Ok(files)
    }

    /// Index files for exactly the files of a source with these absolute paths, as `depmod` would generate them
    /// for a directory without others.
    ///
    /// # Errors
    /// As for computed index files of [`Self::index_files`].
    pub(crate) fn computed_from<T: Source>(
        &self,
        source: &T,
        files: Vec<BString>,
        existing: InitrdModules<'_>,
        decoder: &mut dyn Decoder,
    ) -> Result<IndexFiles, DirectoryError> {
        let options = self.options.clone().selection(Selection::Files(files));
        let in_turn = InTurn::new(source, decoder, &options.limits);
        let mut hooks = EveryModule { in_turn, existing, listed: &mut |_, _| Next::Continue };
        Ok(drive(&options, source, &mut hooks, &mut ())?.complete(&mut ())?.1.files)
    }

    fn report_missing(&self, list: &ModuleList, reporter: &mut dyn Reporter) {
        let path = self.options.path_of(Order::FILE_NAME);
        if let Ok(order) = self.source.read(&path, self.options.limits.text_size) {
            folded::report(&order, list, reporter);
        }
    }

    /// The absolute form of a path in the outputs.
    #[must_use]
    pub fn absolute(&self, path: &[u8]) -> BString {
        if path.starts_with(b"/") {
            path.into()
        } else {
            [self.options.directory.as_slice(), b"/", path].concat().into()
        }
    }
}

/// Decompresses a stored archive; the first bytes determine the format: gzip, xz, zstd or plain. The stored
/// bytes are freed as early as possible.
///
/// # Errors
/// When it is corrupt, or larger than [`Limits::archive_size`].
pub fn open_archive(
    stored: Vec<u8>,
    decoder: &mut dyn Decoder,
    limits: &Limits,
) -> Result<Vec<u8>, DecodeError> {
    let Some(format) = Compression::detect(&stored) else { return Ok(stored) };
    let limits = Limits { module_size: limits.archive_size, ..limits.clone() };
    let mut plain = Vec::new();
    decoder.decode(format, &stored, &limits, &mut plain)?;
    Ok(plain)
}

/// The modules that come from existing initrds: their absolute paths, and facts from the index files there.
#[derive(Clone, Copy, Default)]
pub(crate) struct InitrdModules<'k> {
    pub(crate) paths: Option<&'k BTreeSet<BString>>,
    pub(crate) facts: Option<&'k IndexedFacts>,
}

impl InitrdModules<'_> {
    fn has(&self, file: &ModuleFile) -> bool {
        self.paths.is_some_and(|paths| paths.contains(BStr::new(file.path())))
    }
}

/// Loads every module; an unreadable one ends the run, unless it comes from an existing initrd. Modules with
/// facts from there are not read.
struct EveryModule<'h, S> {
    in_turn: InTurn<'h, S>,
    existing: InitrdModules<'h>,
    listed: &'h mut dyn FnMut(&Listed, &mut dyn Reporter) -> Next,
}

impl<S: Source> EveryModule<'_, S> {
    fn load_one(&mut self, file: &ModuleFile) -> Load {
        let facts = self.existing.facts.filter(|_| self.existing.has(file));
        match facts.and_then(|facts| facts.get(file.name())) {
            Some(facts) => Ok(facts.clone()),
            None => self.in_turn.load_one(file.path()),
        }
    }
}

impl<S: Source> Hooks for EveryModule<'_, S> {
    fn listed(&mut self, listed: &Listed, reporter: &mut dyn Reporter) -> Next {
        (self.listed)(listed, reporter)
    }

    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        let mut loads = Vec::with_capacity(list.modules().len());
        for file in list.modules() {
            let load = self.load_one(file);
            let cause = match &load {
                Ok(facts) => facts.exports_invalid().then(IoError::invalid),
                Err(error) => Some(error.cause()),
            };
            if let Some(cause) = cause.filter(|_| !self.existing.has(file)) {
                return Err(Diagnostic::LoadModule { path: file.path().into(), cause });
            }
            loads.push(load);
        }
        Ok(loads)
    }
}

/// Runs the stages. The reason for ending early is in the error alone; earlier messages are reported.
fn drive<S: Source>(
    options: &Options,
    source: &S,
    hooks: &mut dyn Hooks,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Stopped> {
    run::run_with(options, source, hooks, &mut UntilStopped { reporter, stopped: false })
}

/// Passes messages on until there is a reason for ending early.
struct UntilStopped<'r> {
    reporter: &'r mut dyn Reporter,
    stopped: bool,
}

impl Reporter for UntilStopped<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.stopped {
            self.reporter.report(diagnostic);
        }
    }

    fn stop(&mut self, diagnostic: Diagnostic) -> Stopped {
        self.stopped = true;
        Stopped::because(&diagnostic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decompress::PureDecoder,
        parse::module::examples::module,
        source::{FaultySource, MemorySource},
    };
    use alloc::string::ToString;

    fn location() -> Location {
        Location { directory: "/m/6.1".into(), version: "6.1".into() }
    }

    fn modules() -> MemorySource {
        let mut source = MemorySource::new();
        source.insert(b"/m/6.1/modules.order", *b"k/a.ko\nk/b.ko\n");
        source.insert(b"/m/6.1/modules.builtin", *b"k/c.ko\n");
        source.insert(b"/m/6.1/modules.builtin.modinfo", *b"c.alias=fs-c\0");
        source.insert(b"/m/6.1/k/a.ko", module(&["a"], &[], &["alias=pci:v1"]));
        source.insert(b"/m/6.1/k/b.ko", module(&[], &["a"], &["softdep=pre: c"]));
        source
    }

    type Files = Result<(IndexFiles, Provenance), DirectoryError>;

    fn index_files<S: Source>(source: &S) -> (Files, Vec<Diagnostic>) {
        let (mut decoder, mut said) = (PureDecoder::default(), Vec::new());
        let directory = ModuleDirectory::new(source, &location(), &Limits::DEFAULT);
        let files = directory.index_files(&mut decoder, &mut said);
        (files, said)
    }

    #[test]
    fn unreadable_modules_are_errors() {
        let mut source = modules();
        source.insert(b"/m/6.1/k/broken.ko", *b"#!/bin/sh\n");
        let (files, said) = index_files(&source);
        assert_eq!(files.unwrap_err().to_string(), "bad module /m/6.1/k/broken.ko: Exec format error");
        assert_eq!(said, []);
    }

    #[test]
    fn failed_calls_are_reported_or_harmless() {
        let mut source = modules();
        let (computed, provenance) = index_files(&source).0.unwrap();
        assert_eq!(provenance, Provenance::Computed(Stale::Missing(Output::Dep)));
        assert_eq!(computed.get(Output::Dep), b"k/a.ko:\nk/b.ko: k/a.ko\n");
        let shipped = computed.iter().map(|(output, bytes)| (output.file_name(), bytes));
        shipped.for_each(|(name, bytes)| source.insert(&[b"/m/6.1/", name.as_bytes()].concat(), bytes));
        assert_eq!(index_files(&source), (Ok((computed.clone(), Provenance::Shipped)), Vec::new()));

        for source in [modules(), source] {
            let calls = FaultySource::counting(&source);
            assert!(index_files(&calls).0.is_ok());
            for call in 0..calls.calls() {
                let faulty = FaultySource::new(&source, call, IoError::other("fault"));
                if let (Ok((files, _)), said) = index_files(&faulty) {
                    assert!(files == computed || !said.is_empty(), "call {call}");
                }
            }
        }
    }
}
