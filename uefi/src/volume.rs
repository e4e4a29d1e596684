//! Files through the firmware: a volume, or a server in its place, as the core's [`Source`].
//!
//! Paths of the core are `/`-separated bytes from the root, the firmware's are UCS-2 with `\`. A path that
//! cannot be converted is an error, never another file.

use alloc::{format, string::String, string::ToString, vec::Vec};
use core::cell::RefCell;
use core::fmt;

use depmod_core::parts::output::TEMPORARY_SUFFIX;
use depmod_core::{DirEntry, EntryKind, FileKind, IoError, Limits, ReadAt, Source, Stat};
use uefi::boot::{self, ScopedProtocol};
use uefi::data_types::Align;
use uefi::proto::media::file::{Directory, File, FileAttribute, FileHandle, FileInfo, FileMode, RegularFile};
use uefi::proto::media::fs::SimpleFileSystem;
use uefi::{CStr16, CString16, Status};

use crate::error::{Doing, Error, Result, io_error};
use crate::network::BootServer;
use crate::progress;

/// Bytes for the file information with the longest name of an index file.
const INFO_ROOM: usize = 512;

/// A volume with a file system of the firmware, or the server that the program came from.
pub struct Volume(Place);

enum Place {
    Disk {
        root: RefCell<Directory>,
        // Dropped after the root, which needs it.
        _file_system: ScopedProtocol<SimpleFileSystem>,
    },
    Server(BootServer),
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Volume")
    }
}

impl Volume {
    /// The volume or server that the program was loaded from.
    ///
    /// # Errors
    /// The program was loaded from neither, or the volume cannot be opened.
    pub fn of_program() -> Result<Self> {
        match boot::get_image_file_system(boot::image_handle()) {
            Ok(file_system) => Self::open_volume(file_system),
            Err(error) => match BootServer::of_program() {
                Some(server) => Ok(Self(Place::Server(server))),
                None => Err(error).doing("find the program's own volume"),
            },
        }
    }

    /// The server of the program.
    #[must_use]
    pub fn server(&self) -> Option<&BootServer> {
        match &self.0 {
            Place::Disk { .. } => None,
            Place::Server(server) => Some(server),
        }
    }

    /// The volume of a protocol.
    ///
    /// # Errors
    /// The volume cannot be opened.
    pub fn open_volume(mut file_system: ScopedProtocol<SimpleFileSystem>) -> Result<Self> {
        let root = file_system.open_volume().doing("open the volume")?;
        Ok(Self(Place::Disk { root: RefCell::new(root), _file_system: file_system }))
    }

    /// Writes files into a directory, which is created if it is missing. All are written under temporary
    /// names, read back and compared before the first old file is deleted: if the volume is full or broken, the
    /// old files stay.
    ///
    /// # Errors
    /// A directory or file cannot be written.
    pub fn replace_files(&self, directory: &str, files: &[(&str, &[u8])]) -> Result<()> {
        let mut path = String::new();
        for part in directory.split('/').filter(|part| !part.is_empty()) {
            path = format!("{path}/{part}");
            if self.stat(path.as_bytes()).is_err() {
                writing(&path, self.open_for(&path, FileMode::CreateReadWrite, FileAttribute::DIRECTORY))?;
            }
        }
        let temporary = |name: &str| format!("{directory}/{name}{TEMPORARY_SUFFIX}");
        let write = |(name, bytes): &(&str, &[u8])| {
            let path = temporary(name);
            writing(&path, self.write_checked(&path, bytes))
        };
        let rename = |(name, _): &(&str, &[u8])| {
            let path = format!("{directory}/{name}");
            writing(&path, self.rename(&temporary(name), &path, name))
        };
        let replaced = files.iter().try_for_each(write).and_then(|()| files.iter().try_for_each(rename));
        if replaced.is_err() {
            // Renamed ones do not exist under this name any more.
            files.iter().for_each(|(name, _)| drop(self.delete(&temporary(name))));
        }
        replaced
    }

