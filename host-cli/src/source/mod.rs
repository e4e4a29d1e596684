//! Module directories on disk: the core's [`Source`] by system calls.
//!
//! A module costs three system calls plus one per range read: `openat`, `fstat`, `pread`, `close`. Nothing is
//! mapped: a file that shrinks during reading is an error here, not a signal.

mod directories;
mod stamp;

pub use directories::Directories;
pub use stamp::Stamp;
pub(crate) use stamp::Time;

use core::mem::MaybeUninit;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use depmod_core::{DirEntry, EntryKind, FileKind, IoError, ReadAt, Source, Stat};
use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

/// Bytes of directory entries per system call.
const LISTING: usize = 16 << 10;

/// The first reservation for a file of unknown size.
const LEAST: usize = 4 << 10;

/// The file system of the running system.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskSource;

/// An open file.
#[derive(Debug)]
pub struct DiskFile {
    fd: OwnedFd,
    stamp: Stamp,
}

impl DiskFile {
    /// Its status when it was opened.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }
}

impl Source for DiskSource {
    type File = DiskFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        entries_of(open_directory(CWD, dir).map_err(io_error)?)
    }

    fn stat(&self, file: &[u8]) -> Result<Stat, IoError> {
        rustix::fs::stat(path(file)).map(|stat| stat_of(&stat)).map_err(io_error)
    }

    fn open(&self, file: &[u8]) -> Result<DiskFile, IoError> {
        open(file, OFlags::NONBLOCK)
    }

    /// Reads to the end, regardless of the size in the status: files of `/proc` have size 0.
    fn read(&self, file: &[u8], limit: u64) -> Result<Vec<u8>, IoError> {
        read(self.open(file)?, limit)
    }

    fn read_named(&self, file: &[u8], limit: u64) -> Result<Vec<u8>, IoError> {
        read(open(file, OFlags::empty())?, limit)
    }
}

fn open_directory(at: impl AsFd, dir: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open_at(&at, dir, flags)
}

/// Opens a path; a signal does not interrupt it.
fn open_at(at: impl AsFd, file: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::openat(&at, path(file), flags, Mode::empty()))
}

/// The entries of an open directory; none if it cannot be listed.
pub(crate) fn entries(dir: &OwnedFd) -> Vec<DirEntry> {
    open_directory(dir, b".").map_err(io_error).and_then(entries_of).unwrap_or_default()
}

/// All entries of an open directory, from its current offset.
fn entries_of(dir: impl AsFd) -> Result<Vec<DirEntry>, IoError> {
    let mut entries = Vec::new();
    // Two system calls and an allocation fewer than `Dir`; a kernel has nine hundred directories.
    let mut buffer = [MaybeUninit::uninit(); LISTING];
    let mut listing = RawDir::new(dir, &mut buffer);
    while let Some(entry) = listing.next() {
        let entry = entry.map_err(io_error)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            _ => EntryKind::Unresolved,
        };
        entries.push(DirEntry { name: name.into(), kind });
    }
    Ok(entries)
}

pub(crate) fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        other => FileKind::Other(other.as_raw_mode()),
    };
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Stat { kind, id: (stat.st_dev, stat.st_ino), size, root_owned: stat.st_uid == 0 }
}

fn read(file: DiskFile, limit: u64) -> Result<Vec<u8>, IoError> {
    let mut bytes = Vec::new();
    let expected = usize::try_from(file.size().min(limit)).unwrap_or(0);
    // Room for one byte more: the end shows without another reservation. `Read::read_to_end` begins with small
    // pieces, seven of them for an index.
    let room = expected.saturating_add(1).max(LEAST);
    bytes.try_reserve_exact(room).map_err(|_| io_error(Errno::NOMEM))?;
    while bytes.len() as u64 <= limit {
        if bytes.len() == bytes.capacity() {
            bytes.try_reserve(1).map_err(|_| io_error(Errno::NOMEM))?;
        }
        let read = rustix::io::retry_on_intr(|| rustix::io::read(&file.fd, spare_capacity(&mut bytes)));
        if read.map_err(io_error)? == 0 {
            break;
        }
    }
    match bytes.len() as u64 {
        read if read > limit => Err(IoError::too_large()),
        // Files of `/sys` are always shorter than their size.
        read if read < file.size()
            && rustix::fs::fstat(&file.fd).is_ok_and(|now| stat_of(&now).size != file.size()) =>
        {
            Err(shrank())
        }
        _ => Ok(bytes),
    }
}

fn shrank() -> IoError {
    IoError::fault("file ended while it was read")
}

impl ReadAt for DiskFile {
    fn size(&self) -> u64 {
        self.stamp.size()
    }

