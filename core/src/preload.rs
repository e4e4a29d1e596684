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
//! The archive is a function of the tree and the requests: what measures it at boot sees the same bytes
//! each time. Index files of the same version in an earlier initrd are replaced by these, so base initrds
//! should come without modules, or their modules be requested too.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{
    decompress::Decoder,
    host::{Reporter, Source},
    index::IndexError,
    limits::Limits,
    pack::{PackError, collect},
    plan::{Request, Stack, resolve},
    tree::{ModuleTree, Place, Provenance, TreeError},
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

/// Plans and packs. Requests that nobody answers to are no failure; [`Stack::findings`] and the report
/// name them.
///
/// # Errors
/// When the tree cannot be read, or a module that counts is broken: one of the stack's in any case, any
/// at all where the index files have to be computed.
pub fn prepare<S: Source>(
    source: &S,
    place: &Place,
    wishes: &Wishes,
    decoder: &mut dyn Decoder,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Preload, PreloadError> {
    let tree = ModuleTree::open(source, place, limits, reporter)?;
    tree.report_lost(reporter);
    let (stack, provenance) = {
        let (files, provenance) = tree.index_files(decoder, reporter)?;
        let indexes = files.indexes(limits.steps)?.without(wishes.blacklist.iter().cloned());
        (resolve(&indexes, &wishes.requests)?, provenance)
    };
    let report = stack.report(&place.version, &wishes.requests);
    let archive = archive(&tree, place, &stack, &report, decoder)?;
    Ok(Preload { archive, stack, report, provenance })
}

fn archive<S: Source>(
    tree: &ModuleTree<'_, S>,
    place: &Place,
    stack: &Stack,
    report: &str,
    decoder: &mut dyn Decoder,
) -> Result<Vec<u8>, PreloadError> {
    let paths = || stack.modules.iter().map(|module| &*module.path);
    // What there is to warn about has been said of the whole tree.
    let files = tree.computed_for(paths(), decoder, &mut Vec::new())?;
    let mut builder = collect(tree.source(), place, paths(), &files, tree.limits())?;
    let lines = |items: &mut dyn Iterator<Item = &[u8]>| {
        let mut text = Vec::new();
        items.for_each(|item| {
            text.extend_from_slice(item);
            text.push(b'\n');
        });
        text
    };
    let names = lines(&mut stack.load_order().map(|module| &*module.name));
    let inside = |name: &str| alloc::format!("lib/modules/{}/{name}", place.version).into_bytes();
    builder.file(&inside("modules.load"), lines(&mut stack.load_order().map(|module| &*module.path)));
    builder.file(&inside("depmod-report.txt"), report.as_bytes().to_vec());
    builder.file(b"etc/modules-load.d/depmod.conf", names.clone());
    builder.file(b"conf/modules", names);
    Ok(builder.build().map_err(PackError::from)?)
}
