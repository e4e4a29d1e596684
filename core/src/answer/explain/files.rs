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
    run::Load,
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

/// Walks through the module directory for all files with this module name. Irregularities of the directory are
/// reported, as in a run; a missing `modules.order` does not matter here. Of several files, each is loaded by its
/// absolute path: the best readable file wins.
///
/// # Errors
/// When the directory cannot be walked, or the machine fails.
pub fn files_of_name<S: Source>(
    options: &Options,
    source: &S,
    name: &[u8],
    load: &mut dyn FnMut(&[u8]) -> Load,
    reporter: &mut dyn Reporter,
) -> Result<FilesOfName, Stopped> {
    let mut reporter = WithoutOrder(reporter);
    let mut listing = Listing::new(options, source, &mut reporter);
    let found: Vec<ModuleFile> = listing.by_ref().filter(|file| file.name() == name).collect();
    let mut readable = found.clone();
    if found.len() > 1 {
        readable.retain(|file| load(file.path()).is_ok());
    }
    let is_readable = |file: &ModuleFile| readable.iter().any(|other| other.path() == file.path());
    let list = listing.finish(if readable.is_empty() { found.clone() } else { readable.clone() })?;
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
    let loser = |file: &ModuleFile| {
        let rule = match is_readable(file) || !is_readable(winner) {
            true => config.rule(directory, winner.path(), file.path()),
            false => Rule::Unreadable,
        };
        (named(file), rule)
    };
    let losers = losers.map(loser).collect();
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
