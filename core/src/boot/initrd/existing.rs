//! Existing initrds: those of the boot entry, which Linux unpacks before the generated one.
//!
//! An initrd is a sequence of newc archives with zeros between them, each plain or compressed in a format
//! that Linux supports (`Documentation/driver-api/early-userspace/buffer-format.rst`, `lib/decompress.c`).
//! Debian's initrd with microcode:
//!
//! ```text
//! 30 37 30 37 30 31 …   070701: plain; kernel/x86/microcode/…, up to its TRAILER!!!
//! 00 00 00 …            zeros up to the next block
//! 28 b5 2f fd …         zstd: usr/, lib -> usr/lib, init, …
//! ```
//!
//! [`UnpackedInitrd`] is such an initrd without compression, [`ExistingInitrds`] the file system after
//! unpacking all of them. Later archives replace files of earlier ones, so the generated archive depends on
//! the existing files: its index files include existing modules, lists are extended, directories stay
//! unchanged. If the existing index files match the existing modules, their facts are used; otherwise the
//! modules are read.
//!
//! ```
//! use depmod_core::{Limits, parts::{cpio::Builder, decompress::PureDecoder}};
//! use depmod_core::parts::boot::initrd::{ExistingInitrds, UnpackedInitrd};
//!
//! let mut builder = Builder::new();
//! builder.file(b"conf/modules", &b"dm-mod\n"[..]);
//! let initrd = builder.build()?;
//! let unpacked = UnpackedInitrd::read(&initrd, &mut PureDecoder::default(), &Limits::DEFAULT)?;
//! let mut existing = ExistingInitrds::default();
//! existing.add(&unpacked, &Limits::DEFAULT)?;
//! assert!(existing.has_directory(b"conf") && !existing.has_directory(b"etc"));
//! assert_eq!(existing.file(b"/conf/modules", 100), Some(b"dm-mod\n".to_vec()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::vec::Vec;

use bstr::BString;

use super::{ExistingError, UnpackedInitrd};
use crate::boot::{Archive, Location, ModuleDirectory, indexed_facts::IndexedFacts};
use crate::limits::Limits;
use crate::source::{AnySource, FileKind, Source};

/// Parents of module directories.
const PARENTS: [&str; 2] = ["/lib/modules/", "/usr/lib/modules/"];

/// All existing initrds, unpacked in order.
#[derive(Clone, Debug)]
pub struct ExistingInitrds<'p> {
    files: Archive<'p>,
}

/// The modules of one version in existing initrds.
#[derive(Clone, Debug)]
pub struct ExistingModules {
    /// Their directory, absolute; the default directory if there is none.
    pub directory: BString,
    /// Paths below it, in order; of several modules with the same name, the one that kmod prefers.
    pub paths: Vec<BString>,
    /// Facts from their index files, if these match.
    pub(crate) facts: Option<IndexedFacts>,
}

impl Default for ExistingInitrds<'_> {
    fn default() -> Self {
        Self { files: Archive::empty() }
    }
}

impl<'p> ExistingInitrds<'p> {
    /// Unpacks an initrd over the earlier ones.
    ///
    /// # Errors
    /// When its links take too many steps.
    pub fn add(&mut self, initrd: &'p UnpackedInitrd<'_>, limits: &Limits) -> Result<(), ExistingError> {
        initrd
            .archives()
            .try_for_each(|archive| self.files.unpack(archive, limits))
            .map_err(ExistingError::Cpio)
    }

    /// Whether there is a directory at this path, with links followed.
    #[must_use]
    pub fn has_directory(&self, path: &[u8]) -> bool {
        self.files.stat(path).is_ok_and(|stat| stat.kind == FileKind::Directory)
    }

    /// The content of a file, with links followed; `None` if it is missing or larger than `limit` bytes.
    #[must_use]
    pub fn file(&self, path: &[u8], limit: u64) -> Option<Vec<u8>> {
        self.files.read(path, limit).ok()
    }

    /// The files as a source.
    #[must_use]
    pub fn source(&self) -> AnySource<'_> {
        AnySource::new(&self.files)
    }

    /// The modules of a version.
    #[must_use]
    pub fn modules(&self, version: &str, limits: &Limits) -> ExistingModules {
        let [usual, other] = PARENTS.map(|parent| BString::from([parent, version].concat()));
        let directory = if self.has_directory(&other) && !self.has_directory(&usual) { other } else { usual };
        let location = Location { directory, version: version.into() };
        // Warnings about these modules were reported when the initrd was built.
        let files = self.source();
        let found = ModuleDirectory::new(&files, &location, limits).shipped_facts();
        let (paths, facts) = found.unwrap_or_default();
        ExistingModules { paths, facts, directory: location.directory }
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

    fn modules(initrds: &[Vec<u8>]) -> (BString, Vec<BString>) {
        let limits = Limits::DEFAULT;
        let unpacked: Vec<UnpackedInitrd<'_>> = initrds
            .iter()
            .map(|initrd| UnpackedInitrd::read(initrd, &mut PureDecoder::default(), &limits).unwrap())
            .collect();
        let mut existing = ExistingInitrds::default();
        unpacked.iter().for_each(|initrd| existing.add(initrd, &limits).unwrap());
        let modules = existing.modules("6.1", &limits);
        (modules.directory, modules.paths)
    }

    #[test]
    fn modules_of_the_version_are_found_in_all_parents() {
        let usual = BString::from("/lib/modules/6.1");
        assert_eq!(modules(&[]), (usual.clone(), Vec::new()));
        assert_eq!(modules(&[initrd(&[b"lib/modules/6.2/a.ko"])]), (usual.clone(), Vec::new()));
        let both = [initrd(&[b"lib/modules/6.1/k/b.ko", b"lib/modules/6.1/modules.dep"])];
        assert_eq!(modules(&both), (usual.clone(), ["k/b.ko".into()].into()));
        let rows = [initrd(&[b"lib/modules/6.1/b.ko"]), initrd(&[b"lib/modules/6.1/a.ko.xz"])];
        assert_eq!(modules(&rows).1.len(), 2);
        let usr = [initrd(&[b"lib/ld.so", b"usr/lib/modules/6.1/a.ko"])];
        assert_eq!(modules(&usr), ("/usr/lib/modules/6.1".into(), ["a.ko".into()].into()));
    }
}
