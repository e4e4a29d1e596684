//! The files with the name of a module, and the line of `depmod.d` that decides between them.

use alloc::vec::Vec;

use bstr::BString;

use crate::{
    diagnostic::{Diagnostic, FileLine, Reporter, Stopped},
    list::{
        Listing, ModuleFile,
        config::{Config, Rule},
    },
    options::Options,
    source::Source,
};

/// The files with one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesOfName {
    /// The winner, which the indexes are made from.
    pub winner: Option<NamedFile>,
    /// The others in the order of the walk, each with the reason.
    pub losers: Vec<(NamedFile, Rule)>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Its path, as in `modules.dep`.
    pub path: BString,
    /// Its absolute path.
    pub absolute: BString,
    /// The `external` line of the directory that it is in.
    pub external: Option<FileLine>,
}

/// Walks through the module directory for all files with this module name. What is odd in the directory is
/// reported, as in a run; a missing `modules.order` does not matter here.
///
/// # Errors
/// When the directory cannot be walked, or the machine fails.
pub fn files_of_name<S: Source>(
    options: &Options,
    source: &S,
    name: &[u8],
    reporter: &mut dyn Reporter,
) -> Result<FilesOfName, Stopped> {
    let mut reporter = WithoutOrder(reporter);
    let mut listing = Listing::new(options, source, &mut reporter);
    let found: Vec<ModuleFile> = listing.by_ref().filter(|file| file.name() == name).collect();
    let list = listing.finish(found.clone())?;
    let Some(winner) = list.get(0) else { return Ok(FilesOfName::default()) };
    // Its messages have been reported, and a fault of the machine has ended the listing.
    let Options { config_paths, version, limits, directory, .. } = options;
    let config = Config::load(source, config_paths, version, limits, &mut ()).unwrap_or_default();
    let named = |file: &ModuleFile| NamedFile {
        path: file.printed_path().into(),
        absolute: file.path().into(),
        external: config.external_line(file.path()).cloned(),
    };
    let losers = found.iter().filter(|file| file.path() != winner.path());
    let losers =
        losers.map(|file| (named(file), config.rule(directory, winner.path(), file.path()))).collect();
    Ok(FilesOfName { winner: Some(named(winner)), losers })
}

struct WithoutOrder<'r>(&'r mut dyn Reporter);

impl Reporter for WithoutOrder<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if !matches!(diagnostic, Diagnostic::OpenSideFile { .. }) {
            self.0.report(diagnostic);
        }
    }
}
