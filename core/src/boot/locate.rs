//! Search for the module directory.

use alloc::string::String;

use bstr::BString;

use super::DirectoryError;
use crate::{
    list::{SYSTEM_DIRECTORIES, versions},
    options::Options,
    source::{FileKind, Source},
};

/// Parents of module directories below a root, which is a file system or a directory of all versions, on a
/// volume or in an archive.
const PARENTS: [&str; 3] = [SYSTEM_DIRECTORIES[0], SYSTEM_DIRECTORIES[1], ""];
/// Files that identify the root itself as a module directory.
const MARKERS: [&[u8]; 3] = [b"/modules.order", b"/modules.dep", b"/kernel"];

/// The module directory of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// Its path in the source.
    pub directory: BString,
    /// The version.
    pub version: String,
}

impl Location {
    /// The module directory of a version at this path.
    #[must_use]
    pub fn new(directory: impl Into<BString>, version: impl Into<String>) -> Self {
        Self { directory: directory.into(), version: version.into() }
    }

    /// The default options of a run in this directory.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::new(self.directory.clone(), self.version.as_str())
    }
}

/// Finds the module directory of a version below `root`: as `lib/modules/VERSION`, `usr/lib/modules/VERSION`,
/// `VERSION`, or `root` itself. Without a version, the only present version.
///
/// # Errors
/// When there is none, or several and no version is given.
pub fn locate<S: Source>(source: &S, root: &[u8], version: Option<&str>) -> Result<Location, DirectoryError> {
    let end = root.iter().rposition(|&b| b != b'/').map_or(0, |last| last.saturating_add(1));
    let root = root.get(..end).unwrap_or(root);
    let is_directory = |path: &[u8]| source.stat(path).is_ok_and(|stat| stat.kind == FileKind::Directory);
    for parent in PARENTS.map(|parent| [root, parent.as_bytes()].concat()) {
        let names = match version {
            Some(version) => alloc::vec![String::from(version)],
            None => versions(source, &parent).unwrap_or_default(),
        };
        let mut found = names.into_iter().filter_map(|version| {
            let directory = BString::from([&*parent, b"/", version.as_bytes()].concat());
            is_directory(&directory).then_some(Location { directory, version })
        });
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => return Err(DirectoryError::WhichVersion { below: parent.into() }),
            (Some(location), None) => return Ok(location),
            (None, _) => {}
        }
    }
    match version {
        Some(version) if MARKERS.iter().any(|marker| source.stat(&[root, marker].concat()).is_ok()) => {
            let directory = if root.is_empty() { b"/" } else { root }.into();
            Ok(Location { directory, version: version.into() })
        }
        _ => {
            let below = if root.is_empty() { b"/" } else { root }.into();
            Err(DirectoryError::NoModules { below, version: version.map(String::from) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use alloc::string::ToString;

    fn find(files: &[&str], root: &str, version: Option<&str>) -> Result<(String, String), String> {
        let mut source = MemorySource::new();
        files.iter().for_each(|file| source.insert(file.as_bytes(), *b""));
        let location = locate(&source, root.as_bytes(), version).map_err(|error| error.to_string())?;
        Ok((location.directory.to_string(), location.version))
    }

    #[test]
    fn module_directories_are_found_in_all_parents() {
        let ok = |directory: &str, version: &str| Ok((directory.to_string(), version.to_string()));
        let v = Some("6.1");
        assert_eq!(find(&["/lib/modules/6.1/a"], "", v), ok("/lib/modules/6.1", "6.1"));
        assert_eq!(find(&["/x/usr/lib/modules/6.1/a"], "/x/", None), ok("/x/usr/lib/modules/6.1", "6.1"));
        assert_eq!(find(&["/6.1/a", "/5/x"], "/", v), ok("/6.1", "6.1"));
        assert_eq!(find(&["/modules.dep"], "/", v), ok("/", "6.1"));
        assert_eq!(find(&["/m/kernel/a.ko"], "/m", v), ok("/m", "6.1"));
        let none = "no modules of 6.1 below /m";
        assert_eq!(find(&["/m/6.2/a"], "/m", v), Err(none.to_string()));
        assert_eq!(find(&["/m/x/a", "/m/6"], "/m", None), Err("no modules below /m".to_string()));
        let several = "modules of several versions below /m, and no version given";
        assert_eq!(find(&["/m/6.1/a", "/m/6.2/a"], "/m", None), Err(several.to_string()));
    }
}
