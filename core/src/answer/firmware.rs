//! Firmware files of modules, found or missing.
//!
//! A module's `.modinfo` has their names; a glob names a family. The kernel searches `updates` and directories of
//! the running version first, and reads a compressed file in place of a missing plain one:
//!
//! ```text
//! firmware=rtl_nic/rtl8153a-2.fw     /lib/firmware/rtl_nic/rtl8153a-2.fw.zst
//! firmware=brcm/brcmfmac*-pcie.*.txt no such file
//! ```

use alloc::vec::Vec;

use bstr::BString;

use crate::sort::sort_by;
use crate::{
    index::fnmatch,
    source::{FileKind, Source},
};

/// Suffixes of names, in the order of the kernel's attempts.
const SUFFIXES: [&[u8]; 3] = [b"", b".zst", b".xz"];

/// The firmware directories of one kernel version.
#[derive(Debug)]
pub struct FirmwareDirectories<'s, S> {
    source: &'s S,
    /// Each with its path below the root directory.
    directories: Vec<(BString, BString)>,
}

/// A firmware file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirmwareFile {
    /// Its path in the source.
    pub path: BString,
    /// Its path in a system's root directory: `lib/firmware/…`.
    pub place: BString,
    /// Size in bytes, with links followed.
    pub size: u64,
}

impl<'s, S: Source> FirmwareDirectories<'s, S> {
    /// The directories below a root, which has no trailing slash.
    pub fn new(source: &'s S, root: &[u8], version: &[u8]) -> Self {
        let mut directories = Vec::new();
        for (real, place) in [("lib/firmware", "lib/firmware"), ("usr/lib/firmware", "lib/firmware")] {
            let parts: [&[&[u8]]; 4] = [&[b"/updates/", version], &[b"/updates"], &[b"/", version], &[]];
            for part in parts.map(<[&[u8]]>::concat) {
                let real = [root, b"/", real.as_bytes(), &part].concat();
                directories.push((real.into(), [place.as_bytes(), &part].concat().into()));
            }
        }
        Self { source, directories }
    }

    /// The files of a name, none if it is missing. A glob gives all matches, in byte order.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Vec<FirmwareFile> {
        let is_strange = |part: &[u8]| part.is_empty() || part == b"." || part == b"..";
        if name.split(|&b| b == b'/').any(is_strange) {
            return Vec::new();
        }
        if name.iter().any(|b| b"*?[".contains(b)) {
            return self.find_glob(name);
        }
        for (real, place) in &self.directories {
            for suffix in SUFFIXES {
                let below = [b"/", name, suffix].concat();
                if let Some(file) = self.file(real, place, &below) {
                    return [file].into();
                }
            }
        }
        Vec::new()
    }

    fn file(&self, real: &[u8], place: &[u8], below: &[u8]) -> Option<FirmwareFile> {
        let path = [real, below].concat();
        let stat = self.source.stat(&path).ok().filter(|stat| stat.kind == FileKind::File)?;
        Some(FirmwareFile { path: path.into(), place: [place, below].concat().into(), size: stat.size })
    }

    fn find_glob(&self, name: &[u8]) -> Vec<FirmwareFile> {
        let mut found: Vec<FirmwareFile> = Vec::new();
        for (real, place) in &self.directories {
            // Matching paths below the directory, component by component.
            let mut paths: Vec<Vec<u8>> = [Vec::new()].into();
            let mut parts = name.split(|&b| b == b'/').peekable();
            while let Some(part) = parts.next() {
                let is_last = parts.peek().is_none();
                let mut next = Vec::new();
                for path in paths {
                    let entries = self.source.list(&[real.as_slice(), &path].concat()).unwrap_or_default();
                    let fitting = entries.into_iter().filter(|entry| fits(part, &entry.name, is_last));
                    next.extend(fitting.map(|entry| [&*path, b"/", &entry.name].concat()));
                }
                paths = next;
            }
            sort_by(&mut paths, &Ord::cmp);
            for below in paths {
                let file = self.file(real, place, &below);
                // An earlier directory hides the same file of a later one.
                let is_hidden = |file: &FirmwareFile| {
                    found.iter().any(|other| other.path.ends_with(&below) && other.path != file.path)
                };
                if let Some(file) = file.filter(|file| !is_hidden(file)) {
                    found.push(file);
                }
            }
        }
        sort_by(&mut found, &Ord::cmp);
        found
    }
}

fn fits(pattern: &[u8], name: &[u8], is_last: bool) -> bool {
    let suffixes = if is_last { &SUFFIXES[..] } else { &[b"" as &[u8]] };
    suffixes.iter().filter_map(|suffix| name.strip_suffix(*suffix)).any(|name| fnmatch(pattern, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;

    fn found(name: &str) -> Vec<BString> {
        let mut source = MemorySource::new();
        for path in [
            "updates/6.1/a.bin",
            "updates/b.bin.xz",
            "a.bin",
            "b.bin",
            "c.bin.xz",
            "c.bin.zst",
            "d/x1.txt",
            "d/x2.txt.zst",
            "d/y.bin",
            "e1/x.txt",
        ] {
            source.insert(alloc::format!("/r/lib/firmware/{path}").as_bytes(), *b"123");
        }
        source.insert(b"/r/usr/lib/firmware/only.bin", *b"");
        let directories = FirmwareDirectories::new(&source, b"/r", b"6.1");
        directories.find(name.as_bytes()).into_iter().map(|file| file.place).collect()
    }

    #[test]
    fn places() {
        assert_eq!(found("a.bin"), ["lib/firmware/updates/6.1/a.bin"]);
        assert_eq!(found("b.bin"), ["lib/firmware/updates/b.bin.xz"]);
        assert_eq!(found("c.bin"), ["lib/firmware/c.bin.zst"]);
        assert_eq!(found("only.bin"), ["lib/firmware/only.bin"]);
        assert_eq!(found("d/x?.txt"), ["lib/firmware/d/x1.txt", "lib/firmware/d/x2.txt.zst"]);
        assert_eq!(found("*/x*.txt").len(), 3);
        for missing in ["", "gone", "d", "d/", "../firmware/a.bin", "d/z*", "z*/a", "/a.bin"] {
            assert_eq!(found(missing), [""; 0], "{missing}");
        }
    }
}
