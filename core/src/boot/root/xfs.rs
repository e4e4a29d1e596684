//! XFS.
//!
//! The superblock is at byte 0, big endian ("XFS Algorithms & Data Structures", chapter "Superblocks"):
//!
//! ```text
//! 0 magic "XFSB"   32 UUID   100 version, in its low four bits   108 label
//! ```

use scroll::{BE, Pread};

use super::superblock::{Kind, Superblock, hex, text};

/// The first version with checksums.
const WITH_CHECKSUMS: u16 = 5;

pub(super) fn parse(head: &[u8]) -> Option<Superblock> {
    if !head.starts_with(b"XFSB") {
        return None;
    }
    let version = head.pread_with::<u16>(100, BE).ok()? & 15;
    let found = Superblock::new(Kind::FileSystem("xfs"), hex(head.get(32..48)?), text(head.get(108..120)?))
        .needs("fs-xfs")
        .needs_if(version >= WITH_CHECKSUMS, "crypto-crc32c");
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_label_and_checksums() {
        let mut head = [0; 512];
        head[..4].copy_from_slice(b"XFSB");
        head[32..48].copy_from_slice(&[0xa5; 16]);
        head[101] = 0xb5;
        head[108..120].copy_from_slice(b"twelve bytes");
        let found = parse(&head).unwrap();
        assert_eq!(
            (found.id.as_str(), found.label.as_slice()),
            ("a5".repeat(16).as_str(), "twelve bytes".as_bytes())
        );
        assert_eq!(found.modules, ["fs-xfs", "crypto-crc32c"]);
        head[101] = 0xb4;
        assert_eq!(parse(&head).unwrap().modules, ["fs-xfs"]);
        assert_eq!(parse(&head[..110]), None);
    }
}