    fn read_at(&mut self, mut offset: u64, mut into: &mut [u8]) -> Result<(), IoError> {
        while !into.is_empty() {
            match rustix::io::pread(&self.fd, &mut *into, offset) {
                Ok(0) => return Err(shrank()),
                Ok(read) => {
                    into = into.get_mut(read..).unwrap_or_default();
                    offset = offset.saturating_add(read as u64);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(())
    }
}

/// Without `NONBLOCK`, opening a FIFO waits for a writer.
fn open(file: &[u8], more: OFlags) -> Result<DiskFile, IoError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | more;
    let fd = open_at(CWD, file, flags).map_err(io_error)?;
    let stamp = Stamp::new(&rustix::fs::fstat(&fd).map_err(io_error)?);
    Ok(DiskFile { fd, stamp })
}

fn path(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// The core's error for a system error, with the C library's text.
#[must_use]
pub fn io_error(error: Errno) -> IoError {
    IoError::system(error.raw_os_error(), strerror(error).into())
}

/// The core's error for an error of the standard library.
#[must_use]
pub fn from_io(error: &io::Error) -> IoError {
    match Errno::from_io_error(error) {
        Some(error) => io_error(error),
        None => IoError::other(error.to_string()),
    }
}

/// `strerror`: the C library's text of an error.
#[must_use]
pub fn strerror(error: Errno) -> String {
    let number = error.raw_os_error();
    let text = io::Error::from_raw_os_error(number).to_string();
    match text.strip_suffix(&format!(" (os error {number})")) {
        Some(text) => text.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use depmod_core::IoErrorKind;
    use std::fs;
    use std::path::Path;

    fn bytes(path: &Path) -> &[u8] {
        path.as_os_str().as_bytes()
    }

    #[test]
    fn listing_gives_names_and_kinds() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.ko"), b"x").unwrap();
        fs::create_dir(dir.path().join("kernel")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        fs::write(dir.path().join(OsStr::from_bytes(b"\xff")), b"").unwrap();
        let mut entries = DiskSource.list(bytes(dir.path())).unwrap();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let entry = |name: &[u8], kind| DirEntry { name: name.into(), kind };
        assert_eq!(
            entries,
            [
                entry(b"a.ko", EntryKind::File),
                entry(b"kernel", EntryKind::Directory),
                entry(b"link", EntryKind::Unresolved),
                entry(b"\xff", EntryKind::File),
            ]
        );
        let error = DiskSource.list(bytes(&dir.path().join("none"))).unwrap_err();
        assert_eq!((error.kind(), error.text()), (IoErrorKind::NotFound, "No such file or directory"));
        let error = DiskSource.list(bytes(&dir.path().join("a.ko"))).unwrap_err();
        assert_eq!(error.text(), "Not a directory");
    }

    #[test]
    fn stat_follows_links() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("link")).unwrap();
        let there = DiskSource.stat(bytes(dir.path())).unwrap();
        assert_eq!(there.kind, FileKind::Directory);
        assert_eq!(DiskSource.stat(bytes(&dir.path().join("link"))).unwrap(), there);
        assert_eq!(DiskSource.stat(b"/dev/null").unwrap().kind, FileKind::Other(0o020_000));
        std::os::unix::fs::symlink("round", dir.path().join("round")).unwrap();
        let error = DiskSource.stat(bytes(&dir.path().join("round"))).unwrap_err();
        assert_eq!(error.text(), "Too many levels of symbolic links");
    }

    #[test]
    fn ranges_are_read_completely() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("m.ko");
        fs::write(&name, b"0123456789").unwrap();
        let mut file = DiskSource.open(bytes(&name)).unwrap();
        assert_eq!(file.size(), 10);
        let mut into = [0; 4];
        file.read_at(3, &mut into).unwrap();
        assert_eq!(&into, b"3456");
        assert!(file.read_at(7, &mut into).is_err());
        assert!(file.read_at(u64::MAX, &mut into).is_err());
        let mut directory = DiskSource.open(bytes(dir.path())).unwrap();
        let error = directory.read_at(0, &mut into).unwrap_err();
        assert_eq!((error.kind(), error.text()), (IoErrorKind::IsDirectory, "Is a directory"));
    }

    #[test]
    fn only_explicitly_named_fifos_block() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = |name| {
            let name = dir.path().join(name);
            rustix::fs::mknodat(CWD, &name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            name
        };
        assert_eq!(DiskSource.open(bytes(&fifo("fifo.ko"))).unwrap().size(), 0);
        let order = fifo("modules.order");
        assert_eq!(DiskSource.read(bytes(&order), 9).unwrap(), b"");
        let _writer = fs::File::options().read(true).write(true).open(&order).unwrap();
        let error = DiskSource.read(bytes(&order), 9).unwrap_err();
        assert_eq!(error.text(), "Resource temporarily unavailable");
        let named = fifo("System.map");
        let slow = named.clone();
        let writer = std::thread::spawn(move || {
            use std::io::Write;

            std::thread::sleep(core::time::Duration::from_millis(20));
            let mut file = fs::File::options().write(true).open(&slow).unwrap();
            for text in [b"12", b"34"] {
                std::thread::sleep(core::time::Duration::from_millis(20));
                file.write_all(text).unwrap();
            }
        });
        assert_eq!(DiskSource.read_named(bytes(&named), 9).unwrap(), b"1234");
        writer.join().unwrap();
    }

    #[test]
    fn side_files_are_read_to_their_end() {
        let version = DiskSource.read(b"/proc/version", 1 << 20).unwrap();
        assert!(version.starts_with(b"Linux version"), "size 0, but not empty");
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("modules.order");
        fs::write(&name, b"0123456789").unwrap();
        assert_eq!(DiskSource.read(bytes(&name), 10).unwrap(), b"0123456789");
        assert_eq!(DiskSource.read(bytes(&name), 9).unwrap_err().kind(), IoErrorKind::TooLarge);
        assert_eq!(DiskSource.read(bytes(dir.path()), 9).unwrap_err().text(), "Is a directory");
    }

    #[test]
    fn files_that_shrink_are_faults() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("file").as_os_str().as_bytes().to_vec();
        fs::write(path(&name), b"0123456789").unwrap();
        let opened = [(); 2].map(|()| DiskSource.open(&name).unwrap());
        fs::write(path(&name), b"0123").unwrap();
        let [whole, mut ranges] = opened;
        assert_eq!(read(whole, 100).unwrap_err().kind(), IoErrorKind::Fault);
        assert_eq!(ranges.read_at(2, &mut [0; 4]).unwrap_err().kind(), IoErrorKind::Fault);
    }
}
