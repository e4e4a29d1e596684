//! F2FS.
//!
//! The superblock is at byte 1024, little endian (Linux `include/linux/f2fs_fs.h`, `struct f2fs_super_block`):
//!
//! ```text
//! 0 magic f2f52010   0x6c UUID   0x7c label, 512 units of UTF-16   0x884 features
//! ```

use scroll::{LE, Pread};

use super::superblock::{Kind, Superblock, hex, utf16};

const START: usize = 1024;
const MAGIC: u32 = 0xf2f5_2010;
const CASEFOLD: u32 = 0x1000;

pub(super) fn parse(head: &[u8]) -> Option<Superblock> {
    let block = head.get(START..)?;
    if block.pread_with::<u32>(0, LE).ok()? != MAGIC {
        return None;
    }
    let label = utf16(block.get(0x7c..0x47c)?);
    let features = block.pread_with::<u32>(0x884, LE).ok()?;
    let found = Superblock::new(Kind::FileSystem("f2fs"), hex(block.get(0x6c..0x7c)?), label)
        .needs("fs-f2fs")
        .needs("crypto-crc32")
        .needs_if(features & CASEFOLD != 0, "utf8data");
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn uuid_label_and_features() {
        let mut head = vec![0; 4096];
        head[1024..1028].copy_from_slice(&MAGIC.to_le_bytes());
        head[1024 + 0x6c..1024 + 0x7c].copy_from_slice(&[0x77; 16]);
        head[1024 + 0x7c..1024 + 0x82].copy_from_slice(b"f\0\xfc\0s\0");
        let found = parse(&head).unwrap();
        assert_eq!(
            (found.id.as_str(), found.label.as_slice()),
            ("77".repeat(16).as_str(), "f\u{fc}s".as_bytes())
        );
        assert_eq!(found.modules, ["fs-f2fs", "crypto-crc32"]);
        head[1024 + 0x885] = 0x10;
        assert_eq!(parse(&head).unwrap().modules.last().unwrap(), "utf8data");
        assert_eq!(parse(&head[..2048]), None);
    }
}
