//! The names of partitions, from a disk's GUID partition table (UEFI 2.10 §5.3).
//!
//! Firmware says where a partition is, and its GUID, but not its name. The header is in block 1:
//!
//! ```text
//! header   0 "EFI PART"   72 block of the entries   80 their count   84 the size of one
//! entry    16 GUID of the partition   56 name, 36 units of UTF-16
//! ```

use alloc::{string::String, vec::Vec};

use scroll::{LE, Pread};

use super::device::{BlockDevice, read};
use super::superblock::{hex, utf16};
use crate::limits::Limits;

/// GUID and name of each partition that has a name. The GUID is as [`hex`] gives the bytes in their textual order.
pub(super) fn names(disk: &dyn BlockDevice, limits: &Limits) -> Option<Vec<(String, String)>> {
    let block = u64::from(disk.block_size());
    let header = read(disk, block, 92)?;
    if !header.starts_with(b"EFI PART") {
        return None;
    }
    let field =
        |at: usize| header.pread_with::<u32>(at, LE).ok().and_then(|value| usize::try_from(value).ok());
    let start = header.pread_with::<u64>(72, LE).ok()?.checked_mul(block)?;
    let (count, size) = (field(80)?, field(84)?.max(128));
    let entries = read(disk, start, count.saturating_mul(size).min(limits.superblock_size))?;
    let name = |entry: &[u8]| {
        let guid = entry.get(16..32)?.try_into().ok()?;
        let name = utf16(entry.get(56..128)?);
        (!name.is_empty()).then(|| (guid_id(guid), name))
    };
    Some(entries.chunks_exact(size).filter_map(name).collect())
}

/// A GUID's bytes as [`hex`], in the order in which it is written: its first three fields are little endian.
pub(super) fn guid_id(guid: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = guid;
    let mut id = hex(&[d, c, b, a, f, e, h, g]);
    id.push_str(&hex(&rest));
    id
}

#[cfg(test)]
mod tests {
    use super::super::device::Memory;
    use super::*;

    #[test]
    fn names_have_the_guid_of_their_partition() {
        let mut disk = Memory::new(*b"");
        disk.put(512, b"EFI PART");
        disk.put(512 + 72, &2_u64.to_le_bytes());
        disk.put(512 + 80, &[4, 0, 0, 0, 128, 0, 0, 0]);
        let guid = *b"\x78\x56\x34\x12\xab\x90\xef\xcd\x01\x23\x45\x67\x89\xab\xcd\xef";
        disk.put(1024 + 128 + 16, &guid);
        disk.put(1024 + 128 + 56, b"r\0o\0o\0t\0");
        disk.put(1024 + 3 * 128, &[0; 128]);
        let expected = ("1234567890abcdef0123456789abcdef".into(), "root".into());
        assert_eq!(names(&disk, &Limits::DEFAULT), Some([expected].into()));
        disk.put(512 + 80, &[0xff; 8]);
        assert_eq!(names(&disk, &Limits::DEFAULT), None);
        disk.put(512, b"X");
        assert_eq!(names(&disk, &Limits::DEFAULT), None);
    }
}
