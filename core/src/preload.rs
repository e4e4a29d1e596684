//! From requests to an initrd that holds their stack of modules.
//!
//! What firmware adds to a kernel's initrds. For a request that only `virtio_blk` answers to:
//!
//! ```text
//! conf/modules                         names in loading order, for initramfs-tools
//! etc/modules-load.d/depmod.conf       the same for systemd
//! lib/modules/6.1.0/kernel/…           the stack's modules as they are stored
//! lib/modules/6.1.0/modules.*          the eleven index files for exactly these; modules.order,
//!                                      modules.builtin and modules.builtin.modinfo as given
//! lib/modules/6.1.0/modules.load       paths in loading order, one a line, as Android has it
//! lib/modules/6.1.0/depmod-report.txt  what was chosen and why
//! ```
//!
//! It goes on top of the [`base`](crate::base) initrds and leaves them whole, although Linux lets a later
//! archive's files replace an earlier one's. Modules of this version in them are in the index files, too;
//! their `conf/modules` goes on with our names; directories that they have get no entry, and so keep their
//! modes; and if the tree comes without `modules.order` or `modules.builtin`, theirs stay.
//!
//! The archive is a function of the tree, the requests and the base initrds: what measures it at boot sees
//! the same bytes each time.

use alloc::{collections::BTreeSet, string::String, vec::Vec};
use core::fmt;

use crate::{
    base::{Base, BaseModules, Merged},
    decompress::Decoder,
    host::{AnySource, Reporter, Source},
    index::IndexError,
    limits::Limits,
    name::module_name,
    pack::{PackError, SIDE_FILES, collect_below},
    plan::{Request, Stack, resolve},
    tree::{IndexFiles, Known, ModuleTree, Place, Provenance, TreeError},
};

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Names, aliases and globs to find modules for.
    pub requests: Vec<Request>,
    /// Modules that aliases and globs must not bring in, as
    /// [`BootEntry::blacklist`](crate::entry::BootEntry::blacklist) gives them.
    pub blacklist: Vec<Vec<u8>>,
}

/// An initrd, and how it came about.
#[derive(Clone, Debug)]
pub struct Preload {
    /// The newc archive.
    pub archive: Vec<u8>,
    /// The modules in it.
    pub stack: Stack,
    /// What was chosen and why, as in the archive.
    pub report: String,
    /// What told the dependencies.
    pub provenance: Provenance,
    /// How many modules the base initrds have.
    pub base_modules: usize,
}

/// Why there is no initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreloadError {
    /// The tree gives nothing.
    Tree(TreeError),
    /// An index cannot be searched.
    Index(IndexError),
    /// The archive cannot be made.
    Pack(PackError),
}

impl fmt::Display for PreloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(error) => error.fmt(f),
            Self::Index(_) => f.write_str("cannot plan with the index files"),
            Self::Pack(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PreloadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Tree(error) => error.source(),
            Self::Index(error) => Some(error),
            Self::Pack(error) => error.source(),
        }
    }
}

impl From<TreeError> for PreloadError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

impl From<IndexError> for PreloadError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl From<PackError> for PreloadError {
    fn from(error: PackError) -> Self {
        Self::Pack(error)
    }
}

