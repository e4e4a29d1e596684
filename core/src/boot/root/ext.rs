//! ext2, ext3 and ext4.
//!
//! The superblock is at byte 1024, little endian (Linux `Documentation/filesystems/ext4/super.rst`). One format has
//! three names: what is more than ext2 is told by bits of features.
//!
//! ```text
//! 0x38 magic ef53   0x5c features   0x60 incompatible   0x64 read-only compatible   0x68 UUID   0x78 label
//! ```

use scroll::{LE, Pread};

use super::superblock::{Kind, Superblock, hex, text};

const START: usize = 1024;
const MAGIC: u16 = 0xef53;

const HAS_JOURNAL: u32 = 0x4;
/// Incompatible features that ext3 has: file types in directories, a journal to be replayed, block groups of groups.
const EXT3_INCOMPATIBLE: u32 = 0x2 | 0x4 | 0x10;
/// A journal of another file system.
const JOURNAL_DEVICE: u32 = 0x8;
const CASEFOLD: u32 = 0x2_0000;
/// Read-only compatible features that ext3 has: sparse superblocks, large files, directories in trees.
const EXT3_COMPATIBLE: u32 = 0x1 | 0x2 | 0x4;
const QUOTA: u32 = 0x100;
const METADATA_CHECKSUMS: u32 = 0x400;

pub(super) fn parse(head: &[u8]) -> Option<Superblock> {
    let block = head.get(START..)?;
    let field = |at: usize| block.pread_with::<u32>(at, LE).ok();
    if block.pread_with::<u16>(0x38, LE).ok()? != MAGIC {
        return None;
    }
    let (features, incompatible, compatible) = (field(0x5c)?, field(0x60)?, field(0x64)?);
    if incompatible & JOURNAL_DEVICE != 0 {
        return None;
    }
    let is_ext4 = incompatible & !EXT3_INCOMPATIBLE != 0 || compatible & !EXT3_COMPATIBLE != 0;
    let (name, alias) = match (is_ext4, features & HAS_JOURNAL != 0) {
        (true, _) => ("ext4", "fs-ext4"),
        (false, true) => ("ext3", "fs-ext3"),
        (false, false) => ("ext2", "fs-ext2"),
    };
    let label = text(block.get(0x78..0x88)?);
    let found = Superblock::new(Kind::FileSystem(name), hex(block.get(0x68..0x78)?), label)
        .needs(alias)
        .needs_if(incompatible & CASEFOLD != 0, "utf8data")
        .needs_if(compatible & QUOTA != 0, "quota_v2")
        .needs_if(compatible & METADATA_CHECKSUMS != 0, "crypto-crc32c");
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    fn block(features: u32, incompatible: u32, compatible: u32) -> Vec<u8> {
        let mut head = vec![0; 2048];
        head[0x438..0x43a].copy_from_slice(&[0x53, 0xef]);
        for (at, value) in [(0x45c, features), (0x460, incompatible), (0x464, compatible)] {
            head[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        head[0x468..0x478].copy_from_slice(&[0x1f; 16]);
        head[0x478..0x47c].copy_from_slice(b"root");
        head
    }

    #[test]
    fn three_names_of_one_format() {
        let name = |features, incompatible, compatible| {
            parse(&block(features, incompatible, compatible)).map(|found| found.kind)
        };
        assert_eq!(name(0, 0x2, 0x1), Some(Kind::FileSystem("ext2")));
        assert_eq!(name(0x4, 0x6, 0x7), Some(Kind::FileSystem("ext3")));
        assert_eq!(name(0x4, 0x42, 0x7), Some(Kind::FileSystem("ext4")));
        assert_eq!(name(0, 0x8, 0), None);
    }

    #[test]
    fn features_need_modules() {
        let found = parse(&block(0x4, 0x2_0042, 0x503)).unwrap();
        assert_eq!(
            (found.id.as_str(), found.label.as_slice()),
            ("1f".repeat(16).as_str(), "root".as_bytes())
        );
        assert_eq!(found.modules, ["fs-ext4", "utf8data", "quota_v2", "crypto-crc32c"]);
        assert_eq!(parse(&block(0, 0, 0)[..1100]), None);
    }
}
