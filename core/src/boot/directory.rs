//! The modules of one kernel version with their index files, from any source.
//!
//! Modules are in a directory of a [`Source`]: a disk, a firmware volume, or an archive, decompressed by
//! [`open_archive`] and parsed by [`Archive`](super::Archive). [`locate`](super::locate()) finds the
//! directory, [`ModuleDirectory`] lists its modules and provides index files for them:
//!
//! * the shipped index files, if they are [valid](ModuleDirectory::shipped): checking five indexes takes
//!   milliseconds;
//! * otherwise [computed](ModuleDirectory::computed) index files, which requires reading every module.
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
//! let directory = ModuleDirectory::open(&source, &location, &Limits::DEFAULT, &mut messages)?;
//! let (files, provenance) = directory.index_files(&mut PureDecoder::default(), &mut messages)?;
//! assert_eq!(provenance, Provenance::Computed(Stale::Missing(Output::Dep)));
//! assert_eq!(files.get(Output::Dep), b"");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{collections::BTreeSet, vec::Vec};

use bstr::BString;

use super::{DirectoryError, Location, folded, indexed_facts::IndexedFacts};
use crate::{
    answer::{Stale, ensure_fit},
    decompress::{Compression, DecodeError, Decoder},
    diagnostic::{Diagnostic, Reporter, Stopped},
    limits::Limits,
    list::{ModuleFile, ModuleList, Order},
    options::{Options, Selection},
    output::{IndexFiles, Output},
    run::{self, Hooks, InTurn, Listed, Load},
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

/// The modules of one kernel version.
#[derive(Debug)]
pub struct ModuleDirectory<'s, S> {
    source: &'s S,
    options: Options,
    listed: Listed,
}

impl<'s, S: Source> ModuleDirectory<'s, S> {
    /// Lists the modules. Of several modules with the same name, the one that kmod prefers without
    /// configuration counts.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(
        source: &'s S,
        location: &Location,
        limits: &Limits,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, DirectoryError> {
        let options = location.options().limits(limits.clone());
        let listed = report_on_success(reporter, |said| run::list(&options, source, &mut ListOnly, said))?;
        Ok(Self { source, options, listed })
    }

    /// The modules, in order.
    #[must_use]
    pub fn list(&self) -> &ModuleList {
        &self.listed.list
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

    /// The limits it was opened with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// The shipped index files if they are valid, otherwise computed ones.
    ///
    /// # Errors
    /// As for [`Self::computed`].
    pub fn index_files(
        &self,
        decoder: &mut dyn Decoder,
        reporter: &mut dyn Reporter,
    ) -> Result<(IndexFiles, Provenance), DirectoryError> {
        match self.shipped() {
            Ok(files) => Ok((files, Provenance::Shipped)),
            Err(stale) => Ok((self.computed(decoder, reporter)?, Provenance::Computed(stale))),
        }
    }

    /// The shipped index files: all eleven, each structurally valid, and listing exactly the present modules.
    /// A module replaced at the same path is not detected.
    ///
    /// # Errors
    /// The reason for rejecting them.
    pub fn shipped(&self) -> Result<IndexFiles, Stale> {
        self.shipped_but_for(None)
    }

    /// Facts from shipped index files. Older releases of kmod do not write `modules.weakdep`.
    pub(crate) fn indexed_facts(&self) -> Option<IndexedFacts> {
        IndexedFacts::of(&self.shipped_but_for(Some(Output::Weakdep)).ok()?)
    }

    fn shipped_but_for(&self, missing: Option<Output>) -> Result<IndexFiles, Stale> {
        let mut files = Vec::new();
        for output in Output::ALL {
            let path = self.options.path_of(output.file_name());
            let bytes = match self.source.read(&path, self.options.limits.text_size) {
                Ok(bytes) => bytes,
                Err(_) if missing == Some(output) => b"\n".to_vec(),
                Err(_) => return Err(Stale::Missing(output)),
            };
            files.push((output, bytes));
        }
        let files = IndexFiles::new(files);
        ensure_fit(&files, &self.listed.list, self.listed.builtin.as_deref().ok())?;
        Ok(files)
    }

    /// Index files computed from all modules.
    ///
    /// # Errors
    /// When a module is unreadable, or there are dependency cycles: a load order without these modules could
    /// lack dependencies of others.
    pub fn computed(
        &self,
        decoder: &mut dyn Decoder,
        reporter: &mut dyn Reporter,
    ) -> Result<IndexFiles, DirectoryError> {
        compute(&self.options, self.source, &self.listed, InitrdModules::default(), decoder, reporter)
    }

    /// Index files for exactly these modules, as `depmod` would generate them for a directory without others.
    /// Paths are relative to the directory or absolute.
    ///
    /// # Errors
    /// As for [`Self::computed`].
    pub fn computed_for<'p>(
        &self,
        paths: impl Iterator<Item = &'p [u8]>,
        decoder: &mut dyn Decoder,
        reporter: &mut dyn Reporter,
    ) -> Result<IndexFiles, DirectoryError> {
        let files = paths.map(|path| self.absolute(path)).collect();
        self.computed_from(self.source, files, InitrdModules::default(), decoder, reporter)
    }

