//! The log of QEMU's `blklogwrites`: every write to a disk, and every flush, in order.
//!
//! The format is that of Linux's `dm-log-writes` (`drivers/md/dm-log-writes.c` names the fields; the kernel's
//! `Documentation/admin-guide/device-mapper/log-writes.rst` describes the use). All numbers are little-endian:
//!
//! ```text
//! sector 0     magic 0x006a736677736872, version 1, number of entries, sector size
//! then         for each entry a sector: sector, number of sectors, flags, length of data; then its data
//! ```

use std::path::Path;

use anyhow::{Context, Result, ensure};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// An entry of the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Offset on the disk in bytes.
    pub(super) offset: u64,
    /// What was written there.
    pub(super) data: Vec<u8>,
    /// Everything before is on the disk afterwards.
    pub(super) flushes: bool,
}

/// Reads a log.
///
/// # Errors
/// When the file is not a write log, or is cut.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(path)?;
    let word = |at: usize| -> Result<u64> {
        let word = bytes.get(at..at + 8).context("the write log is cut")?;
        Ok(u64::from_le_bytes(word.try_into()?))
    };
    ensure!(word(0)? == MAGIC && word(8)? == 1, "no write log");
    let (count, sector_size) = (word(16)?, (word(24)? & 0xffff_ffff) as usize);
    let mut entries = Vec::new();
    let mut at = sector_size;
    for _ in 0..count {
        let (sector, sectors, flags) = (word(at)?, word(at + 8)?, word(at + 16)?);
        at += sector_size;
        let has_data = sectors > 0 && flags & DISCARD == 0;
        let data = if has_data { sectors as usize * sector_size } else { 0 };
        let data = bytes.get(at..at + data).context("the write log is cut")?.to_vec();
        at += data.len();
        entries.push(Entry { offset: sector * sector_size as u64, data, flushes: flags & FLUSH != 0 });
    }
    Ok(entries)
}
