//! The location of a cache file: its name, the check of its owner, its replacement.
//!
//! One directory holds the files of many module directories. A name is the module directory's path, with
//! every byte except `A-Z a-z 0-9 . _ -` as `%` and two hexadecimal digits, so that names are unique; a path
//! too long for a file name is replaced by its checksum.
//!
//! | Module directory | File |
//! |---|---|
//! | `/lib/modules/6.1.0-50-amd64` | `%2Flib%2Fmodules%2F6.1.0-50-amd64` |
//! | 300 times `/a` | `long-` and 32 digits |

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use depmod_core::Source;

use super::format::{self, Prefix};
use crate::digest::Digest;
use crate::publish::{NewFile, PRIVATE};
use crate::source::DiskSource;

/// Larger files are invalid: a module of a real kernel needs 2 KiB.
fn max_size(modules: usize) -> u64 {
    (16 << 20) + (16 << 10) * modules as u64
}

/// Limit in bytes of a name, which leaves space for the suffix of a temporary name (`NAME_MAX` is 255).
const MAX_NAME: usize = 240;

/// The location of one file.
#[derive(Debug)]
pub(super) struct Place {
    dir: OwnedFd,
    path: Vec<u8>,
    name: String,
}

/// Whether `cache`, which need not exist yet, is `directory` or inside it, after resolving links.
pub(super) fn is_inside(cache: &[u8], directory: &[u8]) -> bool {
    let id = |path: &Path| rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino));
    let Some(directory) = id(Path::new(OsStr::from_bytes(directory))) else { return false };
    // Without a leading slash, the last ancestor is the empty path.
    let mut above = Path::new(OsStr::from_bytes(cache)).ancestors();
    let here = |path: &Path| if path.as_os_str().is_empty() { Path::new(".") } else { path }.canonicalize();
    above
        .find_map(|path| here(path).ok())
        .is_some_and(|path| path.ancestors().any(|path| id(path) == Some(directory)))
}

impl Place {
    /// The location of a module directory's file in `cache`, which is created if its parent exists.
    pub(super) fn open(cache: &[u8], module_directory: &[u8]) -> Result<Self, Errno> {
        let mode = Mode::RUSR | Mode::WUSR | Mode::XUSR | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(cache, flags, Mode::empty());
        let dir = match open() {
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(CWD, cache, mode)?;
                open()?
            }
            opened => opened?,
        };
        Ok(Self { dir, path: cache.to_vec(), name: file_name(module_directory) })
    }

    /// The file, if it is valid for this many modules.
    pub(super) fn read(&self, modules: usize) -> Option<Stored> {
        let (file, size) = self.open_own(&self.name).filter(|(_, size)| *size <= max_size(modules))?;
        let mut prefix = [0; Prefix::LEN];
        file.read_exact_at(&mut prefix, 0).ok()?;
        Some(Stored { prefix: Prefix::parse(&prefix, size)?, file })
    }

    /// A file written by this user or root, and its size.
    fn open_own(&self, name: &str) -> Option<(File, u64)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&fd).ok()?;
        let size = u64::try_from(stat.st_size).ok()?;
        let others = Mode::WGRP | Mode::WOTH;
        let trusted = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && !Mode::from_raw_mode(stat.st_mode).intersects(others)
            && (stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw());
        trusted.then(|| (File::from(fd), size))
    }

    /// Removes the files of deleted module directories, which would otherwise accumulate.
    fn remove_others(&self) {
        for entry in DiskSource.list(&self.path).unwrap_or_default() {
            let Ok(name) = str::from_utf8(&entry.name) else { continue };
            let left = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"));
            let Some(directory) = directory_of(left.unwrap_or(name)) else { continue };
            let gone = matches!(rustix::fs::stat(directory.as_slice()), Err(Errno::NOENT | Errno::NOTDIR));
            let ours = |(file, _): (File, u64)| {
                let mut begin = [0; format::NAME.len()];
                file.read_exact_at(&mut begin, 0).is_ok() && begin == *format::NAME
            };
            if gone && name != self.name && self.open_own(name).is_some_and(ours) {
                let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
            }
        }
    }

    /// Replaces the old file atomically, without syncing: the file of a crashed system fails its checksum.
    /// While this place is open, other runs write nothing.
    pub(super) fn replace(&self, bytes: &[u8], modules: usize) -> Result<(), Errno> {
        if bytes.len() as u64 > max_size(modules) {
            return Err(Errno::FBIG);
        }
        // A concurrent run usually writes the same, so waiting is useless. Without locks, two runs can at
        // worst corrupt a file, which then fails its checksum.
        let locked = rustix::fs::flock(&self.dir, FlockOperation::NonBlockingLockExclusive);
        if locked == Err(Errno::WOULDBLOCK) {
            return Ok(());
        }
        let temporary = format!(".{}.new", self.name);
        // Left behind by a killed run.
        let _ = rustix::fs::unlinkat(&self.dir, &temporary, AtFlags::empty());
        let mut new = NewFile::create_as(&self.dir, temporary.into_bytes(), PRIVATE)?;
        let written = new.write(bytes).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
        let written = written.and_then(|()| new.rename(self.name.as_bytes()));
        self.remove_others();
        written
    }
}

