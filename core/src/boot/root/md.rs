//! Members of arrays (md).
//!
//! The superblock is at the start or the end, depending on its version (Linux `include/uapi/linux/raid/md_p.h`):
//!
//! ```text
//! 1.1, 1.2   at byte 0 and 4096               little endian
//! 1.0        8 to 12 KiB before the end       the same
//! 0.90       64 to 128 KiB before the end     words of the machine that made it; here little endian
//!
//! 1.x    0 magic a92b4efc   4 version   16 UUID   32 name   72 level   88 chunk   128 data, its size   144 own place
//!        160 number of this device   256 the roles of all devices
//! 0.90   words: 0 magic   1 version   5 UUID   7 level   8 size in KiB   13 UUID   65 chunk   995 own role
//! ```
//!
//! Each member of a mirror has all the content, and the first member of most other arrays has the first chunk of it,
//! with the superblock of what is inside.

use alloc::{string::String, vec::Vec};

use scroll::{LE, Pread};

use super::device::{BlockDevice, read};
use super::superblock::{Kind, Superblock, hex, text};

const MAGIC: u32 = 0xa92b_4efc;
const SECTOR: u64 = 512;
const BLOCK_LEN: usize = 4096;

/// A member.
pub(super) struct Member {
    pub(super) superblock: Superblock,
    /// Offset and size of the content's start, if it can be read here.
    pub(super) content: Option<(u64, u64)>,
}

pub(super) fn find(device: &dyn BlockDevice, head: &[u8]) -> Option<Member> {
    let size = device.size();
    let at_start = [0, 4096].into_iter().find_map(|at: usize| {
        let block = head.get(at..)?;
        version_1(block, u64::try_from(at).ok()?)
    });
    at_start
        .or_else(|| {
            // Linux counts in sectors.
            let at = (size.checked_div(SECTOR)?.checked_sub(16)? & !7).checked_mul(SECTOR)?;
            version_1(&read(device, at, BLOCK_LEN)?, at)
        })
        .or_else(|| {
            let at = (size & !0xffff).checked_sub(0x1_0000)?;
            version_0(&read(device, at, BLOCK_LEN)?, at)
        })
}

fn version_1(block: &[u8], at: u64) -> Option<Member> {
    let word = |at: usize| block.pread_with::<u32>(at, LE).ok();
    let long = |at: usize| block.pread_with::<u64>(at, LE).ok();
    // The end of a disk can be that of its last partition.
    if word(0)? != MAGIC || word(4)? != 1 || long(144)?.checked_mul(SECTOR)? != at {
        return None;
    }
    let superblock = Superblock::new(Kind::Array, hex(block.get(16..32)?), text(block.get(32..64)?));
    let level = block.pread_with::<i32>(72, LE).ok()?;
    let number = usize::try_from(word(160)?).ok();
    let role = number
        .and_then(|number| number.checked_mul(2)?.checked_add(256))
        .and_then(|at| block.pread_with::<u16>(at, LE).ok());
    let chunk = u64::from(word(88)?).checked_mul(SECTOR)?;
    let start = long(128)?.checked_mul(SECTOR)?;
    // Without an end, the superblock at the end of the device would be found in the content again.
    let size = long(136)?.checked_mul(SECTOR)?;
    let content = content(level, role == Some(0), chunk).map(|part| (start, part.min(size)));
    Some(Member { superblock: with_level(superblock, level), content })
}

fn version_0(block: &[u8], at: u64) -> Option<Member> {
    let word = |index: usize| block.pread_with::<u32>(index.checked_mul(4)?, LE).ok();
    if word(0)? != MAGIC || word(1)? != 0 {
        return None;
    }
    // The end of a disk can be that of its last partition, which is smaller by a megabyte or more.
    let size = u64::from(word(8)?).checked_mul(1 << 10)?;
    at.checked_sub(size).filter(|&rest| rest < 1 << 20)?;
    let id: Vec<u8> =
        [word(5)?, word(13)?, word(14)?, word(15)?].into_iter().flat_map(u32::to_be_bytes).collect();
    let level = i32::from_le_bytes(word(7)?.to_le_bytes());
    let content = content(level, word(995)? == 0, u64::from(word(65)?)).map(|part| (0, part.min(size)));
    Some(Member { superblock: with_level(Superblock::new(Kind::Array, hex(&id), ""), level), content })
}

