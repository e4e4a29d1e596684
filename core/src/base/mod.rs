//! Base initrds: what Linux finds beside the archive that [`preload`](crate::preload) adds.
//!
//! An initrd is a row of newc archives with zeros between them, each plain or compressed in one of the ways
//! that Linux knows (`Documentation/driver-api/early-userspace/buffer-format.rst`, `lib/decompress.c`).
//! Debian's with microcode in it:
//!
//! ```text
//! 30 37 30 37 30 31 …   070701: plain; kernel/x86/microcode/…, up to its TRAILER!!!
//! 00 00 00 …            zeros up to the next block
//! 28 b5 2f fd …         zstd: usr/, lib -> usr/lib, init, …
//! ```
//!
//! [`Plain`] is such an initrd without compression, [`Base`] what stands where when all are unpacked. Later
//! archives replace files of earlier ones, so what comes on top has to know what is there: index files are for
//! the modules of both, lists go on, directories stay as they are. If the base's own index files fit its modules,
//! they tell what is to be known of these; else the modules are read.
//!
//! ```
//! use depmod_core::{base::{Base, Plain}, cpio::Builder, decompress::PureDecoder, limits::Limits};
//!
//! let mut builder = Builder::new();
//! builder.file(b"conf/modules", &b"dm-mod\n"[..]);
//! let initrd = builder.build()?;
//! let plain = Plain::read(&initrd, &mut PureDecoder::default(), &Limits::DEFAULT)?;
//! let mut base = Base::default();
//! base.unpack(&plain, &Limits::DEFAULT)?;
//! assert!(base.has_directory(b"conf") && !base.has_directory(b"etc"));
//! assert_eq!(base.file(b"/conf/modules", 100), Some(b"dm-mod\n".to_vec()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod lz4;
mod merged;
mod plain;

pub use error::BaseError;
pub(crate) use merged::Merged;
pub use plain::Plain;

use alloc::vec::Vec;

use crate::cpio::Archive;
use crate::host::{AnySource, FileKind, Source};
use crate::limits::Limits;
use crate::tree::{KnownFacts, ModuleTree, Place};

/// Where modules of all versions can be.
const PARENTS: [&str; 2] = ["/lib/modules/", "/usr/lib/modules/"];

/// All base initrds, unpacked.
#[derive(Clone, Debug)]
pub struct Base<'p> {
    files: Archive<'p>,
}

/// The modules of one version in base initrds.
#[derive(Clone, Debug)]
pub struct BaseModules {
    /// Their directory, absolute. Where there is none, the usual one.
    pub directory: Vec<u8>,
    /// Paths below it, in order; of several modules with one name the one that kmod prefers.
    pub paths: Vec<Vec<u8>>,
    /// What their index files tell, if these fit.
    pub(crate) facts: Option<KnownFacts>,
}

impl Default for Base<'_> {
    fn default() -> Self {
        Self { files: Archive::empty() }
    }
}

impl<'p> Base<'p> {
    /// Unpacks an initrd over those before.
    ///
    /// # Errors
    /// When it has links that take too long to follow.
    pub fn unpack(&mut self, initrd: &'p Plain<'_>, limits: &Limits) -> Result<(), BaseError> {
        initrd.archives().try_for_each(|archive| self.files.unpack(archive, limits)).map_err(BaseError::Cpio)
    }

    /// Whether a directory stands at this path, links followed.
    #[must_use]
    pub fn has_directory(&self, path: &[u8]) -> bool {
        self.files.stat(path).is_ok_and(|stat| stat.kind == FileKind::Directory)
    }

    /// A file's content, links followed; `None` if there is none of at most `limit` bytes.
    #[must_use]
    pub fn file(&self, path: &[u8], limit: u64) -> Option<Vec<u8>> {
        self.files.read(path, limit).ok()
    }

    /// The files.
    #[must_use]
    pub fn source(&self) -> AnySource<'_> {
        AnySource::new(&self.files)
    }

    /// The modules of a version.
    #[must_use]
    pub fn modules(&self, version: &str, limits: &Limits) -> BaseModules {
        let [usual, other] = PARENTS.map(|parent| [parent, version].concat().into_bytes());
        let directory = if self.has_directory(&other) && !self.has_directory(&usual) { other } else { usual };
        let place = Place { directory, version: version.into() };
        // What is odd there was said when the initrd was made.
        let files = self.source();
        let tree = ModuleTree::open(&files, &place, limits, &mut Vec::new());
        let (paths, facts) = tree.map_or_else(
            |_| (Vec::new(), None),
            |tree| {
                let modules = tree.catalog().modules().iter();
                (modules.map(|module| module.printed_path().to_vec()).collect(), tree.known_facts())
            },
        );
        BaseModules { paths, facts, directory: place.directory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::Builder;
    use crate::decompress::PureDecoder;

    fn initrd(files: &[&[u8]]) -> Vec<u8> {
        let mut builder = Builder::new();
        files.iter().for_each(|path| builder.file(path, *path));
        builder.build().unwrap()
    }

    fn modules(initrds: &[Vec<u8>]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let limits = Limits::DEFAULT;
        let plain: Vec<Plain<'_>> = initrds
            .iter()
            .map(|initrd| Plain::read(initrd, &mut PureDecoder::default(), &limits).unwrap())
            .collect();
        let mut base = Base::default();
        plain.iter().for_each(|plain| base.unpack(plain, &limits).unwrap());
        let modules = base.modules("6.1", &limits);
        (modules.directory, modules.paths)
    }

    #[test]
    fn modules_of_the_version_wherever_they_are() {
        let usual = b"/lib/modules/6.1".to_vec();
        assert_eq!(modules(&[]), (usual.clone(), Vec::new()));
        assert_eq!(modules(&[initrd(&[b"lib/modules/6.2/a.ko"])]), (usual.clone(), Vec::new()));
        let both = [initrd(&[b"lib/modules/6.1/k/b.ko", b"lib/modules/6.1/modules.dep"])];
        assert_eq!(modules(&both), (usual.clone(), [b"k/b.ko".to_vec()].into()));
        let rows = [initrd(&[b"lib/modules/6.1/b.ko"]), initrd(&[b"lib/modules/6.1/a.ko.xz"])];
        assert_eq!(modules(&rows).1.len(), 2);
        let usr = [initrd(&[b"lib/ld.so", b"usr/lib/modules/6.1/a.ko"])];
        assert_eq!(modules(&usr), (b"/usr/lib/modules/6.1".to_vec(), [b"a.ko".to_vec()].into()));
    }
}
