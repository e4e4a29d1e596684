//! Sources of modules: a directory of a volume, or an archive in memory.

use alloc::{string::String, vec::Vec};

use depmod_core::parts::boot::{Archive, open_archive};
use depmod_core::parts::decompress::PureDecoder;
use depmod_core::parts::source::AnySource;
use depmod_core::{FileKind, Limits, Source};

use crate::error::{Error, Result};
use crate::volume::Volume;

/// A directory of a volume, or the bytes of an archive without compression.
#[derive(Debug)]
pub struct ModuleStore<'v> {
    volume: &'v Volume,
    path: String,
    archive: Option<Vec<u8>>,
}

impl<'v> ModuleStore<'v> {
    /// Opens a path: an archive is read and decompressed.
    ///
    /// # Errors
    /// The path does not exist, or the archive cannot be read or decompressed.
    pub fn open(volume: &'v Volume, path: &str, limits: &Limits) -> Result<Self> {
        let failed = |cause| Error::File { path: path.into(), cause };
        let archive = if volume.stat(path.as_bytes()).map_err(failed)?.kind == FileKind::Directory {
            None
        } else {
            let stored = volume.read(path.as_bytes(), limits.archive_size).map_err(failed)?;
            let plain = open_archive(stored, &mut PureDecoder::default(), limits);
            Some(plain.map_err(|cause| Error::Decode { path: path.into(), cause })?)
        };
        Ok(Self { volume, path: path.into(), archive })
    }

    /// Whether it is an archive.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        self.archive.is_some()
    }

    /// The files. Those of a directory begin at [`Self::root`].
    ///
    /// # Errors
    /// Invalid archive.
    pub fn modules(&self, limits: &Limits) -> Result<ModuleSource<'_>> {
        let Some(bytes) = &self.archive else { return Ok(ModuleSource::Volume(self.volume)) };
        let archive = Archive::parse(bytes, limits);
        Ok(ModuleSource::Archive(archive.map_err(|cause| Error::Archive { path: self.path.clone(), cause })?))
    }

    /// The directory of the files: an archive's is `/`.
    #[must_use]
    pub fn root(&self) -> &str {
        if self.is_archive() { "/" } else { &self.path }
    }
}

/// The files of a [`ModuleStore`].
#[derive(Debug)]
pub enum ModuleSource<'a> {
    /// The volume of the directory.
    Volume(&'a Volume),
    /// The archive.
    Archive(Archive<'a>),
}

impl ModuleSource<'_> {
    /// One type for both, so that the program has the core's code once.
    #[must_use]
    pub fn source(&self) -> AnySource<'_> {
        match self {
            Self::Volume(volume) => AnySource::new(*volume),
            Self::Archive(archive) => AnySource::new(archive),
        }
    }
}
