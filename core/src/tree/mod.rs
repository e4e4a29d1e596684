//! The modules of one kernel version with their index files, wherever they come from.
//!
//! Modules lie in a directory of some [`Source`]: a disk, a firmware volume, or an archive that
//! [`open_archive`] has decompressed and [`cpio::Archive`](crate::cpio::Archive) understood. [`locate`] finds the
//! directory, [`ModuleTree`] knows the modules in it, and gives index files for them:
//!
//! * the ones that came along, if they are [sound](ModuleTree::shipped): a look into five indexes takes
//!   milliseconds;
//! * else [computed](ModuleTree::computed) ones, for which every module is read.
//!
//! What is planned with them is the same, because planning reads nothing else.
//!
//! ```
//! use depmod_core::{decompress::PureDecoder, host::MemoryHost, limits::Limits};
//! use depmod_core::tree::{ModuleTree, Provenance, Stale, locate};
//! use depmod_core::output::Output;
//!
//! let mut host = MemoryHost::new();
//! host.insert(b"/recovery/lib/modules/6.1/modules.order", *b"");
//! let place = locate(&host, b"/recovery", None)?;
//! assert_eq!((&*place.directory, &*place.version), (&b"/recovery/lib/modules/6.1"[..], "6.1"));
//!
//! let mut messages = Vec::new();
//! let tree = ModuleTree::open(&host, &place, &Limits::DEFAULT, &mut messages)?;
//! let (files, provenance) = tree.index_files(&mut PureDecoder::default(), &mut messages)?;
//! assert_eq!(provenance, Provenance::Computed(Stale::Missing(Output::Dep)));
//! assert_eq!(files.get(Output::Dep), b"");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod index_files;
mod known;
mod lost;
mod place;
mod verify;

pub use error::TreeError;
pub use index_files::{IndexFiles, Provenance};
pub(crate) use known::KnownFacts;
pub use place::{Place, locate};
pub use verify::Stale;

use alloc::{collections::BTreeSet, vec::Vec};

use crate::{
    catalog::{Catalog, ModuleFile},
    decompress::{Compression, DecodeError, Decoder},
    diagnostic::Diagnostic,
    host::{Reporter, Source},
    limits::Limits,
    module::Loader,
    output::Output,
    pipeline::{Gathered, Loaded, Request, Resolved, Selection, Tables},
};

/// The modules of one kernel version.
#[derive(Debug)]
pub struct ModuleTree<'s, S> {
    source: &'s S,
    request: Request,
    catalog: Catalog,
}

impl<'s, S: Source> ModuleTree<'s, S> {
    /// Lists the modules. Of several with one name the one counts that kmod prefers without configuration.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(
        source: &'s S,
        place: &Place,
        limits: &Limits,
        reporter: &mut impl Reporter,
    ) -> Result<Self, TreeError> {
        let request = Request { limits: limits.clone(), ..place.request() };
        let gathered = gather(&request, source, reporter)?;
        Ok(Self { source, catalog: gathered.catalog().clone(), request })
    }

    /// The modules, in order.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Where the modules are.
    #[must_use]
    pub fn directory(&self) -> &[u8] {
        &self.request.directory
    }

    /// What holds them.
    #[must_use]
    pub fn source(&self) -> &'s S {
        self.source
    }

    /// The ceilings that it was opened with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.request.limits
    }

    /// The index files that came along if they can be trusted, else computed ones.
    ///
    /// # Errors
    /// As [`Self::computed`].
    pub fn index_files(
        &self,
        decoder: &mut dyn Decoder,
        reporter: &mut impl Reporter,
    ) -> Result<(IndexFiles, Provenance), TreeError> {
        match self.shipped() {
            Ok(files) => Ok((files, Provenance::Shipped)),
            Err(stale) => Ok((self.computed(decoder, reporter)?, Provenance::Computed(stale))),
        }
    }

    /// The index files that came along: all eleven, each sound in structure, and naming exactly the
    /// modules that are there. That a module was exchanged for another with the same path does not show.
    ///
    /// # Errors
    /// Why they cannot be trusted.
    pub fn shipped(&self) -> Result<IndexFiles, Stale> {
        self.shipped_but_for(None)
    }

    /// What such index files tell of the modules. Older kmods make no `modules.weakdep`.
    pub(crate) fn known_facts(&self) -> Option<KnownFacts> {
        KnownFacts::of(&self.shipped_but_for(Some(Output::Weakdep)).ok()?)
    }

    fn shipped_but_for(&self, missing: Option<Output>) -> Result<IndexFiles, Stale> {
        let limits = &self.request.limits;
        let read = |name: &str| {
            self.source.read(&[&*self.request.directory, b"/", name.as_bytes()].concat(), limits.text_size)
        };
        let mut files = Vec::new();
        for output in Output::ALL {
            let bytes = match read(output.file_name()) {
                Ok(bytes) => bytes,
                Err(_) if missing == Some(output) => b"\n".to_vec(),
                Err(_) => return Err(Stale::Missing(output)),
            };
            files.push((output, bytes));
        }
        let files = IndexFiles::new(files);
        let builtin = read("modules.builtin").ok();
        verify::verify(&files, &self.catalog, builtin.as_deref())?;
        Ok(files)
    }

    /// Index files for all modules, from the modules.
    ///
    /// # Errors
    /// When a module is broken, or modules need each other in a cycle: a plan made without them could
    /// lack what others need.
    pub fn computed(
        &self,
        decoder: &mut dyn Decoder,
        reporter: &mut impl Reporter,
    ) -> Result<IndexFiles, TreeError> {
        compute(&self.request, self.source, &Known::default(), decoder, reporter)
    }

    /// Index files for exactly these modules, given by path below the directory or absolute, as `depmod`
    /// makes them for a tree with no others.
    ///
    /// # Errors
    /// As [`Self::computed`].
    pub fn computed_for<'p>(
        &self,
        paths: impl Iterator<Item = &'p [u8]>,
        decoder: &mut dyn Decoder,
        reporter: &mut impl Reporter,
    ) -> Result<IndexFiles, TreeError> {
        let files = paths.map(|path| self.absolute(path)).collect();
        self.computed_from(self.source, files, &Known::default(), decoder, reporter)
    }

    /// The same for files of another source that has them at such absolute paths.
    pub(crate) fn computed_from<T: Source>(
        &self,
        source: &T,
        files: Vec<Vec<u8>>,
        known: &Known<'_>,
        decoder: &mut dyn Decoder,
        reporter: &mut impl Reporter,
    ) -> Result<IndexFiles, TreeError> {
        let request = Request { selection: Selection::Files(files), ..self.request.clone() };
        compute(&request, source, known, decoder, reporter)
    }

    /// Reports every module that `modules.order` names and that is not there, as happens where a file
    /// system folds case.
    pub fn report_lost(&self, reporter: &mut impl Reporter) {
        let path = [&*self.request.directory, b"/modules.order"].concat();
        if let Ok(order) = self.source.read(&path, self.request.limits.text_size) {
            lost::report(&order, &self.catalog, reporter);
        }
    }

    /// A path as the outputs show it, made absolute.
    #[must_use]
    pub fn absolute(&self, path: &[u8]) -> Vec<u8> {
        if path.starts_with(b"/") { path.to_vec() } else { [&*self.request.directory, b"/", path].concat() }
    }
}

