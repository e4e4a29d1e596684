//! What each command may write when it is confined.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::settings::Settings;
use crate::sandbox::{Writable, confine};

/// Confines a classic run.
pub(super) fn classic(settings: &Settings) {
    confine(&writable(settings));
}

/// Confines classic runs of several versions.
#[cfg(feature = "answers")]
pub(super) fn several(runs: &[Settings]) {
    confine(&runs.iter().flat_map(writable).collect::<Vec<_>>());
}

/// Confines a command that writes nothing.
#[cfg(feature = "answers")]
pub(super) fn read_only() {
    confine(&[]);
}

/// Confines a command that replaces the files of a directory.
#[cfg(feature = "answers")]
pub(super) fn directory(directory: &[u8]) {
    confine(&[Writable::Directory(path(directory))]);
}

/// Confines a command that writes a file, or nothing but standard output.
pub(super) fn file(file: Option<&Path>) {
    confine(&file.map(Writable::File).into_iter().collect::<Vec<_>>());
}

fn writable(settings: &Settings) -> Vec<Writable<'_>> {
    let mut places = Vec::new();
    if !settings.show && !settings.no_write() {
        places.push(Writable::Directory(path(&settings.target.outdirname)));
    }
    places.extend(settings.cache.as_deref().map(|cache| Writable::Cache(path(cache))));
    places
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
