//! The builder of the initrd: plans the load order, collects its files.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use bstr::BString;

use super::super::{
    DirectoryError, Location, ModuleDirectory, PackError, Provenance, directory::InitrdModules,
    pack::collect_below,
};
use super::{
    error::InitrdError,
    existing::{ExistingInitrds, ExistingModules},
    overlay::Overlay,
};
use crate::{
    answer::{LoadOrder, Request, plan},
    cpio::Builder,
    decompress::Decoder,
    diagnostic::Reporter,
    limits::Limits,
    name::module_name,
    output::IndexFiles,
    run::SIDE_FILES,
    source::{AnySource, Source},
};

/// The modules to load.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Wanted {
    /// Names, aliases and globs of modules.
    pub requests: Vec<Request>,
    /// Modules excluded from matches of aliases and globs, from
    /// [`BootEntry::blacklist`](crate::parts::boot::BootEntry::blacklist).
    pub blacklist: Vec<BString>,
}

impl Wanted {
    /// The modules for these requests.
    #[must_use]
    pub fn new(requests: Vec<Request>) -> Self {
        Self { requests, ..Self::default() }
    }

    /// Sets [`Self::blacklist`].
    #[must_use]
    pub fn blacklist(self, blacklist: Vec<BString>) -> Self {
        Self { blacklist, ..self }
    }
}

/// An initrd, with its load order and report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModuleInitrd {
    /// The newc archive.
    pub archive: Vec<u8>,
    /// The modules in it.
    pub order: LoadOrder,
    /// The modules and their reasons, as in the archive.
    pub report: String,
    /// Origin of the dependencies.
    pub provenance: Provenance,
    /// Number of modules in the existing initrds.
    pub existing_modules: usize,
}

/// Builds initrds from a module directory, to be unpacked over existing initrds.
#[derive(Clone, Copy, Debug)]
pub struct InitrdBuilder<'b, S> {
    source: &'b S,
    location: &'b Location,
    existing: &'b ExistingInitrds<'b>,
    limits: &'b Limits,
}

impl<'b, S: Source> InitrdBuilder<'b, S> {
    /// A builder with the modules of this directory.
    #[must_use]
    pub fn new(
        source: &'b S,
        location: &'b Location,
        existing: &'b ExistingInitrds<'b>,
        limits: &'b Limits,
    ) -> Self {
        Self { source, location, existing, limits }
    }

    /// Plans the load order and packs its modules. Requests without a module are not errors; they are in
    /// [`LoadOrder::unplanned`] and in the report.
    ///
    /// # Errors
    /// When the directory cannot be read, or a relevant module is unreadable: a module of the load order, or
    /// any module if the index files have to be computed. Unreadable modules in existing initrds are ignored.
    pub fn build(
        &self,
        wanted: &Wanted,
        decoder: &mut dyn Decoder,
        reporter: &mut dyn Reporter,
    ) -> Result<ModuleInitrd, InitrdError> {
        let source = AnySource::new(self.source);
        let directory = ModuleDirectory::new(&source, self.location, self.limits);
        let (order, provenance) = {
            let (files, provenance) = directory.index_files(decoder, reporter)?;
            let lookup = files.lookup()?.steps(self.limits.steps).blacklist(wanted.blacklist.iter().cloned());
            (plan(&lookup, &wanted.requests)?, provenance)
        };
        let report = order.report(&self.location.version);
        let (builder, existing_modules) = self.collect(&directory, &order, &report, decoder)?;
        let archive = self.finish(builder)?;
        Ok(ModuleInitrd { archive, order, report, provenance, existing_modules })
    }

    /// Packs a load order that was made already, and further files, given by their paths in the archive. Its
    /// directory `lib` gets another path, such as `usr/lib`.
    ///
    /// # Errors
    /// As [`Self::build`].
    #[cfg(feature = "answers")]
    pub fn pack(
        &self,
        order: &LoadOrder,
        further: impl IntoIterator<Item = (BString, Vec<u8>)>,
        lib: &[u8],
        decoder: &mut dyn Decoder,
    ) -> Result<Vec<u8>, InitrdError> {
        let source = AnySource::new(self.source);
        let directory = ModuleDirectory::new(&source, self.location, self.limits);
        let report = order.report(&self.location.version);
        let (mut builder, _) = self.collect(&directory, order, &report, decoder)?;
        further.into_iter().for_each(|(path, bytes)| builder.file(&path, bytes));
        Ok(self.finish(builder.moved(b"lib", lib))?)
    }

