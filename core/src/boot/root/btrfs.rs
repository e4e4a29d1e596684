//! Btrfs.
//!
//! The first superblock is at byte 65,536, little endian (btrfs documentation, "On-disk format"):
//!
//! ```text
//! 0x20 UUID   0x40 magic "_BHRfS_M"   0xc4 kind of checksum   0x12b label
//! ```
//!
//! The module's soft dependencies name all kinds of checksum, of which one is needed to mount.

use scroll::{LE, Pread};

use super::superblock::{Kind, Superblock, hex, text};

const START: usize = 0x1_0000;

pub(super) fn parse(head: &[u8]) -> Option<Superblock> {
    let block = head.get(START..)?;
    if block.get(0x40..0x48)? != b"_BHRfS_M" {
        return None;
    }
    let checksum = match block.pread_with::<u16>(0xc4, LE).ok()? {
        0 => "crypto-crc32c",
        1 => "crypto-xxhash64",
        2 => "crypto-sha256",
        3 => "crypto-blake2b-256",
        _ => "crypto-crc32c",
    };
    let label = text(block.get(0x12b..0x22b)?);
    let found = Superblock::new(Kind::FileSystem("btrfs"), hex(block.get(0x20..0x30)?), label);
    Some(found.needs("fs-btrfs").needs(checksum))
}

#[cfg(test)]
mod tests {
    use super::super::superblock::HEAD_LEN;
    use super::*;
    use alloc::vec;

    #[test]
    fn uuid_label_and_checksum() {
        let mut head = vec![0; HEAD_LEN];
        head[START + 0x20..START + 0x30].copy_from_slice(&[0x3c; 16]);
        head[START + 0x40..START + 0x48].copy_from_slice(b"_BHRfS_M");
        head[START + 0xc4] = 1;
        head[START + 0x12b..START + 0x12e].copy_from_slice(b"sys");
        let found = parse(&head).unwrap();
        assert_eq!((found.id.as_str(), found.label.as_slice()), ("3c".repeat(16).as_str(), "sys".as_bytes()));
        assert_eq!(found.modules, ["fs-btrfs", "crypto-xxhash64"]);
        assert_eq!(parse(&head[..START + 0x200]), None);
    }
}