    fn open_for(&self, path: &str, mode: FileMode, attributes: FileAttribute) -> uefi::Result<FileHandle> {
        let name = to_ucs2(path.as_bytes()).map_err(|_| Status::INVALID_PARAMETER)?;
        match &self.0 {
            // There is no other borrow: no method calls back.
            Place::Disk { root, .. } => root.borrow_mut().open(&name, mode, attributes),
            Place::Server(_) => Err(Status::UNSUPPORTED.into()),
        }
    }

    fn open_to_change(&self, path: &str) -> uefi::Result<FileHandle> {
        self.open_for(path, FileMode::ReadWrite, FileAttribute::empty())
    }

    /// Writes a new file and compares its content.
    fn write_checked(&self, path: &str, bytes: &[u8]) -> uefi::Result {
        self.delete(path)?;
        let file = self.open_for(path, FileMode::CreateReadWrite, FileAttribute::empty())?;
        let mut file = file.into_regular_file().ok_or(Status::ACCESS_DENIED)?;
        file.write(bytes).map_err(|error| error.to_err_without_payload())?;
        file.flush()?;
        drop(file);
        match self.read(path.as_bytes(), bytes.len() as u64) {
            Ok(read) if read == bytes => Ok(()),
            _ => Err(Status::VOLUME_CORRUPTED.into()),
        }
    }

    /// Deletes a file if it exists.
    fn delete(&self, path: &str) -> uefi::Result {
        match self.open_to_change(path) {
            Ok(file) => file.delete(),
            Err(error) if error.status() == Status::NOT_FOUND => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Renames a file of the same directory to `name`, after the old file at that path is deleted.
    fn rename(&self, from: &str, path: &str, name: &str) -> uefi::Result {
        self.delete(path)?;
        let name = CString16::try_from(name).map_err(|_| Status::INVALID_PARAMETER)?;
        let mut file = self.open_to_change(from)?;
        let info = file.get_boxed_info::<FileInfo>()?;
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
        file.set_info(renamed.map_err(|_| Status::BUFFER_TOO_SMALL)?)?;
        file.flush()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is larger than [`Limits::boot_file_size`].
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        self.read(path.as_bytes(), Limits::DEFAULT.boot_file_size)
            .map_err(|cause| Error::File { path: path.into(), cause })
    }

    /// Reads a file of any size: it is passed on, not looked into.
    ///
    /// # Errors
    /// The file cannot be read, or does not fit into memory.
    pub fn read_whole(&self, path: &str) -> Result<Vec<u8>> {
        self.read(path.as_bytes(), u64::MAX).map_err(|cause| Error::File { path: path.into(), cause })
    }

    /// Reads the first `most` bytes of a file, or all of a shorter one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_head(&self, path: &[u8], most: u64) -> Result<Vec<u8>, IoError> {
        let mut file = self.open(path)?;
        let size = usize::try_from(file.size().min(most)).map_err(|_| IoError::too_large())?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| IoError::no_memory())?;
        bytes.resize(size, 0);
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    fn handle(&self, path: &[u8]) -> Result<FileHandle, IoError> {
        let path = to_ucs2(path)?;
        match &self.0 {
            // There is no other borrow: no method calls back.
            Place::Disk { root, .. } => root
                .borrow_mut()
                .open(&path, FileMode::Read, FileAttribute::empty())
                .map_err(|error| io_error(&error)),
            Place::Server(_) => Err(IoError::other("Servers have no directories")),
        }
    }
}

impl Source for Volume {
    type File = VolumeFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let Some(mut dir) = self.handle(dir)?.into_directory() else {
            return Err(IoError::not_directory());
        };
        let mut entries = Vec::new();
        while let Some(info) = dir.read_entry_boxed().map_err(|error| io_error(&error))? {
            let name = info.file_name().to_string();
            if name != "." && name != ".." {
                let kind = if info.is_directory() { EntryKind::Directory } else { EntryKind::File };
                entries.push(DirEntry { name: name.into(), kind });
            }
        }
        Ok(entries)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        if let Some(server) = self.server() {
            let path = components(path)?;
            let size = server.size(&path.join("/"))?;
            return Ok(Stat { kind: FileKind::File, id: (0, fnv(path)), size, root_owned: true });
        }
        let info = info(&mut self.handle(path)?)?;
        let kind = if info.is_directory() { FileKind::Directory } else { FileKind::File };
        // There are no links, so the path identifies a file.
        Ok(Stat { kind, id: (0, fnv(components(path)?)), size: info.file_size(), root_owned: true })
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        if let Some(server) = self.server() {
            return Ok(VolumeFile(Content::Memory(server.read(&components(path)?.join("/"))?)));
        }
        let mut handle = self.handle(path)?;
        let size = info(&mut handle)?.file_size();
        let file = handle.into_regular_file().ok_or_else(IoError::is_directory)?;
        Ok(VolumeFile(Content::Disk { file, size }))
    }
}