/// How many bytes of the content a member has at its start.
fn content(level: i32, is_first: bool, chunk: u64) -> Option<u64> {
    match level {
        1 => Some(u64::MAX),
        // Members of a linear array are one after the other.
        -1 => is_first.then_some(u64::MAX),
        0 | 4 | 5 | 6 | 10 => (is_first && chunk > 0).then_some(chunk),
        _ => None,
    }
}

fn with_level(superblock: Superblock, level: i32) -> Superblock {
    let superblock = superblock.needs("md-mod");
    match level {
        -1 => superblock.needs("md-linear"),
        0 => superblock.needs("md-raid0"),
        1 => superblock.needs("md-raid1"),
        4..=6 => superblock.needs("md-raid5"),
        10 => superblock.needs("md-raid10"),
        _ => superblock,
    }
}

/// The modules of arrays that are named and not found.
pub(super) fn usual() -> Vec<String> {
    ["md-mod", "md-raid0", "md-raid1", "md-raid5", "md-raid10"].map(Into::into).into()
}

#[cfg(test)]
mod tests {
    use super::super::device::Memory;
    use super::*;
    use alloc::vec;

    fn block_1(level: i32, at: u64) -> Vec<u8> {
        let mut block = vec![0; 4096];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC.to_le_bytes());
        put(4, &[1]);
        put(16, &[0xc7; 16]);
        put(32, b"host:0");
        put(72, &level.to_le_bytes());
        put(88, &128_u32.to_le_bytes());
        put(128, &2048_u64.to_le_bytes());
        put(136, &600_u64.to_le_bytes());
        put(144, &(at / 512).to_le_bytes());
        put(160, &1_u32.to_le_bytes());
        put(256, &[9, 0, 0, 0]);
        block
    }

    type Found = (String, Vec<String>, Option<(u64, u64)>);

    fn found(disk: &Memory) -> Option<Found> {
        let head = &disk.bytes[..disk.bytes.len().min(8192)];
        let member = find(disk, head)?;
        Some((member.superblock.id, member.superblock.modules, member.content))
    }

    #[test]
    fn version_1_is_at_three_places() {
        let size = 1 << 20;
        for at in [0, 4096, size - 8192] {
            let mut disk = Memory { bytes: vec![], size };
            disk.put(at as usize, &block_1(1, at));
            let modules = ["md-mod", "md-raid1"].map(String::from).to_vec();
            assert_eq!(found(&disk), Some(("c7".repeat(16), modules, Some((1 << 20, 600 * 512)))), "{at}");
        }
        // That of the last partition is no superblock of the disk.
        let mut disk = Memory { bytes: vec![], size };
        disk.put((size - 8192) as usize, &block_1(1, size - 16384));
        assert_eq!(found(&disk), None);
    }

    #[test]
    fn the_first_member_of_stripes_has_their_start() {
        let mut disk = Memory { bytes: block_1(5, 0), size: 1 << 24 };
        let (_, modules, content) = found(&disk).unwrap();
        assert_eq!(
            (modules, content),
            (vec!["md-mod".into(), "md-raid5".into()], Some((1 << 20, 128 * 512)))
        );
        disk.put(258, &[1]);
        assert_eq!(found(&disk).unwrap().2, None);
        disk.put(160, &[0xff; 4]);
        assert_eq!(found(&disk).unwrap().2, None);
    }

    #[test]
    fn version_0_is_before_the_end() {
        let size = (1 << 20) + 5000;
        let at: usize = (1 << 20) - (64 << 10);
        let mut disk = Memory { bytes: vec![], size };
        let words =
            [(0, MAGIC), (2, 90), (5, 0x0102_0304), (7, 1), (8, (at >> 10) as u32), (15, 0xfefd_fcfb)];
        for (index, word) in words {
            disk.put(at + 4 * index, &word.to_le_bytes());
        }
        let id = "010203040000000000000000fefdfcfb".into();
        let modules = ["md-mod", "md-raid1"].map(String::from).to_vec();
        assert_eq!(found(&disk), Some((id, modules, Some((0, at as u64)))));
        disk.put(at + 4 * 8, &[0; 4]);
        assert!(found(&disk).is_some(), "no partition begins that late");
        disk.size += 4 << 20;
        assert_eq!(found(&disk), None);
    }
}
