//! Where modules come from: a directory of a volume, or an archive in memory.
//!
//! One type for both, so that the program holds the core's code once.

use alloc::{string::String, vec::Vec};

use depmod_core::cpio::Archive;
use depmod_core::decompress::PureDecoder;
use depmod_core::host::{DirEntry, FileKind, IoError, ReadAt, Source, Stat};
use depmod_core::limits::Limits;
use depmod_core::tree::open_archive;

use crate::error::{Error, Result};
use crate::volume::{Volume, VolumeFile};

/// A source that is either.
#[derive(Debug)]
pub enum Modules<'a> {
    /// A volume, whose directory is then [`Stored::root`].
    Volume(&'a Volume),
    /// An archive; its root is `/`.
    Archive(Archive<'a>),
}

/// What stands at a path of a volume: nothing yet for a directory, an archive's plain bytes otherwise.
#[derive(Debug)]
pub struct Stored<'v> {
    volume: &'v Volume,
    path: String,
    archive: Option<Vec<u8>>,
}

impl<'v> Stored<'v> {
    /// Looks, and reads and decompresses an archive.
    ///
    /// # Errors
    /// When nothing is there, or the archive cannot be read or decompressed.
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

    /// The files.
    ///
    /// # Errors
    /// When the archive is none.
    pub fn modules(&self, limits: &Limits) -> Result<Modules<'_>> {
        let Some(bytes) = &self.archive else { return Ok(Modules::Volume(self.volume)) };
        let archive = Archive::parse(bytes, limits);
        Ok(Modules::Archive(archive.map_err(|cause| Error::Archive { path: self.path.clone(), cause })?))
    }

    /// Where the files begin.
    #[must_use]
    pub fn root(&self) -> &str {
        if self.is_archive() { "/" } else { &self.path }
    }
}

/// An open file of [`Modules`].
#[derive(Debug)]
pub enum ModulesFile<'a> {
    /// On the volume.
    Volume(VolumeFile),
    /// In the archive.
    Archive(&'a [u8]),
}

impl ReadAt for ModulesFile<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Volume(file) => file.size(),
            Self::Archive(bytes) => bytes.size(),
        }
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        match self {
            Self::Volume(file) => file.read_at(offset, into),
            Self::Archive(bytes) => bytes.read_at(offset, into),
        }
    }
}

impl<'a> Source for Modules<'a> {
    type File = ModulesFile<'a>;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        match self {
            Self::Volume(volume) => volume.list(dir),
            Self::Archive(archive) => archive.list(dir),
        }
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        match self {
            Self::Volume(volume) => volume.stat(path),
            Self::Archive(archive) => archive.stat(path),
        }
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        match self {
            Self::Volume(volume) => volume.open(path).map(ModulesFile::Volume),
            Self::Archive(archive) => archive.open(path).map(ModulesFile::Archive),
        }
    }
}
