//! Files through the firmware: a volume as the core's [`Source`].
//!
//! Paths of the core are `/`-separated bytes from the root; the firmware wants UCS-2 with `\`. What
//! cannot be said there is an error, never another file.

use alloc::{format, string::String, string::ToString, vec::Vec};
use core::cell::RefCell;
use core::fmt;

use depmod_core::host::{DirEntry, EntryKind, FileKind, IoError, IoErrorKind, ReadAt, Source, Stat};
use depmod_core::limits::Limits;
use uefi::boot::{self, ScopedProtocol};
use uefi::data_types::Align;
use uefi::proto::media::file::{Directory, File, FileAttribute, FileHandle, FileInfo, FileMode, RegularFile};
use uefi::proto::media::fs::SimpleFileSystem;
use uefi::{CStr16, CString16, Status};

use crate::error::{Doing, Error, Result};

/// Holds what firmware tells of a file with the longest of our names.
const INFO_ROOM: usize = 512;

/// Ends the name of a file that is not whole yet.
const UNFINISHED: &str = ".depmod-new";

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

    /// Writes files into a directory, which is made if it is missing. All are written under other names,
    /// read back and compared before the first old one goes: a full or broken volume leaves these as they
    /// were.
    ///
    /// # Errors
    /// When the volume does not take them.
    pub fn replace_files(&self, directory: &str, files: &[(&str, &[u8])]) -> Result<()> {
        let mut path = String::new();
        for part in directory.split('/').filter(|part| !part.is_empty()) {
            path = format!("{path}/{part}");
            if self.stat(path.as_bytes()).is_err() {
                self.create(&path, FileAttribute::DIRECTORY)?;
            }
        }
        let written = files.iter().try_for_each(|(name, bytes)| {
            self.write_checked(&format!("{directory}/{name}{UNFINISHED}"), bytes)
        });
        let placed = written.and_then(|()| {
            files
                .iter()
                .try_for_each(|(name, _)| self.rename(directory, &format!("{name}{UNFINISHED}"), name))
        });
        if placed.is_err() {
            for (name, _) in files {
                // Those that have their names are gone from here.
                let _ = self.delete(&format!("{directory}/{name}{UNFINISHED}"));
            }
        }
        placed
    }

    fn create(&self, path: &str, attributes: FileAttribute) -> Result<FileHandle> {
        self.open_for(path, FileMode::CreateReadWrite, attributes)
            .map_err(|status| Error::Write { path: path.into(), status })
    }

    fn open_for(&self, path: &str, mode: FileMode, attributes: FileAttribute) -> Result<FileHandle, Status> {
        let name = to_ucs2(path.as_bytes()).map_err(|_| Status::INVALID_PARAMETER)?;
        self.root.borrow_mut().open(&name, mode, attributes).map_err(|error| error.status())
    }

    fn write_checked(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.delete(path)?;
        let failed = |status| Error::Write { path: path.into(), status };
        let file = self.create(path, FileAttribute::empty())?;
        let mut file = file.into_regular_file().ok_or_else(|| failed(Status::ACCESS_DENIED))?;
        file.write(bytes).map_err(|error| failed(error.status()))?;
        file.flush().map_err(|error| failed(error.status()))?;
        drop(file);
        match self.read(path.as_bytes(), bytes.len() as u64) {
            Ok(read) if read == bytes => Ok(()),
            _ => Err(failed(Status::VOLUME_CORRUPTED)),
        }
    }

    /// Nothing there is fine.
    fn delete(&self, path: &str) -> Result<()> {
        let failed = |status| Error::Write { path: path.into(), status };
        match self.open_for(path, FileMode::ReadWrite, FileAttribute::empty()) {
            Ok(file) => file.delete().map_err(|error| failed(error.status())),
            Err(Status::NOT_FOUND) => Ok(()),
            Err(status) => Err(failed(status)),
        }
    }

    /// Gives a file its name, which an old one may have.
    fn rename(&self, directory: &str, from: &str, to: &str) -> Result<()> {
        let old = format!("{directory}/{to}");
        self.delete(&old)?;
        let rename = || -> Result<(), Status> {
            let from = format!("{directory}/{from}");
            let name = CString16::try_from(to).map_err(|_| Status::INVALID_PARAMETER)?;
            let mut file = self.open_for(&from, FileMode::ReadWrite, FileAttribute::empty())?;
            let info = file.get_boxed_info::<FileInfo>().map_err(|error| error.status())?;
            let mut storage = alloc::vec![0; INFO_ROOM];
            let storage = FileInfo::align_buf(&mut storage).ok_or(Status::BUFFER_TOO_SMALL)?;
            let renamed = FileInfo::new(
                storage,
                info.file_size(),
                info.physical_size(),
                *info.create_time(),
                *info.last_access_time(),
                *info.modification_time(),
                info.attribute(),
                &name,
            );
            file.set_info(renamed.map_err(|_| Status::BUFFER_TOO_SMALL)?).map_err(|error| error.status())?;
            file.flush().map_err(|error| error.status())
        };
        rename().map_err(|status| Error::Write { path: old.clone(), status })
    }

    /// A whole file.
    ///
    /// # Errors
    /// When it cannot be read whole, with its path.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        self.read(path.as_bytes(), Limits::DEFAULT.boot_file_size)
            .map_err(|cause| Error::File { path: path.as_bytes().to_vec(), cause })
    }

    /// The first `most` bytes of a file, or all of a shorter one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_head(&self, path: &[u8], most: u64) -> Result<Vec<u8>, IoError> {
        let mut file = self.open(path)?;
        let size = usize::try_from(file.size().min(most)).map_err(|_| IoError::too_large())?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| IoError::other("Cannot allocate memory"))?;
        bytes.resize(size, 0);
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
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
