//! Block devices: what a host reads, and parts of it.

use alloc::vec::Vec;

/// A disk or partition.
pub trait BlockDevice {
    /// Its bytes.
    fn size(&self) -> u64;

    /// Bytes of one of its blocks.
    fn block_size(&self) -> u32;

    /// Reads a range within [`Self::size`]. `None` if the device fails.
    fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>>;
}

/// A part of a device, such as a logical volume.
pub(super) struct Window<'d> {
    pub(super) device: &'d dyn BlockDevice,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl BlockDevice for Window<'_> {
    fn size(&self) -> u64 {
        self.size.min(self.device.size().saturating_sub(self.offset))
    }

    fn block_size(&self) -> u32 {
        self.device.block_size()
    }

    fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        read(self.device, self.offset.checked_add(offset)?, length)
    }
}

/// Reads a range. `None` if it is not whole within the device, or the device fails.
pub(super) fn read(device: &dyn BlockDevice, offset: u64, length: usize) -> Option<Vec<u8>> {
    let end = offset.checked_add(u64::try_from(length).ok()?)?;
    let bytes = if end <= device.size() { device.read(offset, length)? } else { return None };
    (bytes.len() == length).then_some(bytes)
}

/// The first bytes: at most `length`, fewer on a small device.
pub(super) fn read_head(device: &dyn BlockDevice, length: usize) -> Option<Vec<u8>> {
    let length = usize::try_from(device.size()).map_or(length, |size| size.min(length));
    read(device, 0, length)
}

/// A device in memory, with zeros after its bytes.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) bytes: Vec<u8>,
    pub(super) size: u64,
}

#[cfg(test)]
impl Memory {
    pub(super) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        Self { bytes, size }
    }

    /// Writes bytes, behind zeros where there were none.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes.resize(self.bytes.len().max(at + bytes.len()), 0);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.size = self.size.max(self.bytes.len() as u64);
    }
}

#[cfg(test)]
impl BlockDevice for Memory {
    fn size(&self) -> u64 {
        self.size
    }

    fn block_size(&self) -> u32 {
        512
    }

    fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let offset = offset as usize;
        assert!((offset + length) as u64 <= self.size, "read beyond the device");
        let byte = |at| self.bytes.get(at).copied().unwrap_or_default();
        Some((offset..offset + length).map(byte).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_whole_or_not() {
        let disk = Memory::new(*b"0123456789");
        let window = Window { device: &disk, offset: 4, size: 4 };
        assert_eq!(read(&window, 1, 3).as_deref(), Some(&b"567"[..]));
        assert_eq!(read(&window, 1, 4), None);
        assert_eq!(read(&window, u64::MAX, 1), None);
        assert_eq!(read_head(&window, 100).as_deref(), Some(&b"4567"[..]));
        let outside = Window { device: &disk, offset: 11, size: 4 };
        assert_eq!((outside.size(), read(&outside, 0, 1)), (0, None));
        let beyond = Window { device: &disk, offset: 8, size: u64::MAX };
        assert_eq!((beyond.size(), read_head(&beyond, 9).as_deref()), (2, Some(&b"89"[..])));
    }
}
