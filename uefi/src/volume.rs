//! Files through the firmware: a volume as the core's [`Source`].
//!
//! Paths of the core are `/`-separated bytes from the root; the firmware wants UCS-2 with `\`. What
//! cannot be said there is an error, never another file.

use alloc::{string::String, string::ToString, vec::Vec};
use core::cell::RefCell;
use core::fmt;

use depmod_core::host::{DirEntry, EntryKind, FileKind, IoError, IoErrorKind, ReadAt, Source, Stat};
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::media::file::{Directory, File, FileAttribute, FileHandle, FileInfo, FileMode, RegularFile};
use uefi::proto::media::fs::SimpleFileSystem;
use uefi::{CStr16, CString16, Status};

use crate::error::{Doing, Error, Result};

/// Side files and archives above this are refused rather than read into memory.
const FILE_MAX: u64 = 1 << 30;

/// A volume that the firmware has a file system driver for.
pub struct Volume {
    root: RefCell<Directory>,
    // After the root, which needs it.
    _file_system: ScopedProtocol<SimpleFileSystem>,
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Volume")
    }
}

impl Volume {
    /// The volume that the running program was loaded from.
    ///
    /// # Errors
    /// When it was loaded from something else, or its root cannot be opened.
    pub fn of_program() -> Result<Self> {
        Self::open_volume(
            boot::get_image_file_system(boot::image_handle()).doing("find the program's own volume")?,
        )
    }

    /// The volume behind a protocol of the caller's choice.
    ///
    /// # Errors
    /// When its root cannot be opened.
    pub fn open_volume(mut file_system: ScopedProtocol<SimpleFileSystem>) -> Result<Self> {
        let root = file_system.open_volume().doing("open the volume")?;
        Ok(Self { root: RefCell::new(root), _file_system: file_system })
    }

    /// A whole file.
    ///
    /// # Errors
    /// When it cannot be read whole, with its path.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        self.read(path.as_bytes(), FILE_MAX)
            .map_err(|cause| Error::File { path: path.as_bytes().to_vec(), cause })
    }

    fn handle(&self, path: &[u8]) -> Result<FileHandle, IoError> {
        let path = to_ucs2(path)?;
        // Nobody else borrows: no method here calls back.
        let mut root = self.root.borrow_mut();
        root.open(&path, FileMode::Read, FileAttribute::empty()).map_err(|error| io_error(&error))
    }
}

impl Source for Volume {
    type File = VolumeFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let Some(mut dir) = self.handle(dir)?.into_directory() else {
            return Err(IoError::other("Not a directory"));
        };
        let mut entries = Vec::new();
        while let Some(info) = dir.read_entry_boxed().map_err(|error| io_error(&error))? {
            let name = info.file_name().to_string();
            if name != "." && name != ".." {
                let kind = if is_directory(&info) { EntryKind::Directory } else { EntryKind::File };
                entries.push(DirEntry { name: name.into_bytes(), kind });
            }
        }
        Ok(entries)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        let info = info(&mut self.handle(path)?)?;
        let kind = if is_directory(&info) { FileKind::Directory } else { FileKind::File };
        // There are no links, so the path tells two files apart.
        Ok(Stat { kind, id: (0, fnv(components(path)?)), size: info.file_size(), root_owned: true })
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        let mut handle = self.handle(path)?;
        let size = info(&mut handle)?.file_size();
        let file = handle.into_regular_file().ok_or_else(IoError::is_directory)?;
        Ok(VolumeFile { file, size })
    }
}

/// An open file of a [`Volume`].
#[derive(Debug)]
pub struct VolumeFile {
    file: RegularFile,
    size: u64,
}

impl ReadAt for VolumeFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        // This offset has a meaning of its own: the end.
        if offset == u64::MAX {
            return Err(IoError::other("Read beyond the end"));
        }
        self.file.set_position(offset).map_err(|error| io_error(&error))?;
        let got = self.file.read(into).map_err(|error| io_error(&error))?;
        if got == into.len() { Ok(()) } else { Err(IoError::other("Unexpected end of file")) }
    }
}

fn info(handle: &mut FileHandle) -> Result<alloc::boxed::Box<FileInfo>, IoError> {
    handle.get_boxed_info::<FileInfo>().map_err(|error| io_error(&error))
}

fn is_directory(info: &FileInfo) -> bool {
    info.attribute().contains(FileAttribute::DIRECTORY)
}

fn io_error<D: fmt::Debug>(error: &uefi::Error<D>) -> IoError {
    match error.status() {
        Status::NOT_FOUND => IoError::not_found(),
        status => IoError::new(IoErrorKind::Other, status.to_string()),
    }
}

/// The parts of a path, `.` and `..` resolved; there are no links that could change their meaning.
fn components(path: &[u8]) -> Result<Vec<&str>, IoError> {
    let mut parts = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(core::str::from_utf8(part).map_err(|_| bad_name())?),
        }
    }
    Ok(parts)
}

fn to_ucs2(path: &[u8]) -> Result<CString16, IoError> {
    let mut text = String::from("\\");
    for (index, part) in components(path)?.into_iter().enumerate() {
        // What no FAT name can hold (Microsoft FAT specification 1.03); `\` would also lead elsewhere.
        if part.contains(|c: char| c.is_control() || "\"*/:<>?\\|".contains(c)) {
            return Err(bad_name());
        }
        if index > 0 {
            text.push('\\');
        }
        text.push_str(part);
    }
    CString16::try_from(&*text).map_err(|_| bad_name())
}

/// A path as people write it in firmware, as the core wants it: `\EFI\depmod` is `/EFI/depmod`.
#[must_use]
pub fn from_firmware(path: &CStr16) -> String {
    path.to_string().replace('\\', "/")
}

fn bad_name() -> IoError {
    IoError::other("Not a possible file name here")
}

/// FNV-1a, over the names and a separator that is in none of them.
fn fnv(parts: Vec<&str>) -> u64 {
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([b'/']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let text = |path: &str| to_ucs2(path.as_bytes()).map(|path| path.to_string());
        assert_eq!(text("").unwrap(), "\\");
        assert_eq!(text("//lib/./modules/").unwrap(), "\\lib\\modules");
        assert_eq!(text("/a/b/../../../c ä.ko").unwrap(), "\\c ä.ko");
        for bad in ["/a\\b", "/a:b", "/a*", "/\u{1}", "/😀"] {
            assert!(text(bad).is_err(), "{bad}");
        }
        assert!(to_ucs2(b"/\xff").is_err());
    }

    #[test]
    fn identities() {
        let id = |path: &str| fnv(components(path.as_bytes()).unwrap());
        assert_eq!(id("/a//b/."), id("a/b"));
        assert_ne!(id("/a/b"), id("/ab"));
    }
}