    /// The index files of new and existing modules. Of two modules with the same name, the new one takes
    /// precedence: at the same path it replaces the existing one, and at another path it is the one in the
    /// load order.
    fn index_files(
        &self,
        directory: &AnyDirectory<'_, '_>,
        order: &LoadOrder,
        present: &ExistingModules,
        decoder: &mut dyn Decoder,
    ) -> Result<IndexFiles, DirectoryError> {
        let mut names: BTreeSet<&[u8]> = BTreeSet::new();
        names.extend(order.modules.iter().map(|module| module.name.as_slice()));
        let mut files: Vec<BString> =
            order.modules.iter().map(|module| directory.absolute(&module.path)).collect();
        let source = AnySource::new(directory.source());
        let mut overlay = Overlay::new(source, directory.path(), self.existing, &present.directory);
        for path in &present.paths {
            let name: Vec<u8> = module_name(path).collect();
            if !names.contains(&*name) {
                files.push(directory.absolute(path));
                overlay.take_from_existing(directory.absolute(path));
            }
        }
        for name in SIDE_FILES {
            let path = directory.absolute(name.as_bytes());
            if directory.source().stat(&path).is_err() {
                overlay.take_from_existing(path);
            }
        }
        // Warnings have already been reported for the whole directory.
        let initrd_modules =
            InitrdModules { paths: Some(overlay.existing_paths()), facts: present.facts.as_ref() };
        directory.computed_from(&AnySource::new(&overlay), files, initrd_modules, decoder)
    }

    /// The archive's content, and the number of modules in the existing initrds.
    fn collect(
        &self,
        directory: &AnyDirectory<'_, '_>,
        order: &LoadOrder,
        report: &str,
        decoder: &mut dyn Decoder,
    ) -> Result<(Builder<'static>, usize), InitrdError> {
        let Self { location, existing, limits, .. } = self;
        let present = existing.modules(&location.version, limits);
        let files = self.index_files(directory, order, &present, decoder)?;
        let paths = order.modules.iter().map(|module| module.path.as_slice());
        let inside = |name: &[u8]| [present.directory.as_slice(), b"/", name].concat();
        let mut builder = collect_below(&inside(b""), directory.source(), location, paths, &files, limits)?;
        let names: Vec<&[u8]> = order.to_load().map(|module| module.name.as_slice()).collect();
        let mut load = Vec::new();
        order.to_load().for_each(|module| push_line(&mut load, &module.path));
        let mut list = Vec::new();
        names.iter().for_each(|name| push_line(&mut list, name));
        builder.file(&inside(b"modules.load"), load);
        builder.file(&inside(b"depmod-report.txt"), report.as_bytes().to_vec());
        builder.file(b"etc/modules-load.d/depmod.conf", list);
        let listed = existing.file(b"/conf/modules", limits.text_size).unwrap_or_default();
        builder.file(b"conf/modules", with_missing_names(listed, &names));
        Ok((builder, present.paths.len()))
    }

    fn finish(&self, builder: Builder<'_>) -> Result<Vec<u8>, PackError> {
        Ok(builder.build_onto(&|path| self.existing.has_directory(path))?)
    }
}

/// A module directory with a type-erased source.
type AnyDirectory<'t, 's> = ModuleDirectory<'t, AnySource<'s>>;

/// Appends missing names to a list of modules, which has one module per line, with parameters.
fn with_missing_names(list: Vec<u8>, names: &[&[u8]]) -> Vec<u8> {
    let first_word = |line: &[u8]| -> Vec<u8> {
        let word = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
        module_name(word.unwrap_or_default()).collect()
    };
    let mut there: BTreeSet<Vec<u8>> = BTreeSet::new();
    there.extend(list.split(|&b| b == b'\n').map(first_word));
    let mut list = list;
    if list.last().is_some_and(|&b| b != b'\n') {
        list.push(b'\n');
    }
    names.iter().filter(|name| !there.contains(**name)).for_each(|name| push_line(&mut list, name));
    list
}

fn push_line(text: &mut Vec<u8>, line: &[u8]) {
    text.extend_from_slice(line);
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::with_missing_names;

    #[test]
    fn missing_names_are_appended() {
        let list = b"# first\ndm-mod\n  loop max_loop=8\nlast".to_vec();
        let names: [&[u8]; 4] = [b"dm_mod", b"virtio_blk", b"loop", b"max_loop"];
        let expected = b"# first\ndm-mod\n  loop max_loop=8\nlast\nvirtio_blk\nmax_loop\n";
        assert_eq!(with_missing_names(list, &names), expected);
        assert_eq!(with_missing_names(b"".to_vec(), &names[..1]), b"dm_mod\n");
    }
}