/// An archive as it is stored, made plain: gzip, xz and zstd are told by their first bytes. The stored
/// bytes are given back to the allocator as soon as they are not needed.
///
/// # Errors
/// When it is broken, or larger than [`Limits::archive_size`].
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

/// Modules that belong to a base initrd: absolute paths, and what its index files tell of them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'k> {
    pub(crate) paths: Option<&'k BTreeSet<Vec<u8>>>,
    pub(crate) facts: Option<&'k KnownFacts>,
}

impl Known<'_> {
    fn has(&self, path: &[u8]) -> bool {
        self.paths.is_some_and(|paths| paths.contains(path))
    }
}

fn gather<S: Source>(
    request: &Request,
    source: &S,
    reporter: &mut impl Reporter,
) -> Result<Gathered, TreeError> {
    let mut said = Vec::new();
    let gathered = Gathered::new(request, source, &mut said);
    settle(gathered, said, reporter)
}

/// The stages from reading on; of the base's modules what is known is not read, and a broken one stays in the
/// list as in kmod. What was said while gathering has been reported already.
fn compute<S: Source>(
    request: &Request,
    source: &S,
    known: &Known<'_>,
    decoder: &mut dyn Decoder,
    reporter: &mut impl Reporter,
) -> Result<IndexFiles, TreeError> {
    let mut unheard = Vec::new();
    let gathered = gather(request, source, &mut unheard)?;
    let mut loader = Loader::new(&request.limits, decoder);
    let load = |module: &ModuleFile| {
        let facts = known.facts.filter(|_| known.has(module.path()));
        match facts.and_then(|facts| facts.get(module.name())) {
            Some(facts) => Ok(facts.clone()),
            None => loader.load(&mut source.open(module.path())?),
        }
    };
    let results = gathered.catalog().modules().iter().map(load).collect();
    let mut said = Vec::new();
    let loaded = Loaded::new(gathered.catalog(), results, &mut said);
    let broken = |message: &Diagnostic| match message {
        Diagnostic::LoadModule { path, cause } if !known.has(path) => {
            Some(TreeError::Module { path: path.clone(), cause: cause.clone() })
        }
        _ => None,
    };
    if let Some(error) = said.iter().find_map(broken) {
        return Err(error);
    }
    let tables = Tables::new(request, &gathered, &loaded);
    let emitted = Resolved::new(&tables, &mut Vec::new(), &mut said).and_then(|resolved| {
        let emit = |output| Ok((output, resolved.emit(output, &mut said)?));
        Output::ALL.into_iter().map(emit).collect::<Result<Vec<_>, _>>()
    });
    Ok(IndexFiles::new(settle(emitted, said, reporter)?))
}

/// Hands on what was said if all went well, else makes the first grave message the error.
fn settle<T, E>(
    result: Result<T, E>,
    said: Vec<Diagnostic>,
    reporter: &mut impl Reporter,
) -> Result<T, TreeError> {
    match result {
        Ok(done) => {
            said.into_iter().for_each(|message| reporter.report(message));
            Ok(done)
        }
        Err(_) => Err(TreeError::first_of(said)),
    }
}
