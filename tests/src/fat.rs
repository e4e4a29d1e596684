//! Disk images with one FAT file system, written and read without mounting.

use alloc::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};

/// Files by their `/`-separated path.
pub type Files = BTreeMap<String, Vec<u8>>;

const MIB: usize = 1 << 20;
/// The minimum size of FAT32.
const SMALLEST: usize = 48 * MIB;

/// An image of a FAT32 volume with these files and `room` free bytes.
///
/// # Errors
/// When a name is invalid in FAT.
pub fn image(files: &Files, room: usize) -> Result<Vec<u8>> {
    let content: usize = files.values().map(|bytes| bytes.len().next_multiple_of(4096)).sum();
    let size = (SMALLEST + room + content + content / 16).next_multiple_of(MIB);
    let mut bytes = vec![0; size];
    // FAT32 needs many clusters, but each takes time.
    let cluster = if size > LARGE { 4096 } else { 512 };
    let options = FormatVolumeOptions::new().fat_type(FatType::Fat32).bytes_per_cluster(cluster);
    fatfs::format_volume(Cursor::new(&mut bytes), options)?;
    {
        let volume = FileSystem::new(Cursor::new(&mut bytes), FsOptions::new())?;
        let root = volume.root_dir();
        for (path, content) in files {
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            let (name, dirs) = parts.split_last().context("a file needs a name")?;
            let mut dir = root.clone();
            for part in dirs {
                dir = dir.create_dir(part)?;
            }
            dir.create_file(name)?.write_all(content).with_context(|| path.clone())?;
        }
    }
    Ok(bytes)
}

/// More bytes than enough clusters of 4 KiB.
const LARGE: usize = 512 * MIB;

/// All files of an image.
///
/// # Errors
/// When the image is damaged.
pub fn files(image: &mut [u8]) -> Result<Files> {
    let volume = FileSystem::new(Cursor::new(image), FsOptions::new())?;
    let mut files = Files::new();
    let mut pending = vec![(String::new(), volume.root_dir())];
    while let Some((path, dir)) = pending.pop() {
        for entry in dir.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            let path = format!("{path}/{name}");
            if entry.is_dir() {
                pending.push((path, entry.to_dir()));
            } else {
                let mut content = Vec::new();
                entry.to_file().read_to_end(&mut content)?;
                files.insert(path, content);
            }
        }
    }
    Ok(files)
}

/// All files below a directory of this machine, links followed.
///
/// # Errors
/// When a file or directory cannot be read.
pub fn directory(dir: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut pending = vec![(String::new(), dir.to_path_buf())];
    while let Some((prefix, dir)) = pending.pop() {
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let entry = entry?;
            let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            if fs::metadata(entry.path())?.is_dir() {
                pending.push((path, entry.path()));
            } else {
                files.insert(path, fs::read(entry.path())?);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip() {
        let mut given = Files::new();
        given.insert("/EFI/BOOT/BOOTX64.EFI".into(), vec![1; 5000]);
        given.insert("/lib/modules/6.1.0/a-long_name.ko.xz".into(), vec![]);
        let mut image = image(&given, 0).unwrap();
        assert_eq!(files(&mut image).unwrap(), given);
    }
}