    /// The same for files of another source with these absolute paths.
    pub(crate) fn computed_from<T: Source>(
        &self,
        source: &T,
        files: Vec<BString>,
        existing: InitrdModules<'_>,
        decoder: &mut dyn Decoder,
        reporter: &mut dyn Reporter,
    ) -> Result<IndexFiles, DirectoryError> {
        let options = self.options.clone().selection(Selection::Files(files));
        let listed = run::list(&options, source, &mut ListOnly, &mut ())?;
        compute(&options, source, &listed, existing, decoder, reporter)
    }

    /// Reports every missing module of `modules.order`; case-insensitive file systems lose modules.
    pub fn report_missing(&self, reporter: &mut dyn Reporter) {
        let path = self.options.path_of(Order::FILE_NAME);
        if let Ok(order) = self.source.read(&path, self.options.limits.text_size) {
            folded::report(&order, &self.listed.list, reporter);
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

/// Modules of existing initrds: absolute paths, and facts from the index files there.
#[derive(Clone, Copy, Default)]
pub(crate) struct InitrdModules<'k> {
    pub(crate) paths: Option<&'k BTreeSet<BString>>,
    pub(crate) facts: Option<&'k IndexedFacts>,
}

impl InitrdModules<'_> {
    fn has(&self, file: &ModuleFile) -> bool {
        self.paths.is_some_and(|paths| paths.contains(bstr::BStr::new(file.path())))
    }
}

/// Loads nothing; only for listing.
struct ListOnly;

impl Hooks for ListOnly {
    fn load(&mut self, _: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        Ok(Vec::new())
    }
}

/// Loads modules; an unreadable one is an error, unless it belongs to an existing initrd. A module with facts
/// there is not read.
struct Strict<'h, S> {
    in_turn: InTurn<'h, S>,
    existing: InitrdModules<'h>,
    broken: Option<DirectoryError>,
}

impl<S: Source> Strict<'_, S> {
    fn load_one(&mut self, file: &ModuleFile) -> Load {
        let facts = self.existing.facts.filter(|_| self.existing.has(file));
        match facts.and_then(|facts| facts.get(file.name())) {
            Some(facts) => Ok(facts.clone()),
            None => self.in_turn.load_one(file.path()),
        }
    }
}

impl<S: Source> Hooks for Strict<'_, S> {
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        let mut loads = Vec::with_capacity(list.modules().len());
        for file in list.modules() {
            let load = self.load_one(file);
            let cause = match &load {
                Ok(facts) => facts.exports_invalid().then(IoError::invalid),
                Err(error) => Some(error.cause()),
            };
            if let Some(cause) = cause.filter(|_| !self.existing.has(file)) {
                let path = BString::from(file.path());
                self.broken = Some(DirectoryError::Module { path: path.clone(), cause: cause.clone() });
                return Err(Diagnostic::LoadModule { path, cause });
            }
            loads.push(load);
        }
        Ok(loads)
    }
}

/// Runs the stages from reading on. Messages are reported only on success; otherwise the error contains the
/// cause.
fn compute<S: Source>(
    options: &Options,
    source: &S,
    listed: &Listed,
    existing: InitrdModules<'_>,
    decoder: &mut dyn Decoder,
    reporter: &mut dyn Reporter,
) -> Result<IndexFiles, DirectoryError> {
    let in_turn = InTurn::new(source, decoder, &options.limits);
    let mut hooks = Strict { in_turn, existing, broken: None };
    let indexed = report_on_success(reporter, |said| run::index(options, listed, &mut hooks, said));
    match (indexed, hooks.broken) {
        (Ok(indexed), _) => Ok(indexed.files),
        (Err(_), Some(broken)) => Err(broken),
        (Err(stopped), None) => Err(stopped.into()),
    }
}

/// Forwards messages on success.
fn report_on_success<T>(
    reporter: &mut dyn Reporter,
    stage: impl FnOnce(&mut Vec<Diagnostic>) -> Result<T, Stopped>,
) -> Result<T, Stopped> {
    let mut said = Vec::new();
    let done = stage(&mut said)?;
    said.into_iter().for_each(|message| reporter.report(message));
    Ok(done)
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
        let directory = ModuleDirectory::open(source, &location(), &Limits::DEFAULT, &mut said);
        let files = directory.and_then(|directory| directory.index_files(&mut decoder, &mut said));
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