/// Plans, and packs what goes on top of `base`. Requests that nobody answers to are no failure; [`Stack::findings`] and the report
/// name them.
///
/// # Errors
/// When the tree cannot be read, or a module that counts is broken: one of the stack's in any case, any
/// at all where the index files have to be computed. Broken ones in `base` do not matter.
pub fn prepare<S: Source>(
    source: &S,
    place: &Place,
    wishes: &Wishes,
    base: &Base<'_>,
    decoder: &mut dyn Decoder,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Preload, PreloadError> {
    let source = AnySource::new(source);
    let tree = ModuleTree::open(&source, place, limits, reporter)?;
    tree.report_lost(reporter);
    let (stack, provenance) = {
        let (files, provenance) = tree.index_files(decoder, reporter)?;
        let indexes = files.indexes(limits.steps)?.without(wishes.blacklist.iter().cloned());
        (resolve(&indexes, &wishes.requests)?, provenance)
    };
    let report = stack.report(&place.version, &wishes.requests);
    let (archive, base_modules) = archive(&tree, place, &stack, &report, base, decoder)?;
    Ok(Preload { archive, stack, report, provenance, base_modules })
}

/// A module tree of any source.
type AnyTree<'t, 's> = ModuleTree<'t, AnySource<'s>>;

/// The index files of our modules and the base's together. Of two modules with one name ours counts: at the
/// base's path it takes the base's place, and at another it is the one that is known to be needed.
fn index_files(
    tree: &AnyTree<'_, '_>,
    stack: &Stack,
    base: &Base<'_>,
    theirs: &BaseModules,
    decoder: &mut dyn Decoder,
) -> Result<IndexFiles, TreeError> {
    let names: BTreeSet<&[u8]> = stack.modules.iter().map(|module| &*module.name).collect();
    let mut files: Vec<Vec<u8>> = stack.modules.iter().map(|module| tree.absolute(&module.path)).collect();
    let source = AnySource::new(tree.source());
    let mut merged = Merged::new(source, tree.directory(), base, &theirs.directory);
    for path in &theirs.paths {
        let name: Vec<u8> = module_name(path).collect();
        if !names.contains(&*name) {
            files.push(tree.absolute(path));
            merged.take_from_base(tree.absolute(path));
        }
    }
    for name in SIDE_FILES {
        let path = tree.absolute(name.as_bytes());
        if tree.source().stat(&path).is_err() {
            merged.take_from_base(path);
        }
    }
    // What there is to warn about has been said of the whole tree.
    let known = Known { paths: Some(merged.of_base()), facts: theirs.facts.as_ref() };
    tree.computed_from(&AnySource::new(&merged), files, &known, decoder, &mut Vec::new())
}

fn archive(
    tree: &AnyTree<'_, '_>,
    place: &Place,
    stack: &Stack,
    report: &str,
    base: &Base<'_>,
    decoder: &mut dyn Decoder,
) -> Result<(Vec<u8>, usize), PreloadError> {
    let limits = tree.limits();
    let theirs = base.modules(&place.version, limits);
    let files = index_files(tree, stack, base, &theirs, decoder)?;
    let paths = stack.modules.iter().map(|module| &*module.path);
    let inside = |name: &[u8]| [&*theirs.directory, b"/", name].concat();
    let mut builder = collect_below(&inside(b""), tree.source(), place, paths, &files, limits)?;
    let names: Vec<&[u8]> = stack.load_order().map(|module| &*module.name).collect();
    let mut load = Vec::new();
    stack.load_order().for_each(|module| push_line(&mut load, &module.path));
    let mut list = Vec::new();
    names.iter().for_each(|name| push_line(&mut list, name));
    builder.file(&inside(b"modules.load"), load);
    builder.file(&inside(b"depmod-report.txt"), report.as_bytes().to_vec());
    builder.file(b"etc/modules-load.d/depmod.conf", list);
    let listed = base.file(b"/conf/modules", limits.text_size).unwrap_or_default();
    builder.file(b"conf/modules", continued(listed, &names));
    let archive = builder.build_onto(&|path| base.has_directory(path)).map_err(PackError::from)?;
    Ok((archive, theirs.paths.len()))
}

/// A list of modules, one a line with its parameters behind it, and those names that it lacks.
fn continued(list: Vec<u8>, names: &[&[u8]]) -> Vec<u8> {
    let first_word = |line: &[u8]| -> Vec<u8> {
        let word = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
        module_name(word.unwrap_or_default()).collect()
    };
    let there: BTreeSet<Vec<u8>> = list.split(|&b| b == b'\n').map(first_word).collect();
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
    use super::continued;

    #[test]
    fn a_list_goes_on() {
        let list = b"# first\ndm-mod\n  loop max_loop=8\nlast".to_vec();
        let names: [&[u8]; 4] = [b"dm_mod", b"virtio_blk", b"loop", b"max_loop"];
        let expected = b"# first\ndm-mod\n  loop max_loop=8\nlast\nvirtio_blk\nmax_loop\n";
        assert_eq!(continued(list, &names), expected);
        assert_eq!(continued(b"".to_vec(), &names[..1]), b"dm_mod\n");
    }
}
