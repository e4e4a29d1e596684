//! The kernel versions with modules below a directory.

use alloc::{string::String, vec::Vec};
use core::cmp::Ordering;

use crate::source::{EntryKind, FileKind, IoError, Source};
#[cfg(feature = "answers")]
use crate::{limits::Limits, list::Walk};

/// The parent of module directories, below a root.
pub const MODULE_DIRECTORY: &str = "lib/modules";
/// The parents of module directories in a running system.
pub const SYSTEM_DIRECTORIES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// Whether a directory name is a kernel version: it begins with a digit, has a dot, and contains only
/// characters that are safe for terminals and shells.
///
/// ```
/// use depmod_core::parts::list::has_version_name;
/// assert!(has_version_name(b"6.1.0-50-amd64") && !has_version_name(b"6.1.0;ls") && !has_version_name(b"extra"));
/// ```
#[must_use]
pub fn has_version_name(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+~".contains(byte);
    name.first().is_some_and(u8::is_ascii_digit) && name.contains(&b'.') && name.iter().all(is_plain)
}

/// The kernel versions with a directory in `parent` (`/lib/modules`), oldest first.
///
/// # Errors
/// When the directory cannot be listed.
pub fn versions<S: Source>(source: &S, parent: &[u8]) -> Result<Vec<String>, IoError> {
    let is_directory = |name: &[u8]| {
        let path = [parent, b"/", name].concat();
        source.stat(&path).is_ok_and(|stat| stat.kind == FileKind::Directory)
    };
    let entries = source.list(parent)?.into_iter();
    let named = entries.filter(|entry| entry.kind != EntryKind::File && has_version_name(&entry.name));
    let found = named.filter(|entry| is_directory(&entry.name));
    let mut names: Vec<String> = Vec::new();
    for name in found.filter_map(|entry| String::from_utf8(entry.name.into()).ok()) {
        let at = names.partition_point(|before| natural_order(before, &name).is_lt());
        names.insert(at, name);
    }
    Ok(names)
}

/// The [`versions`] with a module file below their directory. Others are remains of removed kernels. A
/// directory that cannot be walked counts: its run reports the reason.
///
/// # Errors
/// When the directory cannot be listed.
#[cfg(feature = "answers")]
pub fn versions_with_modules<S: Source>(
    source: &S,
    parent: &[u8],
    limits: &Limits,
) -> Result<Vec<String>, IoError> {
    let has_module = |version: &String| {
        let mut walk = Walk::new(&[parent, b"/", version.as_bytes()].concat(), source, limits)?;
        walk.next_file(&(), &mut ()).map(|file| file.is_some())
    };
    let mut versions = versions(source, parent)?;
    versions.retain(|version| has_module(version).unwrap_or(true));
    Ok(versions)
}

/// Natural sort order: `6.9.1` comes before `6.10.1`, because runs of digits are compared as numbers.
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let parts = |name| Parts { rest: name };
    parts(a).cmp(parts(b)).then_with(|| a.cmp(b))
}

struct Parts<'n> {
    rest: &'n str,
}

/// Numbers sort after all other characters.
impl Iterator for Parts<'_> {
    type Item = (u64, char);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.rest.chars().next()?;
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let length = if end == 0 { first.len_utf8() } else { end };
        let (part, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let is_number = end > 0;
        // Versions have no numbers beyond 64 bits, so saturation is enough.
        Some(if is_number { (part.parse().unwrap_or(u64::MAX).saturating_add(1), '0') } else { (0, first) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;

    #[test]
    fn versions_are_sorted_by_number() {
        let mut source = MemorySource::new();
        for name in
            ["6.9.1/x", "6.10.1/x", "README", "6.11", "6.11.0 x/y", "6.11.1;ls/x", "6.11.2\x1b[2J/x", "6/x"]
        {
            source.insert(alloc::format!("/m/{name}").as_bytes(), *b"");
        }
        assert_eq!(versions(&source, b"/m").unwrap(), ["6.9.1", "6.10.1"]);
        assert!(versions(&source, b"/n").is_err());
    }

    #[cfg(feature = "answers")]
    #[test]
    fn leftovers_have_no_modules() {
        let mut source = MemorySource::new();
        for name in ["6.1/kernel/fs/a.ko.xz", "6.2/kernel/x", "6.3/build/a.ko", "6.4/b.ko", "extra/c.ko"] {
            source.insert(alloc::format!("/m/{name}").as_bytes(), *b"");
        }
        assert_eq!(versions_with_modules(&source, b"/m", &Limits::DEFAULT).unwrap(), ["6.1", "6.4"]);
        let one = Limits { directories: 1, ..Limits::DEFAULT };
        assert_eq!(versions_with_modules(&source, b"/m", &one).unwrap(), ["6.1", "6.2", "6.4"]);
    }

    #[test]
    fn natural_order_compares_runs_of_digits() {
        let mut names = ["6.10-b", "6.9", "6.10-a", "6.10", "6.010", "5.99999999999999999999"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["5.99999999999999999999", "6.9", "6.010", "6.10", "6.10-a", "6.10-b"]);
    }
}
