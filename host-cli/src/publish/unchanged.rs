//! Old files that are identical to the new ones.
//!
//! Most runs change few of the files. An unchanged file keeps its blocks on the disk and only gets the time
//! of this run, with which `-A` compares the times of modules. Where a file system does not let its time be
//! set, a new file replaces it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::calls;
use crate::digest::Digest;

/// The file of this name, if it has these bytes and the properties of a new file.
pub(super) fn open_if_unchanged(dir: &OwnedFd, name: &str, bytes: &[u8]) -> Option<File> {
    let mut file = open_as_new(dir, name, bytes.len() as u64)?;
    let now = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let settable = Timestamps { last_access: now(UTIME_NOW), last_modification: now(UTIME_OMIT) };
    if !matches!(calls::futimens(&file, &settable), Ok(()) | Err(Errno::ROFS)) {
        return None;
    }
    let mut chunk = [0; 32 << 10];
    let mut rest = bytes;
    loop {
        let read = file.read(&mut chunk).ok()?;
        if read == 0 {
            return rest.is_empty().then_some(file);
        }
        rest = rest.strip_prefix(chunk.get(..read)?)?;
    }
}

/// Whether the file of this name has bytes with this digest, and the properties of a new file.
pub(super) fn is_digest(dir: &OwnedFd, name: &str, digest: Digest) -> bool {
    digest_of(dir, name, digest.size) == Some(digest)
}

fn digest_of(dir: &OwnedFd, name: &str, size: u64) -> Option<Digest> {
    let mut file = open_as_new(dir, name, size)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(size).ok()?.checked_add(1)?).ok()?;
    (&mut file).take(size.checked_add(1)?).read_to_end(&mut bytes).ok()?;
    Some(Digest::of(&bytes))
}

/// The file of this name, if it has the properties of a new file of this size; its bytes are not compared.
fn open_as_new(dir: &OwnedFd, name: &str, size: u64) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = calls::openat(dir, name, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    let as_new = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && Mode::from_raw_mode(stat.st_mode) == Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH
        && stat.st_nlink == 1
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && u64::try_from(stat.st_size) == Ok(size);
    as_new.then(|| File::from(file))
}

/// Gives a file this time; does nothing on a read-only file system.
pub(super) fn touch(dir: &OwnedFd, name: &[u8], time: Timespec) -> Result<(), Errno> {
    match calls::utimensat(dir, name, &times(time), AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::ROFS) => Ok(()),
        result => result,
    }
}

/// Times of a file that was last used and changed at this time.
pub(super) fn times(time: Timespec) -> Timestamps {
    Timestamps { last_access: time, last_modification: time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_identical_files_are_unchanged() {
        let root = tempfile::tempdir().unwrap();
        let dir = OwnedFd::from(File::open(root.path()).unwrap());
        let data = vec![7; 100_000];
        let path = root.path().join("modules.dep");
        fs::write(&path, &data).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let same = |bytes: &[u8]| {
            let same = open_if_unchanged(&dir, "modules.dep", bytes).is_some();
            assert_eq!(is_digest(&dir, "modules.dep", Digest::of(bytes)), same);
            same
        };
        assert!(same(&data));
        assert!(!same(&data[1..]));
        let mut other = data.clone();
        other[99_999] = 8;
        assert!(!same(&other));
        assert!(open_if_unchanged(&dir, "modules.alias", b"").is_none());

        fs::hard_link(&path, root.path().join("second")).unwrap();
        assert!(!same(&data), "a file with a second name is replaced");
        fs::remove_file(root.path().join("second")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!same(&data), "so is one with another mode");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(&path, root.path().join("target")).unwrap();
        symlink("target", &path).unwrap();
        assert!(!same(&data), "and a link");
    }
}
