//! On which file systems a file's times tell whether it has changed.
//!
//! A kernel that writes to a file sets its change time to the present, and nobody else can set it. But
//! the files of an image that is only read have whatever its maker wrote: of two images made with
//! `SOURCE_DATE_EPOCH`, one mounted in place of the other, different files can have the same inode,
//! size and times. A network's or a user's file system has the times that its server says. On tmpfs a write
//! through a shared mapping changes no time if the page was read before, on ZFS later than the bytes. So
//!
//! ```text
//! ext4, mounted to be written             a cache
//! ext4, mounted read-only                 none
//! squashfs, erofs, overlayfs, nfs, tmpfs  none
//! another mount inside the first          its modules are read every time
//! ```

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

/// Numbers of file systems whose times are this kernel's, as `statfs(2)` lists them.
const KEEP_TIME: [u32; 4] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
];

/// The file system of a module directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// The device of its files.
    pub(super) device: u64,
    /// Its own number, on most made from its UUID.
    pub(super) id: u64,
}

impl FileSystem {
    /// That of this directory, if stamps of its files can be believed.
    pub(super) fn of(directory: &[u8]) -> Result<Option<Self>, Errno> {
        let status = rustix::fs::statvfs(directory)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the kernel has 32 bits")]
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
    fn only_a_file_system_that_keeps_time_is_one() {
        assert_eq!(FileSystem::of(b"/proc"), Ok(None));
        assert_eq!(FileSystem::of(b"/proc/no such"), Err(Errno::NOENT));
    }
}
