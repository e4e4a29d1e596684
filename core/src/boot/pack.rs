//! A module directory as one archive, the preferred form for firmware.
//!
//! The archive is newc cpio, sorted, with zeros for times and owners, so that equal modules produce equal
//! bytes. It contains the modules as stored, their eleven index files and the side files:
//!
//! ```text
//! lib/modules/6.1.0/kernel/drivers/virtio/virtio.ko.xz
//! lib/modules/6.1.0/modules.alias  …  modules.weakdep     the eleven index files
//! lib/modules/6.1.0/modules.builtin, modules.builtin.modinfo, modules.order
//! ```
//!
//! A module outside of the module directory, from an `external` line of `depmod.d`, keeps its absolute path.

use core::fmt;

use bstr::BString;

use super::Location;
use crate::{
    cpio::{BuildError, Builder},
    limits::Limits,
    output::IndexFiles,
    run::SIDE_FILES,
    source::{IoError, IoErrorKind, Source},
};

/// The reason for a missing archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackError {
    /// A file cannot be read.
    Read {
        /// Its path.
        path: BString,
        /// The cause.
        cause: IoError,
    },
    /// The archive cannot be written.
    Cpio(BuildError),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "cannot read {path}"),
            Self::Cpio(_) => f.write_str("cannot make the archive"),
        }
    }
}

impl core::error::Error for PackError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read { cause, .. } => Some(cause),
            Self::Cpio(error) => Some(error),
        }
    }
}

impl From<BuildError> for PackError {
    fn from(error: BuildError) -> Self {
        Self::Cpio(error)
    }
}

/// Collects modules, index files and side files. `modules` are paths as in the outputs: relative to the
/// module directory, or absolute.
///
/// # Errors
/// When a file cannot be read. Side files may be missing.
pub fn collect<'m, S: Source>(
    source: &S,
    location: &Location,
    modules: impl Iterator<Item = &'m [u8]>,
    files: &IndexFiles,
    limits: &Limits,
) -> Result<Builder<'static>, PackError> {
    let inside = [b"lib/modules/", location.version.as_bytes(), b"/"].concat();
    collect_below(&inside, source, location, modules, files, limits)
}

/// The same below another directory of the archive, given with a trailing slash.
pub(crate) fn collect_below<'m, S: Source>(
    inside: &[u8],
    source: &S,
    location: &Location,
    modules: impl Iterator<Item = &'m [u8]>,
    files: &IndexFiles,
    limits: &Limits,
) -> Result<Builder<'static>, PackError> {
    let mut builder = Builder::new();
    builder.directory(inside);
    for path in modules {
        let external = path.starts_with(b"/");
        let (from, to) = if external {
            (path.to_vec(), path.to_vec())
        } else {
            ([location.directory.as_slice(), b"/", path].concat(), [inside, path].concat())
        };
        let bytes = source
            .read(&from, limits.file_size)
            .map_err(|cause| PackError::Read { path: from.into(), cause })?;
        builder.file(&to, bytes);
    }
    for (output, bytes) in files.iter() {
        builder.file(&[inside, output.file_name().as_bytes()].concat(), bytes.to_vec());
    }
    for name in SIDE_FILES {
        let path = [location.directory.as_slice(), b"/", name.as_bytes()].concat();
        match source.read(&path, limits.text_size) {
            Ok(bytes) => builder.file(&[inside, name.as_bytes()].concat(), bytes),
            Err(error) if error.kind() == IoErrorKind::NotFound => {}
            Err(cause) => return Err(PackError::Read { path: path.into(), cause }),
        }
    }
    Ok(builder)
}
