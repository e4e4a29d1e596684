//! File systems on which a file's times reveal changes.
//!
//! A kernel that writes to a file sets its change time to the present, and programs cannot set it. But files
//! of a read-only image have the times that the image builder chose: in two images built with
//! `SOURCE_DATE_EPOCH` and mounted at the same place, different files can have the same inode, size and
//! times. Files of network and user-space file systems have the server's times. On tmpfs, a write through a
//! shared mapping changes no time if the page was read before; on ZFS, the time changes after the bytes.
//! Hence
//!
//! ```text
//! ext4, mounted read-write                a cache
//! ext4, mounted read-only                 none
//! squashfs, erofs, overlayfs, nfs, tmpfs  none
//! another mount inside the first          its modules are read every time
//! ```

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

/// Magic numbers (`statfs(2)`) of file systems with times set by this kernel.
const KEEP_TIME: [u32; 4] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
];

/// The file system of a module directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Device number of its files.
    pub(super) device: u64,
    /// Its ID, derived from its UUID on most file systems.
    pub(super) id: u64,
}

impl FileSystem {
    /// The file system of this directory, if stamps of its files are reliable.
    pub(super) fn of(directory: &[u8]) -> Result<Option<Self>, Errno> {
        let status = rustix::fs::statvfs(directory)?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "magic numbers have 32 bits"
        )]
        #[allow(clippy::unnecessary_cast, reason = "the types differ by architecture")]
        let kind = rustix::fs::statfs(directory)?.f_type as u32;
        #[allow(clippy::useless_conversion, reason = "the types differ by architecture")]
        let device = rustix::fs::stat(directory)?.st_dev.into();
        let written = !status.f_flag.contains(StatVfsMountFlags::RDONLY);
        Ok((written && KEEP_TIME.contains(&kind)).then_some(Self { device, id: status.f_fsid }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_with_reliable_times_are_accepted() {
        assert_eq!(FileSystem::of(b"/proc"), Ok(None));
        assert_eq!(FileSystem::of(b"/proc/no such"), Err(Errno::NOENT));
    }
}
