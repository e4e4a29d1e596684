//! Input of decoders that work in pieces.

use alloc::vec::Vec;

#[cfg(all(feature = "pieces", any(feature = "xz", feature = "zst")))]
use super::reader::take;
use crate::zeros;

/// Bytes of the buffer.
const SIZE: usize = 128 << 10;

/// A compressed file, read from its begin to its end through a buffer.
pub struct Feed<'f> {
    read: &'f mut dyn FnMut(&mut [u8]) -> usize,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl<'f> Feed<'f> {
    /// Reads with this function. It fills the bytes as far as the file has more, and returns their number.
    /// `None` if there is no memory.
    pub fn new(read: &'f mut dyn FnMut(&mut [u8]) -> usize) -> Option<Self> {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(SIZE).ok()?;
        zeros::grow_to(&mut buffer, SIZE);
        Some(Self { read, buffer, start: 0, end: 0, ended: false })
    }

    /// Fills the buffer; returns its bytes. They are all that is left of the file if [`Self::has_ended`].
    pub fn fill(&mut self) -> &[u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        if let Some(room) = self.buffer.get_mut(self.end..) {
            let read = (self.read)(room).min(room.len());
            self.ended = read < room.len();
            self.end = self.end.saturating_add(read);
        }
        self.rest()
    }

    /// The bytes in the buffer; fills it if there are none.
    pub fn some(&mut self) -> &[u8] {
        self.at_least(1)
    }

    /// The bytes in the buffer; fills it if they are fewer than these. Many short fields then cost one move of
    /// the buffer together, not one each.
    pub fn at_least(&mut self, bytes: usize) -> &[u8] {
        if self.rest().len() < bytes && !self.ended {
            return self.fill();
        }
        self.rest()
    }

    /// Moves bytes to `into`; returns their number, 0 at the end of the file.
    #[cfg(all(feature = "pieces", any(feature = "xz", feature = "zst")))]
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let count = take(&mut self.some(), into);
        self.consume(count);
        count
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Removes bytes from the begin of the buffer.
    pub fn consume(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.end);
    }

    /// Whether the file has no more bytes than those of the buffer.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

impl core::fmt::Debug for Feed<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Feed").field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_pass_in_order() {
        let file: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
        let mut rest = file.as_slice();
        let mut read = |into: &mut [u8]| {
            let (now, later) = rest.split_at(into.len().min(rest.len()));
            into[..now.len()].copy_from_slice(now);
            rest = later;
            now.len()
        };
        let mut feed = Feed::new(&mut read).unwrap();
        let mut seen = Vec::new();
        loop {
            let bytes = if seen.len() % 2 == 0 { feed.some() } else { feed.fill() };
            let some = bytes.get(..70_001).unwrap_or(bytes);
            let count = some.len();
            seen.extend_from_slice(some);
            feed.consume(count);
            if count == 0 {
                break;
            }
        }
        assert!(feed.has_ended() && seen == file);
    }
}