/// Bytes of one call to the firmware, which shows no progress meanwhile.
const PIECE: usize = 1 << 20;

/// An open file of a [`Volume`].
#[derive(Debug)]
pub struct VolumeFile(Content);

#[derive(Debug)]
enum Content {
    Disk {
        file: RegularFile,
        size: u64,
    },
    /// Servers give whole files.
    Memory(Vec<u8>),
}

impl ReadAt for VolumeFile {
    fn size(&self) -> u64 {
        match &self.0 {
            Content::Disk { size, .. } => *size,
            Content::Memory(bytes) => bytes.len() as u64,
        }
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        match &mut self.0 {
            Content::Disk { file, .. } => read_from_disk(file, offset, into),
            Content::Memory(bytes) => bytes.as_slice().read_at(offset, into),
        }
    }
}

fn read_from_disk(file: &mut RegularFile, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
    // To the firmware this offset means the end.
    if offset == u64::MAX {
        return Err(IoError::other("Read beyond the end"));
    }
    file.set_position(offset).map_err(|error| io_error(&error))?;
    let (mut read, size) = (0, into.len());
    for piece in into.chunks_mut(PIECE) {
        progress::reading(read, size);
        let got = file.read(piece).map_err(|error| io_error(&error))?;
        // It had this size when it was opened.
        if got != piece.len() {
            return Err(IoError::fault("Unexpected end of file"));
        }
        read = read.saturating_add(got);
    }
    progress::reading(read, size);
    Ok(())
}

fn info(handle: &mut FileHandle) -> Result<alloc::boxed::Box<FileInfo>, IoError> {
    handle.get_boxed_info::<FileInfo>().map_err(|error| io_error(&error))
}

/// Adds the path to an error of writing.
fn writing<T>(path: &str, result: uefi::Result<T>) -> Result<T> {
    result.map_err(|error| Error::Write { path: path.into(), status: error.status() })
}

/// The parts of a path, with `.` and `..` resolved; there are no links.
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
        // Invalid in FAT names (Microsoft FAT specification 1.03); `\` is also a separator.
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

/// Converts a firmware path: `\EFI\depmod` becomes `/EFI/depmod`.
#[must_use]
pub fn from_firmware(path: &CStr16) -> String {
    path.to_string().replace('\\', "/")
}

fn bad_name() -> IoError {
    IoError::other("Not a possible file name here")
}

/// FNV-1a of the names, with separators.
fn fnv(parts: Vec<&str>) -> u64 {
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([b'/']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use depmod_core::IoErrorKind;

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
    fn errors_of_devices_are_faults_and_those_of_files_are_not() {
        let kind = |status: Status| io_error(&uefi::Error::<()>::from(status)).kind();
        for status in [
            Status::DEVICE_ERROR,
            Status::NO_MEDIA,
            Status::MEDIA_CHANGED,
            Status::VOLUME_CORRUPTED,
            Status::TIMEOUT,
            Status::OUT_OF_RESOURCES,
        ] {
            assert_eq!(kind(status), IoErrorKind::Fault, "{status}");
        }
        for status in [Status::ACCESS_DENIED, Status::INVALID_PARAMETER, Status::UNSUPPORTED] {
            assert_eq!(kind(status), IoErrorKind::Other, "{status}");
        }
        assert_eq!(kind(Status::NOT_FOUND), IoErrorKind::NotFound);
    }

    #[test]
    fn identities() {
        let id = |path: &str| fnv(components(path.as_bytes()).unwrap());
        assert_eq!(id("/a//b/."), id("a/b"));
        assert_ne!(id("/a/b"), id("/ab"));
    }
}