/// A file with a valid prefix.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    pub(super) prefix: Prefix,
}

impl Stored {
    pub(super) fn read_head(&self) -> Option<Vec<u8>> {
        self.read(Prefix::LEN as u64, self.prefix.sizes().0)
    }

    pub(super) fn read_body(&self) -> Option<Vec<u8>> {
        let (head, body) = self.prefix.sizes();
        self.read(Prefix::LEN as u64 + head, body)
    }

    fn read(&self, offset: u64, size: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(size).ok()?).ok()?;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset)).ok()?;
        file.take(size).read_to_end(&mut bytes).ok()?;
        // The checksum detects a file that ended early.
        Some(bytes)
    }
}

fn file_name(path: &[u8]) -> String {
    let mut name = String::new();
    for &byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > MAX_NAME { format!("long-{:032x}", Digest::of(path).sum) } else { name }
}

/// The module directory of a file name; `None` for other names and for checksums.
fn directory_of(name: &str) -> Option<Vec<u8>> {
    let mut parts = name.split('%');
    let mut path = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        path.push(u8::from_str_radix(digits, 16).ok()?);
        path.extend_from_slice(rest.as_bytes());
    }
    (path.starts_with(b"/") && file_name(&path) == name).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::super::format::{CachedModule, Head, encode};
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    const NAME: &str = "%2Flib%2Fmodules%2F5.0";

    fn place(cache: &Path) -> Place {
        Place::open(cache.as_os_str().as_bytes(), b"/lib/modules/5.0").unwrap()
    }

    fn valid() -> Vec<u8> {
        encode(
            &Head { program: b"p", directory: b"/lib/modules/5.0", filesystem: 7, result: None },
            &Vec::<CachedModule<'_>>::new(),
        )
    }

    #[test]
    fn names_are_unique_per_directory() {
        assert_eq!(file_name(b"/lib/modules/6.1.0-50-amd64"), "%2Flib%2Fmodules%2F6.1.0-50-amd64");
        assert_eq!(file_name(b"/a%2Fb/\xff"), "%2Fa%252Fb%2F%FF");
        let long = file_name(&b"/a".repeat(300));
        assert!(long.starts_with("long-") && long.len() == 37);
        assert_ne!(long, file_name(&b"/a".repeat(301)));
    }

    #[test]
    fn replaced_files_are_read_back() {
        let root = tempfile::tempdir().unwrap();
        let cache = root.path().join("cache");
        assert!(place(&cache).read(0).is_none());
        fs::write(cache.join(format!(".{NAME}.new")), "left behind").unwrap();
        place(&cache).replace(&valid(), 0).unwrap();
        assert!(place(&cache).read(0).unwrap().read_head().is_some());
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&cache.join(NAME)), 0o600);
        assert_eq!(mode(&cache) & 0o022, 0);
        let deep = root.path().join("no/where");
        assert_eq!(Place::open(deep.as_os_str().as_bytes(), b"/").unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn only_own_regular_files_are_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(NAME);
        let accepted = || place(root.path()).read(0).is_some();
        fs::write(&path, valid()).unwrap();
        for (mode, expected) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(accepted(), expected, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1), None).unwrap();
            assert!(!accepted(), "owned by another user");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
        fs::rename(&path, root.path().join("target")).unwrap();
        symlink("target", &path).unwrap();
        assert!(!accepted(), "a link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!accepted(), "a directory");
        assert_eq!(place(root.path()).replace(&valid(), 0), Err(Errno::ISDIR));
        fs::remove_dir(&path).unwrap();
        fs::write(&path, b"").unwrap();
        assert!(!accepted(), "nothing");
        File::create(&path).unwrap().set_len(max_size(0) + 1).unwrap();
        assert!(!accepted(), "too much");
    }

    #[test]
    fn files_with_wrong_sizes_are_not_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(NAME);
        let size = 500_u64 << 20;
        let mut bytes = valid();
        let body = size
            - Prefix::LEN as u64
            - Prefix::parse(&bytes[..Prefix::LEN], bytes.len() as u64).unwrap().sizes().0;
        bytes[32..40].copy_from_slice(&body.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
        assert!(place(root.path()).read(4_000).is_none());
        assert!(place(root.path()).read(40_000).is_some(), "many modules may need it");
    }

    #[test]
    fn files_of_deleted_directories_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let gone = root.path().join("gone/6.1");
        let stays = file_name(root.path().as_os_str().as_bytes());
        let goes = file_name(gone.as_os_str().as_bytes());
        let cache = root.path().join("cache");
        fs::create_dir(&cache).unwrap();
        fs::write(cache.join("%2Fno%2Fother%2Fprogram"), "precious").unwrap();
        let left = format!(".{goes}.new");
        for name in [&*stays, &goes, &left, "%2fno", "%2Fno%41", "no", "long-0"] {
            fs::write(cache.join(name), valid()).unwrap();
        }
        place(&cache).replace(&valid(), 0).unwrap();
        let mut left: Vec<_> = fs::read_dir(&cache)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected = [&*stays, "%2Fno%2Fother%2Fprogram", "%2fno", "%2Fno%41", "no", "long-0", NAME];
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn is_inside_resolves_links_and_relative_paths() {
        let root = tempfile::tempdir().unwrap();
        let modules = root.path().join("modules");
        fs::create_dir_all(modules.join("kernel")).unwrap();
        symlink("modules/kernel", root.path().join("link")).unwrap();
        let inside = |cache: &str| {
            is_inside(root.path().join(cache).as_os_str().as_bytes(), modules.as_os_str().as_bytes())
        };
        for cache in ["modules", "modules/new", "modules/no/new", "link", "link/new", "modules/../link/.."] {
            assert!(inside(cache), "{cache}");
        }
        for cache in ["", "new", "modules-new", "modules/..", "modules/../new"] {
            assert!(!inside(cache), "{cache}");
        }
        assert!(is_inside(b"new", b".") && !is_inside(b"/new", b"."));
    }

    #[test]
    fn concurrent_writers_leave_the_file_to_the_first() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (place(root.path()), place(root.path()));
        rustix::fs::flock(&first.dir, FlockOperation::LockExclusive).unwrap();
        second.replace(&valid(), 0).unwrap();
        assert!(second.read(0).is_none());
        first.replace(&valid(), 0).unwrap();
        assert!(second.read(0).is_some());
    }
}
